"""The facts of `berry status` and `berry show` as JSON; docs/json.md has their keys."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pipeline.config import read_labels
from pipeline.datasets.counts import Counts
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.reader import RunReader
from pipeline.datasets.trust.people import Agreement, Judgements, agreement_facts
from pipeline.datasets.views.trees import problem_text, read_trace
from pipeline.files.locks import has_writer
from pipeline.inspection.breakdown import breakdown_facts
from pipeline.inspection.cluster_state import ClusterState
from pipeline.inspection.funnel import funnel
from pipeline.inspection.problem_tree import MASS
from pipeline.inspection.terminal_report import problem_ids
from pipeline.labels.step_labels import credible_interval, label_tree

_OF_NODES = ("id", "parent", "text", "passes", "trials", "score", "cut_score", "finish")
_OF_TRAJECTORIES = (
    "leaf", "status", "outcome", "verifier", "extracted", "reason", "kept", "decision", "p_correct",
    "score",
)  # fmt: skip


def run_facts(folder: RunFolder) -> dict[str, Any]:
    """A run: its state, its counts, and its workers. Raises FolderError and StorageError."""
    now, complete = folder.last_metrics(), folder.complete
    running = None if complete is not None else has_writer(folder.path)
    state = {True: "running", False: "not_running", None: "unknown"}[running]
    total = now.total if now is not None else None
    return {
        "path": str(folder.path),
        "state": "complete" if complete is not None else state,
        "created": folder.run.get("created"),
        "parts": len(folder.parts),
        "total": total,
        "committed": count_facts(folder.counts),
        "now": None
        if now is None
        else {
            "time": now.time,
            "seconds": now.seconds,
            "tokens_per_second": now.tokens_per_second,
            "recent_tokens_per_second": now.recent_tokens_per_second,
            "eta_seconds": now.eta_seconds,
            "live_rollouts": now.live_rollouts,
            "live_tokens": now.live_tokens,
            "new_problems": now.new_problems,
            "new_rollouts": now.new_rollouts,
            "new_tokens": now.new_live_tokens,
            "new_prompt_tokens": now.new_prompt_tokens,
            "new_prompt_tokens_cached": now.new_prompt_tokens_cached,
            "queues": asdict(now.queues),
            "workers": list(map(asdict, now.workers)),
            "counts": now.counts.to_dict(reasons=False),
        },
        "final": None if complete is None else dict(complete),
        "people": agreement_facts(Agreement.of(Judgements(folder.path).all())),
        "reward_models": list(folder.run.get("reward_models", ())),
        "cluster": ClusterState.read(folder.path).to_json(),
    }


def count_facts(counts: Counts) -> dict[str, Any]:
    """Counts with the most common reasons, and what follows from them."""
    return {
        **counts.to_dict(reasons=False),
        "funnel": [one.to_json() for one in funnel(counts)],
        **breakdown_facts(counts),
        "flawed_fraction": counts.flawed_fraction,
        "reasons": {
            kind: [{"text": text, "count": count} for text, count in counts.most_common(kind)]
            for kind in counts.reasons
        },
    }


def list_facts(reader: RunReader, limit: int) -> list[dict[str, Any]]:
    """The first problems of a run."""
    names = ("problem_id", "rollouts", "kept", "prompt")
    return [dict(zip(names, row, strict=True)) for row in problem_ids(reader, limit)]


def tree_facts(reader: RunReader, problem_id: str) -> dict[str, Any]:
    """One problem's tree. Raises FolderError for an id that is not in the run.

    Values that files of earlier versions lack are None.
    """
    row = reader.find(problem_id)
    config = read_labels(reader.folder.run["config"])
    first_errors = {one.leaf: one.first_error for one in label_tree(read_trace(row).tree, config)}
    return {
        "problem_id": row["problem_id"],
        "source_id": row.get("source_id"),
        "problem": problem_text(row),
        "gold": row["target_value"],
        "errors": list(row["errors"]),
        "warnings": list(row.get("warnings") or ()),
        "nodes": [
            {key: node.get(key) for key in _OF_NODES} | _value_interval(node) for node in row["nodes"]
        ],
        "trajectories": [
            {key: one.get(key) for key in _OF_TRAJECTORIES} | {"first_error": first_errors[one["leaf"]]}
            for one in row["trajectories"]
        ],
    }


def _value_interval(node: Mapping[str, Any]) -> dict[str, float | None]:
    if not node["trials"]:
        return {"low": None, "high": None}
    found = credible_interval(node["passes"], node["trials"], MASS)
    return {"low": found.low, "high": found.high}
