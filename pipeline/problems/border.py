"""The border between a run and its problem source, which may be anybody's code.

Whatever a source does wrong becomes a ProblemError with one line that names the source, what it did,
and where in its file.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.own_code import raised
from pipeline.problems import BadRow, ProblemError, ReportsColumns, Source, SourceConfig
from pipeline.problems.columns import lacking, refuse_left
from pipeline.problems.rows import RowSource
from pipeline.records import Problem
from pipeline.templates import Template
from verifiers import Target
from verifiers.mistakes import shown
from verifiers.plugins import Part

_END: Any = object()
_ID = re.compile(r"[0-9a-f]{16}")


def check_source(part: Part) -> None:
    """Raises ValueError for a class that is no source."""
    if not callable(getattr(part.cls, "rows", None)):
        raise ValueError(f"expected {part.use!r} to be a problem source, with a method `rows(self)`")
    if not isinstance(part.options, SourceConfig):
        raise ValueError(
            f"expected the `Config` of {part.use!r} to extend pipeline.problems.SourceConfig, which "
            "has `limit` and `on_error`"
        )


def open_source(part: Part, seed: int, template: Template | None = None) -> "CheckedSource":
    """The source that a config names; every problem has what the prompt's template takes.

    Raises ProblemError.
    """
    try:
        source = part.build(seed)
    except ProblemError:
        raise
    except (Exception, SystemExit) as e:
        raise ProblemError(
            f"problems.use={part.use}: cannot be built from its Config and the run's seed: "
            f"{raised(e, part.cls)}"
        ) from e
    return CheckedSource(part, source, template or Template())


class CheckedSource:
    """A `Source` around one that may break."""

    def __init__(self, part: Part, source: Source, template: Template) -> None:
        assert isinstance(part.options, SourceConfig)
        self.config = part.options
        self._part, self._source = part, source
        self._template = template
        if isinstance(source, RowSource):
            source.columns.template = template

    @property
    def unused_columns(self) -> Sequence[str]:
        """The inner source's; none of one that cannot say."""
        source = self._source
        return source.unused_columns if isinstance(source, ReportsColumns) else ()

    def size(self) -> int | None:
        """The inner source's; None for one without the method. Raises ProblemError."""
        if not hasattr(self._source, "size"):
            return None
        try:
            size: Any = self._source.size()
        except ProblemError:
            raise
        except (Exception, SystemExit) as e:
            raise self._error(f"size() raised {raised(e, self._part.cls)}") from e
        if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
            raise self._error(f"size(): expected a number of problems or None, got {shown(size)}")
        return size

    def rows(self) -> Iterator[Problem | BadRow]:
        """The inner source's. Raises ProblemError for whatever it raises, and for what is no row."""
        number = 0
        rows = self._begin()
        while True:
            try:
                row = next(rows, _END)
            except ProblemError:
                raise
            except (Exception, SystemExit) as e:
                raise self._error(f"rows() raised {raised(e, self._part.cls)}") from e
            if row is _END:
                return
            number += 1
            if (wrong := _mistake(row)) is not None:
                raise self._error(f"rows(): row {number}: {wrong}")
            yield self._check_columns(row, number)

    def _check_columns(self, row: Problem | BadRow, number: int) -> Problem | BadRow:
        """The problem, with an id that depends on what the prompt's template takes of its `meta`.

        A BadRow instead of one that lacks a column. Raises ProblemError for a template with a mistake.
        """
        if isinstance(row, BadRow) or isinstance(self._source, RowSource):
            return row
        refuse_left(self._template, row.meta)
        for name in self._template.columns:
            if row.meta.get(name) is None:
                where = row.where or f"problems.use={self._part.use}, row {number}"
                return BadRow(where=where, reason=lacking(name, row.meta, list(row.meta)))
        return row.asking({name: row.meta[name] for name in self._template.columns})

    def _begin(self) -> Iterator[Any]:
        try:
            return iter(self._source.rows())
        except ProblemError:
            raise
        except (Exception, SystemExit) as e:
            raise self._error(f"rows() raised {raised(e, self._part.cls)}") from e

    def _error(self, what: str) -> ProblemError:
        return ProblemError(f"problems.use={self._part.use}: {what}")


def _mistake(row: object) -> str | None:
    """What is wrong with something that a source yielded; None if nothing is."""
    if isinstance(row, BadRow):
        return None
    if not isinstance(row, Problem):
        return f"expected a Problem (as Problem.create makes it) or a BadRow, got {shown(row)}"
    if not isinstance(row.id, str) or not _ID.fullmatch(row.id):
        return f"expected an id as Problem.create makes it, got {shown(row.id)}"
    if not isinstance(row.prompt, str) or not row.prompt.strip():
        return f"expected a prompt that is a text and not empty, got {shown(row.prompt)}"
    if not isinstance(row.target, Target):
        return f"expected a target that is a Target, got {shown(row.target)}"
    for name, value in (("meta", row.meta), ("target.tests", row.target.tests)):
        try:
            json.dumps(dict(value), ensure_ascii=False).encode()
        except (TypeError, ValueError, RecursionError):
            return f"expected {name} to be keys and values that JSON can hold, got {shown(value)}"
    return None
