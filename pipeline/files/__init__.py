"""Reads users' files, and publishes files atomically."""
