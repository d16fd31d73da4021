"""Finds the columns of a row to keep with the problem, and the unused ones."""

import json
import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from pipeline.problems import ProblemError
from pipeline.templates import Template
from verifiers.mistakes import shown

_IDS = ("id", "unique_id", "problem_id", "task_id", "question_id", "uid", "uuid", "idx")
ENCODE = json.JSONEncoder(ensure_ascii=False).encode
"""`json.dumps` would make a new encoder at each call."""
_LOOKED_AT = 100
"""Number of rows whose columns are recorded; later rows rarely have others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowColumns:
    """A row's data besides the problem's text and target."""

    meta: dict[str, object]
    asked: dict[str, object]
    """The entries of `meta` that the prompt template uses."""
    source_id: str | None


class Columns:
    """Reads the columns of one source's rows."""

    def __init__(
        self, *, used: Sequence[str], kept: Sequence[str] | Literal["all"], id_field: str | None
    ) -> None:
        self.template = Template()
        """The prompt template; every row must have its columns."""
        self._used = used
        self._kept = kept
        self._id_field = id_field
        self._unused: dict[str, None] = {}
        self._num_rows = 0

    @property
    def unused(self) -> tuple[str, ...]:
        """Unused columns of the first rows, in order."""
        return tuple(self._unused)

    def read(self, row: Mapping[str, object]) -> RowColumns:
        """Reads a row. Raises ValueError for a fault of the row, ProblemError for one of the
        template."""
        id_column, source_id = self._find_id(row)
        others = [name for name in row if name not in self._used and name != id_column]
        kept = others if self._kept == "all" else self._kept
        template = self.template
        columns = template.columns
        refuse_left(template, others)
        names = dict.fromkeys((*kept, *columns))
        if self._num_rows < _LOOKED_AT:
            self._num_rows += 1
            self._unused.update(dict.fromkeys(name for name in others if name not in names))
        for name in columns:
            if row.get(name) is None:
                raise ValueError(lacking(name, row, others))
        meta = {name: _read(row, name) for name in names}
        return RowColumns(
            meta=meta,
            asked={name: meta[name] for name in columns},
            source_id=source_id,
        )

    def _find_id(self, row: Mapping[str, object]) -> tuple[str | None, str | None]:
        """The column with the row's own id, and the id; None if it has none. Raises ValueError."""
        if self._id_field is not None:
            if (found := _as_id(row.get(self._id_field))) is None:
                raise ValueError(wrong(row, self._id_field, "an id, a text or a whole number"))
            return self._id_field, found
        for name in _IDS:
            if name in row and name not in self._used and (found := _as_id(row[name])) is not None:
                return name, found
        return None, None


def lacking(name: str, row: Mapping[str, object], known: Sequence[str]) -> str:
    """A message that a row lacks a column of the template; `known` are the columns to suggest."""
    if name in row:
        return f"prompt.template uses {{{name}}}, which is null in this row"
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {{{near[0]}}}?" if near else f"available: {', '.join(known) or 'none'};"
    return (
        f"prompt.template uses {{{name}}}, which is not a column of this row; {hint} "
        f"(write {{{{{name}}}}} to send {{{name}}})"
    )


def refuse_left(template: Template, columns: Container[str]) -> None:
    """Raises ProblemError if `{name}` would be sent unchanged although a column has this name."""
    for name in template.left:
        if name in columns:
            raise ProblemError(
                f"prompt.template: {{{name}}} would be sent unchanged because of the character before "
                f"it, but {name!r} is a column; put a space before it to fill it in, or write "
                f"{{{{{name}}}}} to send {{{name}}}"
            )


def _read(row: Mapping[str, object], name: str) -> object:
    """The column as a JSON value. Raises ValueError."""
    if name not in row:
        raise ValueError(wrong(row, name, "a value"))
    value = _plain(row[name])
    if isinstance(value, str) and value.isascii():
        return value
    try:
        ENCODE(value).encode()
    except UnicodeEncodeError:
        raise ValueError(wrong(row, name, "text without lone surrogates")) from None
    return value


def _plain(value: object) -> object:
    """A JSON value: other types such as dates become text, NaN and infinity None."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value)


def _as_id(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, float):
        # A column of whole numbers becomes floats if some rows have no value.
        return str(int(value)) if value.is_integer() else None
    text = str(value).strip()
    return text if text and text.isprintable() else None


def wrong(row: Mapping[str, object], name: str, expected: str) -> str:
    """A message about a column with an unexpected value."""
    got = shown(row[name]) if name in row else f"no such field, only {', '.join(map(str, row))}"
    return f"field {name!r}: expected {expected}, got {got}"
