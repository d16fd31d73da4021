"""Test code of asserts: read outside the sandbox, or made ready to run."""
