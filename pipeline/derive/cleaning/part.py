"""Cleans one part of a run, also in a process of its own."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, aclosing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.datasets.counts import Counts
from pipeline.datasets.encoded import rows_of
from pipeline.datasets.folder import StagedFile, folder_at
from pipeline.datasets.staging import staged_file, staging_folder
from pipeline.datasets.views.table import VIEWS
from pipeline.derive.deriving import Derivation, Deriver
from pipeline.derive.output_folder import start_over
from pipeline.files.publishing import RowsFile, explained
from pipeline.hygiene.drops import Drop
from pipeline.records import Decision, Problem, Stage, Trace

DROPPED_ROW = pa.schema(
    [
        ("problem_id", pa.string()),
        ("leaf", pa.int32()),
        ("rule", pa.string()),
        ("reason", pa.string()),
        ("domain", pa.string()),
        ("source", pa.string()),
        ("problem", pa.string()),
        ("target_value", pa.string()),
        ("response", pa.string()),
        ("match_source", pa.string()),
        ("match_id", pa.string()),
        ("match_text", pa.string()),
        ("match_passage", pa.string()),
        ("match_overlap", pa.float32()),
        ("match_likeness", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartTask:
    """A part to clean; a process can be given it."""

    derivation: Derivation
    run: Path
    state: str
    part: int
    output: Path
    views: tuple[str, ...]
    problems: dict[str, Drop]
    responses: dict[str, dict[int, Drop]]
    keeps_dropped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanedPart:
    """A part that was cleaned."""

    part: int
    files: dict[str, StagedFile]
    ids: list[str]
    """Ids of the problems that stay."""
    counts: Counts
    dropped: list[dict[str, Any]]


async def clean_part(task: PartTask) -> CleanedPart:
    """Writes the files of a part to the new folder's staging."""
    deriver, source = Deriver(task.derivation), folder_at(task.run, task.state)
    ids, counts, dropped = list[str](), Counts(), list[dict[str, Any]]()
    staging = staging_folder(task.output, task.part, "clean")
    try:
        with explained(task.output, cure=start_over(task.output)), ExitStack() as stack:
            files = {
                view: stack.enter_context(RowsFile(staging / f"{view}.parquet", VIEWS[view].schema))
                for view in task.views
            }
            async with aclosing(deriver.traces(source, task.part)) as traces:
                async for trace in traces:
                    if task.keeps_dropped:
                        dropped += _dropped_rows(trace, task)
                    if trace.problem.id in task.problems:
                        continue
                    left = _without(trace, task.responses.get(trace.problem.id, {}))
                    ids.append(trace.problem.id)
                    counts.add(Counts.of(left))
                    for view, file in files.items():
                        file.add(rows_of(left, task.derivation.rules, view))
    finally:
        await deriver.close()
    staged = {view: staged_file(file.written) for view, file in files.items()}
    return CleanedPart(part=task.part, files=staged, ids=ids, counts=counts, dropped=dropped)


def _without(trace: Trace, drops: Mapping[int, Drop]) -> Trace:
    """The trace in which the dropped responses did not survive."""
    decisions = tuple(
        Decision(leaf=one.leaf, stage=Stage.REPEATED, reason=drops[one.leaf].reason)
        if one.leaf in drops
        else one
        for one in trace.decisions
    )
    return replace(trace, decisions=decisions)


def _dropped_rows(trace: Trace, task: PartTask) -> Iterator[dict[str, Any]]:
    problem = trace.problem
    if (drop := task.problems.get(problem.id)) is not None:
        yield _dropped_row(problem, drop, None)
        return
    responses = {one.leaf: one.response for one in trace.trajectories}
    for leaf, drop in task.responses.get(problem.id, {}).items():
        yield _dropped_row(problem, drop, responses[leaf])


def _dropped_row(problem: Problem, drop: Drop, response: str | None) -> dict[str, Any]:
    match = {} if drop.match is None else asdict(drop.match)
    return {
        "problem_id": problem.id,
        "leaf": drop.leaf,
        "rule": drop.rule,
        "reason": drop.reason,
        "domain": problem.domain,
        "source": problem.source,
        "problem": problem.prompt,
        "target_value": problem.target.value,
        "response": response,
        **{f"match_{key}": value for key, value in match.items()},
    }
