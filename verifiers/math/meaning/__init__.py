"""Statements that formulas make: a value, an equation, a region, a set of solutions."""
