"""Finds the final answer in a response's text; `statement.py` defines the rule."""

from verifiers.answers.statement import Extract, extract_answer, last_box

__all__ = ["Extract", "extract_answer", "last_box"]
