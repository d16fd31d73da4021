"""Guesses which columns of a test set's file have the question and the answer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import UserMistake
from pipeline.problems.files import first_rows

_QUESTIONS = ("question", "problem", "prompt", "query", "instruction", "input", "text")
_ANSWERS = ("answer", "final_answer", "gold", "expected_answer", "target", "solution", "output")
_MARK = "####"
"""Before the answer in files that have it at the end of a worked solution, as GSM8K's."""
_ROWS = 100


def guess_section(path: str) -> dict[str, Any]:
    """A section as `problems` for a file, by its first rows. Capitals do not matter.

    Raises ValueError, with one line for the user, if the file cannot be read or no column is known.
    """
    try:
        rows = first_rows(Path(path), _ROWS)
    except UserMistake as e:
        hint = "" if Path(path).exists() else "; --with takes a dataset of the Hub (use: hugging_face)"
        raise ValueError(f"{str(e).removeprefix('problems.path: ')}{hint}") from e
    if not rows:
        raise ValueError(f"{path}: expected rows of named columns, found none")
    question = _first(_QUESTIONS, rows, str)
    if question is None:
        raise ValueError(
            f"{path}: expected a column with the question, a text, named {', '.join(_QUESTIONS[:-1])} "
            f"or {_QUESTIONS[-1]}, got {', '.join(rows[0])}; name it in a file for --with: "
            "hygiene: {against: [{use: file, path: ..., prompt_field: ..., answer_field: ...}]}"
        )
    section = {"use": "file", "path": path, "prompt_field": question, "on_error": "skip"}
    answer = _first(_ANSWERS, rows, str | int | float)
    if answer is None:
        return {**section, "answers": "none"}
    has_mark = all(_MARK in str(row.get(answer)) for row in rows if row.get(answer) is not None)
    after = _MARK if has_mark else ""
    return {**section, "answer_field": answer, "answers": "optional", "answer_after": after}


def _first(names: Sequence[str], rows: Sequence[Mapping[str, object]], kind: Any) -> str | None:
    """The first of the names that is a column with such values."""
    columns = {column.casefold(): column for row in rows for column in row}
    for name in names:
        column = columns.get(name)
        if column is not None and any(isinstance(row.get(column), kind) for row in rows):
            return column
    return None
