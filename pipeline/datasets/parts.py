"""Gathers finished problems into parts, whatever order they come in, and knows which are missing."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NoReturn

from pipeline.datasets.card import render_card
from pipeline.datasets.folder import FolderError, RunFolder, ids_digest
from pipeline.datasets.reasons import trim
from pipeline.datasets.views import SCHEMAS, EncodedTrace, decode
from pipeline.records import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A problem to explore, and its place in the problem set."""

    index: int
    problem: Problem


class Parts:
    """Gathers finished problems into parts of consecutive ones, and commits those that are full."""

    def __init__(self, folder: RunFolder, problems_per_part: int) -> None:
        self._folder = folder
        self._size = problems_per_part
        self._ids: dict[int, list[str]] = {}
        """Open part -> ids of its problems, in order."""
        self._done: dict[int, dict[int, EncodedTrace]] = {}
        """Open part -> index -> finished problem."""
        self.on_commit: Callable[[], None] = lambda: None
        """Called for every problem whose part is committed."""

    def leases(self, problems: Iterable[Problem]) -> Iterator[Lease]:
        """The problems that are in no committed part.

        Raises FolderError if the committed parts were made from other problems.
        """
        passed: list[str] = []
        number = -1
        for index, problem in enumerate(problems):
            number, position = divmod(index, self._size)
            part = self._folder.parts.get(number)
            if part is None:
                self._ids.setdefault(number, []).append(problem.id)
                yield Lease(index=index, problem=problem)
                continue
            passed = [*passed, problem.id] if position else [problem.id]
            if position + 1 == part.num_problems and ids_digest(passed) == part.problems_digest:
                passed = []
            elif position + 1 >= part.num_problems:
                self._refuse_change()
        if passed or any(committed > number for committed in self._folder.parts):
            self._refuse_change()

    def _refuse_change(self) -> NoReturn:
        raise FolderError(
            f"{self._folder.path}: the problem set has changed since this run began; "
            "name another output, or bring the old problem set back"
        )

    def put(self, index: int, encoded: EncodedTrace) -> None:
        """Adds a finished problem; commits its part if that is full now."""
        part = index // self._size
        done = self._done.setdefault(part, {})
        done[index] = encoded
        if len(done) == self._size:
            self._commit(part)

    def commit_last(self) -> None:
        """Commits the part that the end of the problem set left unfilled."""
        for part in sorted(self._done):
            self._commit(part)

    def _commit(self, part: int) -> None:
        done = [encoded for _, encoded in sorted(self._done.pop(part).items())]
        counts: Counter[str] = Counter()
        for encoded in done:
            counts.update(encoded.counts)
        trim(counts)
        self._folder.commit(
            part,
            self._ids.pop(part),
            {view: decode(view, done) for view in SCHEMAS},
            counts,
        )
        self._folder.write_card(render_card(self._folder))
        for _ in done:
            self.on_commit()
