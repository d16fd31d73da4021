"""One problem as JSON values: its tree with labels, its responses, and what people say about them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.config import read_labels
from pipeline.datasets.reader import RunReader
from pipeline.datasets.trust.people import Judgement
from pipeline.datasets.views.trees import problem_text, read_trace
from pipeline.inspection.problem_tree import best_path
from pipeline.labels.outcomes import has_gold, sample_outcome
from pipeline.labels.step_labels import StepLabel, TrajectoryLabels, credible_interval, label_tree
from pipeline.records import Trace
from pipeline.tree import ROOT

_MASS = 0.95
_NODE = (
    "id", "parent", "step", "text", "logprob", "score", "cut_score", "finish", "visits", "trials",
    "passes",
)  # fmt: skip
_RESPONSE = (
    "leaf", "status", "outcome", "reason", "extracted", "verifier", "verifier_version", "score", "kept",
    "decided_by", "decision", "decision_score", "p_correct", "num_tokens",
)  # fmt: skip


def problem_facts(
    reader: RunReader, row: Mapping[str, Any], judgements: Iterable[Judgement]
) -> dict[str, Any]:
    """The problem of a row of `trees`. Raises ConfigError for rules that it cannot read."""
    trace = read_trace(row)
    labelled = list(label_tree(trace.tree, read_labels(reader.folder.run["config"])))
    answers = trace.trajectories if has_gold(trace) else ()
    known = [sample_outcome(trace.tree, one.leaf) for one in answers]
    right, total = known.count(True), len(known) - known.count(None)
    return {
        **{key: row.get(key) for key in ("problem_id", "source_id", "domain", "source")},
        "problem": problem_text(row),
        "gold": row["target_value"],
        "kind": row["target_kind"],
        "tests": json.loads(row.get("target_tests") or "{}"),
        "errors": list(row["errors"]),
        "warnings": list(row.get("warnings") or ()),
        "right": right,
        "known": total,
        **_interval(right, total),
        "nodes": _nodes(row["nodes"], trace, labelled),
        "responses": _responses(row["trajectories"], trace, labelled),
        "spine": best_path(row),
        "judgements": [one.model_dump() for one in judgements],
    }


def _nodes(
    nodes: Sequence[Mapping[str, Any]], trace: Trace, labelled: Sequence[TrajectoryLabels]
) -> list[dict[str, Any]]:
    labels = _by_node(trace, labelled)
    found = []
    for node in nodes:
        label = labels.get(node["id"])
        found.append(
            {
                # Files of earlier versions lack some.
                **{key: node.get(key) for key in _NODE},
                "num_tokens": len(node["token_ids"]),
                "has_logprobs": node.get("logprobs") is not None,
                "version": node["model_version"],
                **_interval(node["passes"], node["trials"]),
                "started_low": label and label.interval and label.interval.low,
                "started_high": label and label.interval and label.interval.high,
                "started_trials": label and label.started_trials,
                "started_passes": label and label.started_passes,
                "p_correct": label and label.p_correct,
            }
        )
    return found


def _by_node(trace: Trace, labelled: Sequence[TrajectoryLabels]) -> dict[int, StepLabel]:
    """The label of each node. Where a rollout paused and others went on, the others say more."""
    found: dict[int, StepLabel] = {}
    for one in labelled:
        for node, label in zip(trace.tree.path(one.leaf)[1:], one.steps, strict=True):
            if node.id not in found or node.id != one.leaf:
                found[node.id] = label
    return found


def _responses(
    rows: Sequence[Mapping[str, Any]], trace: Trace, labelled: Sequence[TrajectoryLabels]
) -> list[dict[str, Any]]:
    first_errors = {one.leaf: one.first_error for one in labelled}
    return [
        {
            **{key: one.get(key) for key in _RESPONSE},
            "evidence": json.loads(one.get("evidence") or "{}"),
            # Counted from 1, as people count steps.
            "first_error": None
            if first_errors[one["leaf"]] is None
            else (first_errors[one["leaf"]] or 0) + 1,
            "started_at": trace.tree.rollout(one["leaf"])[0].parent or ROOT,
            "right": sample_outcome(trace.tree, one["leaf"]),
        }
        for one in rows
    ]


def _interval(passes: int, trials: int) -> dict[str, float | None]:
    if not trials:
        return {"low": None, "high": None}
    interval = credible_interval(passes, trials, _MASS)
    return {"low": interval.low, "high": interval.high}
