"""Decides whether two values are equal: exactly, numerically, at sample points."""
