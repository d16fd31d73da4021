"""Run folders made by hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.datasets.counts import Counts
from pipeline.datasets.encoded import EncodedTrace, decode
from pipeline.datasets.folder import RunFolder, ids_digest
from pipeline.datasets.staging import staged_file
from pipeline.files.publishing import explained, write_parquet
from pipeline.prune import PruneConfig, Pruner
from pipeline.records import Problem, Trace, trajectories
from pipeline.tree import ROOT, Tree
from tests.conftest import make_rollout, make_verdict
from verifiers import Outcome, Target

VIEWS = ("trees", "traces", "steps", "outcomes")
"""Views of the runs of `write_run`."""
RUN_JSON: dict[str, Any] = {
    "config": {
        "seed": 0,
        "engine": {"use": "simulated"},
        "problems": {"use": "file", "path": "p"},
        "strategy": {"use": "best_of_n"},
        "verifier": {"use": "exact"},
    },
    "digest": "d0",
    "created": "2026-01-01",
    "versions": {"berry": "0"},
}


def commit_tables(
    folder: RunFolder,
    index: int,
    ids: Sequence[str],
    tables: Mapping[str, pa.Table],
    counts: Counts,
) -> None:
    """Writes and commits a part in one go, as a worker and the driver do together."""
    staging = folder.staging(index, "by-hand")
    with explained(folder.path):
        staged = {
            view: staged_file(
                write_parquet(staging / f"{view}.parquet", table.schema, table.to_batches())
            )
            for view, table in tables.items()
        }
    folder.commit(index, staged, num_problems=len(ids), problems_digest=ids_digest(ids), counts=counts)


def make_trace(text: str, gold: str, responses: Sequence[tuple[str, bool]]) -> Trace:
    """A pruned trace of rollouts of one step, each with whether it passed."""
    tree = Tree((7, 8), text)
    for answer, passed in responses:
        leaf = tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout(answer, logprob=-0.5))
        tree.judge(leaf, make_verdict(Outcome.PASS if passed else Outcome.FAIL))
    tree = tree.sorted()
    found = trajectories(tree)
    return Trace(
        problem=Problem.create(prompt=text, target=Target(kind="math", value=gold), source="file"),
        seed=1,
        tree=tree,
        trajectories=found,
        decisions=Pruner(PruneConfig()).prune(found, tree),
    )


def write_run(path: Path, traces: Sequence[Trace], per_part: int = 4, **more: Any) -> Path:
    """A complete run folder with these traces; `more` are sections of its config."""
    config = {**RUN_JSON["config"], "dataset": {"views": list(VIEWS[1:])}, **more}
    folder = RunFolder.claim(path, {**RUN_JSON, "config": config, "seed": 3})
    for index in range(0, len(traces), per_part):
        part = traces[index : index + per_part]
        encoded = [EncodedTrace.of(trace, views=VIEWS) for trace in part]
        tables = {view: decode(view, encoded) for view in VIEWS}
        ids, counts = [trace.problem.id for trace in part], Counts()
        for one in encoded:
            counts.add(one.counts)
        commit_tables(folder, index // per_part, ids, tables, counts)
    folder.finish({"problems": len(traces)})
    folder.close()
    return path
