"""Finds the final answer in the text of a response; `statement.py` has the rule."""

from verifiers.answers.statement import Extract, extract_answer, last_box

__all__ = ["Extract", "extract_answer", "last_box"]
