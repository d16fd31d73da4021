"""Checks problem sources, which may be third-party code.

Any fault of a source becomes a ProblemError with one line: the source, the fault, and its place in the
source's file.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import Any

from pipeline.dispatch.own_code import raised
from pipeline.files.ranges import EVERY_ROW, Ranges, pick
from pipeline.problems import BadRow, ProblemError, ReportsColumns, Source, SourceConfig
from pipeline.problems.columns import ENCODE, lacking, refuse_left
from pipeline.problems.rows import RowSource, is_unicode
from pipeline.problems.variants.source import VariedSource
from pipeline.records import Problem
from pipeline.templates import Template
from sandbox import SandboxConfig
from verifiers import Target
from verifiers.attributes import method
from verifiers.mistakes import shown
from verifiers.plugins import Part

_END: Any = object()
_TEXTS = ("prompt", "domain", "source", "target.kind", "target.value", "split", "source_id")
_ID = re.compile(r"[0-9a-f]{16}")


def check_source(part: Part) -> None:
    """Raises ValueError for a class that is not a source."""
    if method(part.cls, "rows") is None:
        raise ValueError(f"expected {part.use!r} to be a problem source, with a method `rows(self)`")
    if not isinstance(part.options, SourceConfig):
        raise ValueError(
            f"expected the `Config` of {part.use!r} to extend pipeline.problems.SourceConfig, which "
            "has `limit` and `on_error`"
        )


def open_source(
    part: Part,
    seed: int,
    template: Template | None = None,
    sandbox: SandboxConfig | None = None,
) -> "OpenSource":
    """Opens the config's source; checks that every problem has the columns of the prompt template.

    With `variants` it also gives variants, whose programs run in a sandbox. Raises ProblemError.
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
    checked = CheckedSource(part, source, template or Template())
    if not checked.config.variants.numbers:
        return checked
    columns = (template or Template()).columns
    return VariedSource(checked, checked.config.variants, seed, columns, sandbox or SandboxConfig())


