"""Code that runs inside the sandbox, next to the program. It imports only the standard library."""
