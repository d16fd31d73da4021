"""Derives the rows of a view from the stored trees of a part, also in processes of their own."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from pipeline.config import Rules
from pipeline.datasets.encoded import rows_of
from pipeline.datasets.folder import RunFolder, folder_at
from pipeline.datasets.reader import RunReader
from pipeline.datasets.views.table import VIEWS
from pipeline.derive.export_file import FileKind, JsonLines
from pipeline.derive.sharing import share
from pipeline.files.publishing import RowsFile, WrittenFile, explained
from pipeline.labels.majority import Majority, withdraw_votes
from pipeline.prune import Pruner
from pipeline.records import Decision, Stage, Trace, trajectories


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """What to derive; a process can be given it."""

    view: str = "trees"
    rules: Rules
    votes: bool = False
    """Whether the majority votes again."""
    prunes: bool = False
    """Whether pruning decides again."""
    problem_ids: frozenset[str] | None = None
    """The problems to read; None for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartTask:
    """A part to derive, and where its rows go."""

    derivation: Derivation
    run: Path
    state: str
    """The folder's `state_digest`."""
    part: int
    target: Path
    kind: FileKind
    about: Path
    """The folder or file that messages name if the target cannot be written."""
    cure: str
    """Advice for the user then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRows:
    """What was derived from a part."""

    part: int
    file: WrittenFile
    num_problems: int
    num_trajectories: int


class Deriver:
    """Applies the rules of a derivation to traces."""

    def __init__(self, derivation: Derivation) -> None:
        rules = derivation.rules
        self._derivation = derivation
        self._majority = Majority(rules.labels.majority) if derivation.votes else None
        self._pruner = Pruner(rules.prune) if derivation.prunes else None

    async def traces(self, folder: RunFolder, part: int) -> AsyncGenerator[Trace, None]:
        """Each trace of a part by the rules. Raises FolderError."""
        wanted = self._derivation.problem_ids
        for stored in RunReader(folder).traces(part):
            if wanted is None or stored.problem.id in wanted:
                yield await self._apply(stored)
            await asyncio.sleep(0)  # for Ctrl-C

    async def batches(
        self, folder: RunFolder, part: int
    ) -> AsyncGenerator[tuple[Trace, pa.RecordBatch], None]:
        """Each trace of a part by the rules, and its rows of the view. Raises FolderError."""
        async with aclosing(self.traces(folder, part)) as traces:
            async for trace in traces:
                yield trace, rows_of(trace, self._derivation.rules, self._derivation.view)

    async def _apply(self, trace: Trace) -> Trace:
        """The trace by the rules; as it is stored if no rule changed."""
        if self._majority is not None:
            withdraw_votes(trace.tree)
            await self._majority.vote(trace.problem, trace.tree)
            trace = replace(trace, trajectories=trajectories(trace.tree))
        if self._pruner is not None:
            trace = replace(trace, decisions=self._prune(self._pruner, trace))
        return trace

    def _prune(self, pruner: Pruner, trace: Trace) -> tuple[Decision, ...]:
        """Prunes again; what `berry clean` has dropped stays dropped."""
        repeated = {one.leaf: one for one in trace.decisions if one.stage is Stage.REPEATED}
        left = [one for one in trace.trajectories if one.leaf not in repeated]
        decisions = repeated | {one.leaf: one for one in pruner.prune(left, trace.tree)}
        return tuple(decisions[one.leaf] for one in trace.trajectories)

    async def close(self) -> None:
        """Ends the processes that compare answers, if there are any."""
        if self._majority is not None:
            await self._majority.close()


async def derive_parts(
    folder: RunFolder,
    tasks: Sequence[PartTask],
    advance: Callable[[], None],
    address: str | None = None,
) -> AsyncGenerator[PartRows, None]:
    """Writes the rows of each part; yields what was written, in order; `advance` counts problems.

    Large runs are derived in several processes, or on the Ray cluster at `address`. Raises FolderError,
    StorageError, and RunFailure if a process dies.
    """
    async with aclosing(share(_write_alone, tasks, folder, address)) as written:
        async for one in written:
            for _ in range(one.num_problems):
                advance()
            yield one


async def has_rows(folder: RunFolder, derivation: Derivation) -> bool:
    """Whether the view would have a row; reads until the first one."""
    deriver = Deriver(derivation)
    try:
        for part in folder.parts:
            async with aclosing(deriver.batches(folder, part)) as batches:
                async for _, batch in batches:
                    if batch.num_rows:
                        return True
        return False
    finally:
        await deriver.close()


async def _write_alone(task: PartTask) -> PartRows:
    deriver = Deriver(task.derivation)
    try:
        return await _write(deriver, folder_at(task.run, task.state), task)
    finally:
        await deriver.close()


async def _write(deriver: Deriver, folder: RunFolder, task: PartTask) -> PartRows:
    num_problems = num_trajectories = 0
    schema = VIEWS[task.derivation.view].schema
    with explained(task.about, cure=task.cure):
        file = JsonLines(task.target) if task.kind == ".jsonl" else RowsFile(task.target, schema)
        with file:
            async for trace, batch in deriver.batches(folder, task.part):
                file.add(batch)
                num_problems += 1
                num_trajectories += len(trace.trajectories)
    return PartRows(
        part=task.part,
        file=file.written,
        num_problems=num_problems,
        num_trajectories=num_trajectories,
    )
