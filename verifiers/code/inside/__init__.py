"""What runs inside the sandbox, beside the program: the standard library and itself alone."""
