"""Which columns of a row are kept beside the problem, and which are not used at all."""

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
_LOOKED_AT = 100
"""Rows whose columns are noted; later ones seldom have others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What a row has beside the problem's text and target."""

    meta: dict[str, object]
    asked: dict[str, object]
    """Of it what the prompt template takes."""
    source_id: str | None


class Columns:
    """Reads the columns of one source's rows."""

    def __init__(
        self, *, used: Sequence[str], kept: Sequence[str] | Literal["all"], id_field: str | None
    ) -> None:
        self.template = Template()
        """The prompt's; every row has to have the columns that it takes."""
        self._used = used
        self._kept = kept
        self._id_field = id_field
        self._unused: dict[str, None] = {}
        self._num_rows = 0

    @property
    def unused(self) -> tuple[str, ...]:
        """Columns of the first rows that nothing uses, in order."""
        return tuple(self._unused)

    def read(self, row: Mapping[str, object]) -> Beside:
        """Raises ValueError, which says what is wrong with the row, and ProblemError for a template."""
        id_column = self._id_column(row)
        others = [name for name in row if name not in (*self._used, id_column)]
        kept = others if self._kept == "all" else self._kept
        refuse_left(self.template, others)
        names = dict.fromkeys((*kept, *self.template.columns))
        if self._num_rows < _LOOKED_AT:
            self._num_rows += 1
            self._unused.update(dict.fromkeys(name for name in others if name not in names))
        for name in self.template.columns:
            if row.get(name) is None:
                raise ValueError(lacking(name, row, others))
        meta = {name: _read(row, name) for name in names}
        return Beside(
            meta=meta,
            asked={name: meta[name] for name in self.template.columns},
            source_id=None if id_column is None else _as_id(row[id_column]),
        )

    def _id_column(self, row: Mapping[str, object]) -> str | None:
        """The column with the row's own id; None if it has none. Raises ValueError."""
        if self._id_field is not None:
            if _as_id(row.get(self._id_field)) is None:
                raise ValueError(wrong(row, self._id_field, "an id, a text or a whole number"))
            return self._id_field
        found = (name for name in _IDS if name not in self._used and _as_id(row.get(name)) is not None)
        return next(found, None)


def lacking(name: str, row: Mapping[str, object], known: Sequence[str]) -> str:
    """Says that a row does not have what the template takes; `known` are the columns to suggest."""
    if name in row:
        return f"prompt.template takes {{{name}}}, which is null in this row"
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {{{near[0]}}}?" if near else f"it could take {', '.join(known) or 'none'};"
    return (
        f"prompt.template takes {{{name}}}, which is no column of this row; {hint} "
        f"({{{{{name}}}}} is sent as {{{name}}})"
    )


def refuse_left(template: Template, columns: Container[str]) -> None:
    """Raises ProblemError if `{name}` would be sent as it is although there is a column of the name."""
    for name in template.left:
        if name in columns:
            raise ProblemError(
                f"prompt.template: {{{name}}} would be sent as it is, for what stands before it, but "
                f"{name!r} is a column; put a space before it to fill it in, or write {{{{{name}}}}} "
                f"to send {{{name}}}"
            )


def _read(row: Mapping[str, object], name: str) -> object:
    """The column as JSON can hold it. Raises ValueError."""
    if name not in row:
        raise ValueError(wrong(row, name, "a value"))
    value = _plain(row[name])
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError(wrong(row, name, "text without lone surrogates")) from None
    return value


def _plain(value: object) -> object:
    """As JSON can hold it: dates and the like as text; a float that is none is unknown."""
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
        # What a column of whole numbers becomes where some rows have none.
        return str(int(value)) if value.is_integer() else None
    text = str(value).strip()
    return text if text and text.isprintable() else None


def wrong(row: Mapping[str, object], name: str, expected: str) -> str:
    """Says that a column is not what was expected."""
    got = shown(row[name]) if name in row else f"no such field, only {', '.join(map(str, row))}"
    return f"field {name!r}: expected {expected}, got {got}"