class CheckedSource:
    """A `Source` that checks another one."""

    def __init__(self, part: Part, source: Source, template: Template) -> None:
        assert isinstance(part.options, SourceConfig)
        self.config = part.options
        self._part, self._source = part, source
        self._template = template
        if isinstance(source, RowSource):
            source.columns.template = template

    @property
    def unused_columns(self) -> Sequence[str]:
        """The inner source's unused columns; empty if it does not report them."""
        source = self._source
        return source.unused_columns if isinstance(source, ReportsColumns) else ()

    def size(self) -> int | None:
        """The inner source's size; None if it has no such method. Raises ProblemError."""
        count = method(self._source, "size")
        if count is None:
            return None
        try:
            size: Any = count()
        except ProblemError:
            raise
        except (Exception, SystemExit) as e:
            raise self._error(f"size() raised {raised(e, self._part.cls)}") from e
        if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
            raise self._error(f"size(): expected a number of problems or None, got {shown(size)}")
        return size

    def fingerprint(self) -> str | None:
        """The inner source's fingerprint; None if it has no such method. Raises ProblemError."""
        tell = method(self._source, "fingerprint")
        if tell is None:
            return None
        try:
            found: Any = tell()
        except ProblemError:
            raise
        except (Exception, SystemExit) as e:
            raise self._error(f"fingerprint() raised {raised(e, self._part.cls)}") from e
        if found is not None and not isinstance(found, str):
            raise self._error(f"fingerprint(): expected a text or None, got {shown(found)}")
        return found

    def rows(self) -> Iterator[Problem | BadRow]:
        """The inner source's rows. Raises ProblemError if it raises or yields something else."""
        return self.rows_in(EVERY_ROW)

    def rows_in(self, ranges: Ranges) -> Iterator[Problem | BadRow]:
        """The rows with these numbers, from the inner source's `rows_in` or, if it has none, `rows`.

        Raises ProblemError like `rows`.
        """
        own = method(self._source, "rows_in")
        name = "rows()" if own is None else "rows_in()"
        numbers = chain.from_iterable(ranges)
        rows = self._begin(name, self._source.rows if own is None else partial(own, ranges))
        if own is None:
            rows = pick(rows, ranges)
        while True:
            try:
                row = next(rows, _END)
            except ProblemError:
                raise
            except (Exception, SystemExit) as e:
                raise self._error(f"{name} raised {raised(e, self._part.cls)}") from e
            if row is _END:
                return
            if (number := next(numbers, -1) + 1) == 0:
                raise self._error(f"{name}: expected the rows in {ranges}, got more")
            if (wrong := _mistake(row)) is not None:
                raise self._error(f"{name}: row {number}: {wrong}")
            yield self._check_columns(row, number)

    def own_variants(self, problem: Problem, number: int) -> list[Problem] | None:
        """Variants that the inner source makes itself; None if it does not. Raises ProblemError."""
        make = method(self._source, "variants_of")
        if make is None:
            return None
        try:
            found: list[Any] = list(make(problem, number))
        except ProblemError:
            raise
        except (Exception, SystemExit) as e:
            raise self._error(f"variants_of() raised {raised(e, self._part.cls)}") from e
        variants = []
        for row in found[:number]:
            if (wrong := _mistake(row)) is not None:
                raise self._error(f"variants_of(): {wrong}")
            checked = self._check_columns(row, 0)
            if isinstance(checked, BadRow):
                raise self._error(f"variants_of(): {checked.reason}")
            variants.append(checked)
        return variants

    def _check_columns(self, row: Problem | BadRow, number: int) -> Problem | BadRow:
        """The problem, with an id that depends on the columns that the prompt template uses.

        Returns a BadRow for a missing column. Raises ProblemError for a mistake in the template.
        """
        if isinstance(row, BadRow) or isinstance(self._source, RowSource):
            return row
        refuse_left(self._template, row.meta)
        for name in self._template.columns:
            if row.meta.get(name) is None:
                where = row.where or f"problems.use={self._part.use}, row {number}"
                return BadRow(where=where, reason=lacking(name, row.meta, list(row.meta)))
        return row.asking({name: row.meta[name] for name in self._template.columns})

    def _begin(self, name: str, read: Callable[[], Iterator[Any]]) -> Iterator[Any]:
        try:
            return iter(read())
        except ProblemError:
            raise
        except (Exception, SystemExit) as e:
            raise self._error(f"{name} raised {raised(e, self._part.cls)}") from e

    def _error(self, what: str) -> ProblemError:
        return ProblemError(f"problems.use={self._part.use}: {what}")


OpenSource = CheckedSource | VariedSource
"""What `open_source` opens."""


def _mistake(row: object) -> str | None:
    """The fault of something that a source yielded; None if it has none."""
    if isinstance(row, BadRow):
        return None
    if not isinstance(row, Problem):
        return f"expected a Problem (made by Problem.create) or a BadRow, got {shown(row)}"
    if not isinstance(row.id, str) or not _ID.fullmatch(row.id):
        return f"expected an id made by Problem.create, got {shown(row.id)}"
    if not isinstance(row.prompt, str) or not row.prompt.strip():
        return f"expected a prompt that is a non-empty text, got {shown(row.prompt)}"
    if not isinstance(row.target, Target):
        return f"expected a target that is a Target, got {shown(row.target)}"
    if (wrong := _mistaken_text(row)) is not None:
        return wrong
    for name, value in (("meta", row.meta), ("target.tests", row.target.tests)):
        try:
            if content := dict(value):
                ENCODE(content).encode()
        except (TypeError, ValueError, RecursionError):
            return f"expected {name} to be keys and values for JSON, got {shown(value)}"
    return None


def _mistaken_text(row: Problem) -> str | None:
    """The fault of a field that the dataset stores as text; None if there is none.

    The dataset could not store the problem, not even as a failed one.
    """
    target = row.target
    required = (row.prompt, row.domain, row.source, target.kind)
    optional = (target.value, row.split, row.source_id)
    with suppress(TypeError):
        # Most problems pass this quick check.
        if "".join([*required, *(text for text in optional if text is not None)]).isascii():
            return None
    for name, text in zip(_TEXTS, (*required, *optional), strict=True):
        if text is None and name in _TEXTS[len(required) :]:
            continue
        if not isinstance(text, str) or not is_unicode(text):
            return f"expected {name} to be text without lone surrogates, got {shown(text)}"
    return None
