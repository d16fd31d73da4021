"""Runs untrusted code and knows nothing of the rest; nothing is built yet."""
