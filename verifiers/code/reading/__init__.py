"""Finds the program in a response."""
