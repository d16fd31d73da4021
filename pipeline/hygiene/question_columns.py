"""Guesses which columns of a test set's file have the question and the answer."""

from pathlib import Path
from typing import Any

from pipeline.errors import UserMistake
from pipeline.problems.files import first_row

_QUESTIONS = ("question", "problem", "prompt", "query", "instruction", "input", "text")
_ANSWERS = ("answer", "final_answer", "gold", "expected_answer", "target", "solution", "output")
_MARK = "####"
"""Before the answer in files that have it at the end of a worked solution, as GSM8K's."""


def guess_section(path: str) -> dict[str, Any]:
    """A section as `problems` for a file.

    Raises ValueError, with one line for the user, if the file cannot be read or no column is known.
    """
    try:
        row = first_row(Path(path))
    except UserMistake as e:
        raise ValueError(str(e)) from e
    if row is None:
        raise ValueError(f"{path}: expected rows of named columns, found none")
    question = next((name for name in _QUESTIONS if isinstance(row.get(name), str)), None)
    if question is None:
        raise ValueError(
            f"{path}: expected a column with the question, named {', '.join(_QUESTIONS[:-1])} or "
            f"{_QUESTIONS[-1]}, got {', '.join(row)}; name it in a file for --with: "
            "hygiene: {against: [{use: file, path: ..., prompt_field: ..., answer_field: ...}]}"
        )
    section = {"use": "file", "path": path, "prompt_field": question, "on_error": "skip"}
    answer = next((name for name in _ANSWERS if isinstance(row.get(name), str | int | float)), None)
    if answer is None:
        return {**section, "answers": "none"}
    after = _MARK if _MARK in str(row[answer]) else ""
    return {**section, "answer_field": answer, "answers": "optional", "answer_after": after}
