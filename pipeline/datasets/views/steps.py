"""The view `steps`: one row for each trajectory, with a label for each of its steps.

List columns have one entry for each step of the response, in order. Trajectories of one problem share
steps if one branched from another. `num_shared` is the number of a row's first steps that an earlier
row of the problem also has, for training on each step only once.
"""

from collections.abc import Iterator

import pyarrow as pa

from pipeline.datasets.views.columns import (
    LABEL_SOURCE,
    PROBLEM,
    judged_columns,
    problem_columns,
    source_columns,
)
from pipeline.datasets.views.rules import ViewRules
from pipeline.datasets.views.view import View
from pipeline.labels.majority import is_voted, sampling_weights
from pipeline.labels.step_labels import Interval, TrajectoryLabels, label_tree
from pipeline.records import Trace
from pipeline.tree import Node

_INTERVAL = pa.struct([("low", pa.float32()), ("high", pa.float32())])
_SCHEMA = pa.schema(
    [
        *PROBLEM,
        ("prompt_token_ids", pa.list_(pa.int32())),
        ("steps", pa.list_(pa.string())),
        ("step_token_ids", pa.list_(pa.list_(pa.int32()))),
        ("step_logprobs", pa.list_(pa.float32())),
        ("step_nodes", pa.list_(pa.int32())),
        ("labels", pa.list_(pa.bool_())),
        ("soft_labels", pa.list_(pa.float32())),
        ("trials", pa.list_(pa.int32())),
        ("passes", pa.list_(pa.int32())),
        ("truncated", pa.list_(pa.int32())),
        ("started_trials", pa.list_(pa.int32())),
        ("started_passes", pa.list_(pa.int32())),
        ("intervals", pa.list_(_INTERVAL)),
        ("p_correct", pa.list_(pa.float32())),
        ("step_scores", pa.list_(pa.float32())),
        ("first_error", pa.int32()),
        ("num_shared", pa.int32()),
        ("num_tokens", pa.int32()),
        ("status", pa.string()),
        ("outcome", pa.string()),
        ("score", pa.float32()),
        ("extracted", pa.string()),
        ("kept", pa.bool_()),
        ("leaf", pa.int32()),
        ("sampling_weight", pa.float32()),
        ("verifier", pa.string()),
        ("verifier_version", pa.string()),
        *LABEL_SOURCE,
        ("model_version", pa.string()),
        ("seed", pa.int64()),
    ]
)


def step_rows(trace: Trace, rules: ViewRules) -> Iterator[dict[str, object]]:
    """A row for each trajectory, in order of leaves."""
    kept = {trajectory.leaf for trajectory in trace.kept}
    voted = is_voted(trace.tree)
    seen: set[int] = set()
    labelled = label_tree(trace.tree, rules.labels)
    weights = sampling_weights(trace.tree)
    for trajectory, labels_of in zip(trace.trajectories, labelled, strict=True):
        root, *path = trace.tree.path(trajectory.leaf)
        nodes = [node.id for node in path]
        yield {
            **problem_columns(trace),
            **judged_columns(trajectory),
            **source_columns(trajectory, is_voted=voted),
            **_sampled_columns(root, path),
            **_label_columns(labels_of),
            "step_scores": [trace.tree.scores.get(node) for node in nodes],
            "num_shared": len(seen.intersection(nodes)),
            "status": trajectory.status,
            "kept": trajectory.leaf in kept,
            "sampling_weight": weights[trajectory.leaf],
        }
        seen.update(nodes)


def _sampled_columns(root: Node, path: list[Node]) -> dict[str, object]:
    return {
        "prompt_token_ids": root.token_ids,
        "steps": [node.text for node in path],
        "step_token_ids": [node.token_ids for node in path],
        "step_logprobs": [node.logprob for node in path],
        "step_nodes": [node.id for node in path],
        "model_version": path[-1].model_version,
    }


def _label_columns(labels: TrajectoryLabels) -> dict[str, object]:
    return {
        "labels": [step.hard for step in labels.steps],
        "soft_labels": [step.soft for step in labels.steps],
        "trials": [step.trials for step in labels.steps],
        "passes": [step.passes for step in labels.steps],
        "truncated": [step.truncated for step in labels.steps],
        "started_trials": [step.started_trials for step in labels.steps],
        "started_passes": [step.started_passes for step in labels.steps],
        "intervals": [_bounds(step.interval) for step in labels.steps],
        "p_correct": [step.p_correct for step in labels.steps],
        "first_error": labels.first_error,
    }


def _bounds(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else {"low": interval.low, "high": interval.high}


STEPS = View(
    name="steps",
    about="step labels: one row for each response, with a label for each of its steps",
    schema=_SCHEMA,
    rows=step_rows,
)
