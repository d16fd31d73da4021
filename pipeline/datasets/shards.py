"""The shards of a problem set: consecutive problems that are leased, explored and committed together.

Shard k has the problems k*n to (k+1)*n - 1 of the set and becomes part k of the run folder. A committed
part covers `num_problems` problems from the start of its first shard, so a part that was merged from
several shards stands for all of them.

`problems.limit` may be raised when a run is resumed, also that of a complete run (`change_limit`). The
run keeps its last part, even if this part ends inside a shard: the next shard begins after it. run.json
has such limits as `former_limits`, so that each shard keeps its problems forever.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NoReturn, Protocol

from pipeline.datasets.folder import FolderError, RunFolder, ids_digest
from pipeline.problems import Intake
from pipeline.records import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Problems that one worker explores and that become one part."""

    index: int
    problems: tuple[Problem, ...]

    @property
    def digest(self) -> str:
        """Hash of the ids in order."""
        return ids_digest([problem.id for problem in self.problems])


class Committed(Protocol):
    """What the journal knows of a committed part."""

    @property
    def num_problems(self) -> int:
        """Number of problems, of one or several shards."""
        ...

    @property
    def problems_digest(self) -> str:
        """`ids_digest` of their ids."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardGrid:
    """Which problems each shard has."""

    size: int
    """Number of problems in a shard."""
    former_limits: tuple[int, ...] = ()
    """Limits, in order, at which a part ended before the limit was raised: a shard ends there."""

    def stop(self, start: int) -> int:
        """The end of the shard that begins with problem `start`."""
        limit = next((limit for limit in self.former_limits if limit > start), None)
        return start + self.size if limit is None else min(start + self.size, limit)

    def start(self, index: int) -> int:
        """The number of a shard's first problem."""
        before = 0
        for limit in self.former_limits:
            num_shards = -(-(limit - before) // self.size)
            if index < num_shards:
                break
            index -= num_shards
            before = limit
        return before + index * self.size

    def after(self, index: int, num_problems: int) -> tuple[int, int]:
        """The first shard after a part that begins with this shard, and where it begins."""
        start = self.start(index)
        last = start + num_problems
        while start < last:
            start, index = self.stop(start), index + 1
        return index, start


class Shards:
    """Iterates over the shards that are not committed, in order, once.

    Raises FolderError if the committed parts were made from other problems.
    """

    def __init__(
        self,
        path: Path,
        parts: Mapping[int, Committed],
        problems: Iterable[Problem] | Intake,
        size: int,
        former_limits: Sequence[int] = (),
    ) -> None:
        """`path` is the run folder, for messages; `parts` has the committed parts by the number of
        their first shard, and may grow meanwhile; `size` is the number of problems in a shard, and
        `former_limits` is as in run.json. Of an Intake with an index, only the problems of uncommitted
        shards are read."""
        self._path, self._parts = path, parts
        self._grid = ShardGrid(size=size, former_limits=tuple(former_limits))
        self._set = problems if isinstance(problems, Intake) else _PlainSet(problems)

    def __iter__(self) -> Iterator[Shard]:
        """Yields the shards. Reads the problem set as far as the next uncommitted shard."""
        self._set.begin(list(self._uncommitted(self._set.num_known)))
        index, start, is_whole = 0, 0, True
        while True:
            if (part := self._parts.get(index)) is None:
                problems = tuple(self._set.take(self._grid.stop(start) - start))
                # Nothing can follow a part that ends inside a shard.
                if problems and not is_whole:
                    self._refuse_change()
                if not problems:
                    break
                yield Shard(index=index, problems=problems)
                index, start = index + 1, start + len(problems)
                continue
            ids = self._set.pass_over(part.num_problems)
            if not ids or not is_whole or ids_digest(ids) != part.problems_digest:
                self._refuse_change()
            last = start + part.num_problems
            index, start = self._grid.after(index, part.num_problems)
            is_whole = start == last
        if any(committed >= index for committed in self._parts):
            self._refuse_change()

    def _uncommitted(self, num_problems: int) -> Iterator[range]:
        """The first problems, up to this number, that are in no part: consecutive ones together."""
        index = start = first = 0
        while start < num_problems:
            if (part := self._parts.get(index)) is None:
                index, start = index + 1, self._grid.stop(start)
                continue
            if first < start:
                yield range(first, start)
            index, start = self._grid.after(index, max(1, part.num_problems))
            first = start
        if first < num_problems:
            yield range(first, num_problems)

    def _refuse_change(self) -> NoReturn:
        raise FolderError(
            f"{self._path}: the problem set has changed since this run began; "
            "name another output, or restore the old problem set"
        )


class _PlainSet:
    """Problems in order, with the methods of an Intake without an index."""

    num_known = 0

    def __init__(self, problems: Iterable[Problem]) -> None:
        self._problems = iter(problems)

    def begin(self, again: Sequence[range]) -> None:
        """Nothing is known, so nothing is taken again."""

    def take(self, count: int) -> list[Problem]:
        """The next problems, fewer at the end."""
        return list(islice(self._problems, count))

    def pass_over(self, count: int) -> list[str]:
        """The ids of the next problems, fewer at the end."""
        return [problem.id for problem in self.take(count)]


def change_limit(folder: RunFolder, limit: int | None, size: int) -> None:
    """Sets the limit of a claimed run; if that lets a complete run continue, it is no longer complete.

    `size` is the number of problems in a shard. Raises FolderError if the committed parts have more
    problems than the limit allows.
    """
    old = folder.run.get("limit")
    if old == limit:
        return
    former = [int(one) for one in folder.run.get("former_limits", ())]
    committed = check_limit(folder, limit, size)
    if committed == old:
        former.append(committed)
        # Before run.json changes: if a crash leaves only this, the old limit completes the run again.
        folder.resume()
    folder.change_run(limit=limit, former_limits=[one for one in former if one != limit])


def check_limit(folder: RunFolder, limit: int | None, size: int) -> int:
    """How far into the problem set the committed parts reach. Raises FolderError beyond the limit."""
    former = tuple(int(one) for one in folder.run.get("former_limits", ()))
    committed = 0
    if folder.parts:
        last = max(folder.parts)
        committed = ShardGrid(size=size, former_limits=former).start(last)
        committed += folder.parts[last].num_problems
    if limit is not None and limit < committed:
        raise FolderError(
            f"{folder.path}: expected problems.limit to be at least {committed}, since parts with the "
            f"problems up to there are committed, got {limit}; raise it, or name another output"
        )
    return committed
