"""The intake that every source goes through: duplicates, bad rows, the limit, and doubtful answers.

With an index it continues where an earlier process stopped: it knows the ids of the problems taken
then, and reads only the rows that are wanted again. The problems and all counts are the same as without
one.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import NoReturn

import numpy as np

from pipeline.datasets.versions import version
from pipeline.files.publishing import FolderError
from pipeline.files.ranges import EVERY_ROW, Ranges, pick, rows_from
from pipeline.hashing import digest_json
from pipeline.problems.conflicts import Conflicts
from pipeline.problems.golds import suspicion
from pipeline.problems.id_set import IdSet
from pipeline.problems.index import Block, IntakeIndex, Tally, rows_of
from pipeline.problems.source import BadRow, ProblemError, ReportsColumns, Source
from pipeline.records import Problem
from pipeline.templates import Template
from verifiers.attributes import method

BLOCK_SIZE = 2**16
"""Problems in a block of the index; a resumed run reads at most as many again."""


class Intake:
    """Iterates over the problems that a run takes from a source, once.

    `take` and `pass_over` move through the set, too; each gives the next problems.
    """

    def __init__(
        self,
        source: Source,
        template: Template | None = None,
        *,
        index: Path | None = None,
        on_doubt: Callable[[str], None] = lambda text: None,
    ) -> None:
        """`template` is the prompt's; without one, the problem's text is the prompt. `index` is the
        folder of the index. `on_doubt` is called with the first gold answer that does not look like a
        final answer, and the reason."""
        self.conflicts = Conflicts(template or Template())
        self.num_taken = 0
        """Number of problems taken from the source, including those that the index knows."""
        self._template = template or Template()
        self._source, self._config = source, source.config
        self._index_path, self._on_doubt = index, on_doubt
        self._index: IntakeIndex | None = None
        self._is_open = False
        self._tally = Tally()
        self._ids = IdSet()
        self._position = 0
        """Number of the next problem to give."""
        self._num_known = 0
        self._rows: Iterator[tuple[int, Problem | BadRow]] | None = None
        self._new = (array("Q"), array("Q"), array("Q"))
        """Id, hash of the prompt and row of the problems since the last block."""

    @property
    def num_duplicates(self) -> int:
        """Number of rows with a problem taken before."""
        return self._tally.num_duplicates

    @property
    def num_bad_rows(self) -> int:
        """Number of skipped rows."""
        return self._tally.num_bad_rows

    @property
    def num_doubtful(self) -> int:
        """Number of gold answers that do not look like final answers."""
        return self._tally.num_doubtful

    @property
    def unused_columns(self) -> Sequence[str]:
        """Unused columns of the first rows; empty for a source without columns."""
        if self._num_known:
            return self._tally.unused_columns
        source = self._source
        return source.unused_columns if isinstance(source, ReportsColumns) else ()

    @property
    def num_known(self) -> int:
        """Number of problems, from the first, that the index knows. Reads the index.

        Raises ProblemError, FolderError and StorageError.
        """
        if not self._is_open:
            self._open()
        return self._num_known

    def begin(self, again: Sequence[range] = EVERY_ROW) -> None:
        """Before the first problem: of the known problems, only those with these numbers will be taken
        again, and the others passed over. Ranges in order."""
        num_known = self.num_known
        numbers = [range(one.start, min(one.stop, num_known)) for one in again]
        ranges: list[range] = []
        if self._index is not None:
            ranges = rows_of(self._index, [one for one in numbers if one])
        if not self._is_at_end:
            ranges.append(rows_from(self._tally.next_row))
        self._rows = zip(chain.from_iterable(ranges), _rows_in(self._source, ranges), strict=False)

    def __iter__(self) -> Iterator[Problem]:
        """Yields the problems. Raises ProblemError at a bad row, unless skipped, and for an empty
        source."""
        while (problem := self._next()) is not None:
            yield problem

    def take(self, count: int) -> list[Problem]:
        """The next problems, fewer at the end. Raises ProblemError like `__iter__`, and FolderError if
        a known problem has changed."""
        taken: list[Problem] = []
        while len(taken) < count and (problem := self._next()) is not None:
            taken.append(problem)
        return taken

    def pass_over(self, count: int) -> list[str]:
        """The ids of the next problems, fewer at the end, without reading known ones."""
        if self._rows is None:
            self.begin()
        ids: list[str] = []
        while len(ids) < count and self._position < self._num_known:
            assert self._index is not None
            block = self._index.at(self._position)
            stop = min(block.stop, self._position + count - len(ids))
            ids += block.id_texts(self._position, stop)
            self._position = stop
        return ids + [problem.id for problem in self.take(count - len(ids))]

    def _open(self) -> None:
        """Reads the index, if the source is unchanged."""
        self._is_open = True
        fingerprint = method(self._source, "fingerprint")
        if self._index_path is None or fingerprint is None or (state := fingerprint()) is None:
            return
        # `limit` and `on_error` may change from process to process.
        options = self._config.model_dump(mode="json", exclude={"limit", "on_error"})
        if not self._config.variants.numbers:
            # As before there were variants.
            del options["variants"]
        key = digest_json([version("berry-pipeline"), state, options, self._template.text])
        self._index = IntakeIndex(self._index_path, key)
        ids, asked = [], []
        for block in self._index.load(self._config.limit):
            ids.append(block.ids)
            asked.append(block.asked)
            self._num_known = self.num_taken = block.stop
            self._tally = block.tally
        if not ids:
            return
        tally = self._tally
        if tally.first_bad is not None and self._config.on_error == "stop":
            _refuse_bad_row(tally.first_bad)
        if self._is_at_end:
            ids, asked = ids[:1], asked[:1]  # nothing will be compared with them
        self._ids.update(np.concatenate(ids))
        self.conflicts.restore(tally.num_conflicts, tally.conflict_examples, np.concatenate(asked))
        if tally.first_doubt is not None:
            self._on_doubt(tally.first_doubt)

    @property
    def _is_at_end(self) -> bool:
        """Whether no problem follows those taken."""
        return self._tally.is_ended or self.num_taken == self._config.limit

    def _next(self) -> Problem | None:
        if self._rows is None:
            self.begin()
        problem = self._read_again() if self._position < self._num_known else self._read_new()
        if problem is not None:
            self._position += 1
        return problem

    def _read_again(self) -> Problem:
        """The next problem, which the index knows. Raises FolderError if it has changed."""
        assert self._index is not None
        assert self._rows is not None
        block = self._index.at(self._position)
        expected = int(block.rows[self._position - block.start])
        (known,) = block.id_texts(self._position, self._position + 1)
        for number, row in self._rows:
            if number == expected and isinstance(row, Problem) and row.id == known:
                return row
            if number >= expected:
                break
        assert self._index_path is not None
        raise FolderError(
            f"{self._index_path.parent}: the problem set has changed since this run began; "
            "name another output, or restore the old problem set"
        )

    def _read_new(self) -> Problem | None:
        """The next problem that is neither known nor a duplicate; None at the end."""
        assert self._rows is not None
        tally = self._tally
        if self._is_at_end:
            return None
        for number, row in self._rows:
            # Rows of known problems that were not taken again.
            if number < tally.next_row:
                continue
            tally.next_row = number + 1
            if isinstance(row, BadRow):
                self._count_bad_row(row)
            elif self._ids.add(key := int(row.id, 16)):
                self._count(row, key, number)
                return row
            else:
                tally.num_duplicates += 1
        if self.num_taken == 0:
            first = "" if tally.first_bad is None else f", the first: {tally.first_bad}"
            raise ProblemError(
                f"expected problems, got a source with none ({tally.num_bad_rows} bad rows{first})"
            )
        tally.is_ended = True
        self._add_block()
        return None

    def _count_bad_row(self, row: BadRow) -> None:
        if self._config.on_error == "stop":
            _refuse_bad_row(str(row))
        self._tally.num_bad_rows += 1
        self._tally.first_bad = self._tally.first_bad or str(row)

    def _count(self, problem: Problem, key: int, row: int) -> None:
        """Counts a new problem, and writes a block to the index if it is full."""
        self.num_taken += 1
        asked = self.conflicts.key(problem)
        self.conflicts.add(problem, asked)
        if doubt := suspicion(problem.target):
            self._tally.num_doubtful += 1
            if self._tally.first_doubt is None:
                self._tally.first_doubt = f"problem {problem.id}: {doubt}"
                self._on_doubt(self._tally.first_doubt)
        if self._index is None:
            return
        ids, prompts, rows = self._new
        ids.append(key)
        prompts.append(asked)
        rows.append(row)
        if len(ids) == BLOCK_SIZE or self.num_taken == self._config.limit:
            self._add_block()

    def _add_block(self) -> None:
        """Writes the problems since the last block to the index, and at the end what was counted."""
        if self._index is None:
            return
        ids, asked, rows = (np.array(numbers, dtype=np.uint64) for numbers in self._new)
        tally = replace(
            self._tally,
            num_conflicts=self.conflicts.number,
            conflict_examples=list(self.conflicts.examples),
            unused_columns=list(self.unused_columns),
        )
        start = self.num_taken - len(ids)
        self._index.append(Block(start=start, ids=ids, asked=asked, rows=rows, tally=tally))
        self._new = (array("Q"), array("Q"), array("Q"))


def _refuse_bad_row(row: str) -> NoReturn:
    raise ProblemError(f"{row}; problems.on_error=skip skips bad rows")


def _rows_in(source: Source, ranges: Ranges) -> Iterator[Problem | BadRow]:
    read = method(source, "rows_in")
    return pick(source.rows(), ranges) if read is None else read(ranges)
