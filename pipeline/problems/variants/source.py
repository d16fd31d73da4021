"""A problem source that gives the variants of each problem after it (`problems.variants`).

Problems are read and varied in blocks, so memory does not grow with the set. The same source and seed
give the same variants in the same order. How many a problem has is known only once they are made, so a
resumed run makes those of earlier rows again, which takes some milliseconds for each problem.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Protocol

from pipeline.files.ranges import Ranges, pick
from pipeline.problems.source import BadRow, ReportsColumns, Source, SourceConfig, VariantOptions
from pipeline.problems.variants.making import REDRAWN, Yield, make_variants, origin_of
from pipeline.problems.variants.programs import Programs
from pipeline.records import Problem
from sandbox import SandboxConfig

_BLOCK = 64
"""Problems whose programs run together."""
_VERSION = 1
"""Changes whenever the same problems would give other variants."""


class _Inner(Source, Protocol):
    def fingerprint(self) -> str | None: ...

    def own_variants(self, problem: Problem, number: int) -> list[Problem] | None: ...


class VariedSource:
    """A `Source` with variants of another one's problems."""

    def __init__(
        self,
        source: _Inner,
        options: VariantOptions,
        seed: int,
        columns: Sequence[str],
        sandbox: SandboxConfig,
    ) -> None:
        """`columns` are those that the prompt template uses besides the problem."""
        self.tally = Yield()
        """What came of the problems read so far."""
        self._source, self._options, self._seed = source, options, seed
        self._columns, self._sandbox = columns, sandbox

    @property
    def config(self) -> SourceConfig:
        """The options of the inner source."""
        return self._source.config

    @property
    def unused_columns(self) -> Sequence[str]:
        """The inner source's unused columns."""
        source = self._source
        return source.unused_columns if isinstance(source, ReportsColumns) else ()

    def size(self) -> int | None:
        """The most problems that there can be; None if the inner source does not know."""
        size = self._source.size()
        most = None if size is None else size * (1 + self._options.numbers)
        limit = self.config.limit
        return most if limit is None or most is None else min(most, limit)

    def fingerprint(self) -> str | None:
        """The inner source's, the seed, and the version of the makers."""
        inner = self._source.fingerprint()
        return None if inner is None else f"{inner}, variants {_VERSION}, seed {self._seed}"

    def rows_in(self, ranges: Ranges) -> Iterator[Problem | BadRow]:
        """The rows with these numbers; the others before the last of them are made, too."""
        return pick(self.rows(), ranges)

    def rows(self) -> Iterator[Problem | BadRow]:
        """Every row of the inner source, each problem before its variants.

        Raises as the inner source, UserMistake where no sandbox runs, and RunFailure if it breaks off.
        """
        rows = self._source.rows()
        with Programs(self._sandbox) as programs:
            while block := list(islice(rows, _BLOCK)):
                problems = [row for row in block if isinstance(row, Problem)]
                variants = iter(self._variants(problems, programs))
                for row in block:
                    if isinstance(row, Problem):
                        yield replace(row, worked=None)
                        yield from next(variants)
                    else:
                        yield row

    def _variants(self, problems: Sequence[Problem], programs: Programs) -> list[list[Problem]]:
        number = self._options.numbers
        own = [self._source.own_variants(problem, number) for problem in problems]
        if any(one is not None for one in own):
            return [
                [
                    replace(one, meta={**one.meta, **origin_of([problem.id], REDRAWN)})
                    for one in variants or ()
                ]
                for problem, variants in zip(problems, own, strict=True)
            ]
        return make_variants(problems, number, self._seed, programs, self._columns, self.tally)
