"""Describes a run for people: its summary, state, shortfall, and the tree of a problem."""
