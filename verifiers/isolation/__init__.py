"""The border between berry and a verifier: checks, threads, processes and time limits."""
