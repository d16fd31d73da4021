"""Reads LaTeX, Unicode and words into formulas. No text is ever evaluated as code."""
