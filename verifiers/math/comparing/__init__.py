"""Compares two answers, by the rule for their kind."""
