"""The view `outcomes`: one row for each judged response, right or wrong.

For outcome reward models, and for KTO (`prompt`, `completion`, `label`). A response that the verifier
could not decide has no row.
"""

from collections.abc import Iterator

import pyarrow as pa

from pipeline.datasets.views.columns import (
    LABEL_SOURCE,
    PROBLEM,
    RESPONSE,
    judged_columns,
    problem_columns,
    response_columns,
    source_columns,
)
from pipeline.datasets.views.rules import ViewRules
from pipeline.datasets.views.view import View
from pipeline.labels.majority import is_voted, sampling_weights
from pipeline.records import Status, Trace, Trajectory
from pipeline.tree import Tree

_SCHEMA = pa.schema(
    [
        *PROBLEM,
        *RESPONSE,
        ("label", pa.bool_()),
        ("status", pa.string()),
        ("outcome", pa.string()),
        ("extracted", pa.string()),
        ("num_tokens", pa.int32()),
        ("score", pa.float32()),
        ("kept", pa.bool_()),
        ("leaf", pa.int32()),
        ("sampling_weight", pa.float32()),
        ("verifier", pa.string()),
        ("verifier_version", pa.string()),
        *LABEL_SOURCE,
        ("seed", pa.int64()),
    ]
)


def outcome_rows(trace: Trace, rules: ViewRules) -> Iterator[dict[str, object]]:
    """A row for each response that passed or failed; with `labels.truncated_fails`, truncated ones
    failed."""
    voted, weights = is_voted(trace.tree), sampling_weights(trace.tree)
    kept = {trajectory.leaf for trajectory in trace.kept}
    for trajectory in trace.trajectories:
        label = _label(trace.tree, trajectory, rules)
        if label is None:
            continue
        yield {
            **problem_columns(trace),
            **judged_columns(trajectory),
            **response_columns(trace, trajectory),
            **source_columns(trajectory, is_voted=voted),
            "label": label,
            "status": trajectory.status,
            "kept": trajectory.leaf in kept,
            "sampling_weight": weights[trajectory.leaf],
        }


def _label(tree: Tree, trajectory: Trajectory, rules: ViewRules) -> bool | None:
    if trajectory.status is Status.TRUNCATED and rules.labels.truncated_fails:
        return False
    return tree.passed(trajectory.leaf)


OUTCOMES = View(
    name="outcomes",
    about="outcomes: one row for each judged response, with whether it is right",
    needs="a response that passed or failed",
    schema=_SCHEMA,
    rows=outcome_rows,
)
