"""The view `traces`: one row for each survivor, ready to train on."""

from collections.abc import Iterator

import pyarrow as pa

from pipeline.datasets.columns import (
    LABEL_SOURCE,
    PROBLEM,
    judged_columns,
    problem_columns,
    source_columns,
)
from pipeline.labels import LabelConfig
from pipeline.majority import is_voted
from pipeline.records import Trace, Trajectory

_MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string())])
TRACES = pa.schema(
    [
        *PROBLEM,
        ("response", pa.string()),
        ("messages", pa.list_(_MESSAGE)),
        ("extracted", pa.string()),
        ("num_tokens", pa.int32()),
        ("prompt_token_ids", pa.list_(pa.int32())),
        ("response_token_ids", pa.list_(pa.int32())),
        ("leaf", pa.int32()),
        ("outcome", pa.string()),
        ("score", pa.float32()),
        ("verifier", pa.string()),
        ("verifier_version", pa.string()),
        *LABEL_SOURCE,
        ("model_version", pa.string()),
        ("seed", pa.int64()),
    ]
)


def trace_rows(trace: Trace, labels: LabelConfig) -> Iterator[dict[str, object]]:
    """A row for each trajectory that was kept."""
    voted = is_voted(trace.tree)
    for trajectory in trace.kept:
        yield _row(trace, trajectory) | source_columns(trajectory, is_voted=voted)


def _row(trace: Trace, trajectory: Trajectory) -> dict[str, object]:
    root, *path = trace.tree.path(trajectory.leaf)
    return {
        **problem_columns(trace),
        **judged_columns(trajectory),
        "response": trajectory.response,
        "messages": [
            {"role": "user", "content": trace.problem.prompt},
            {"role": "assistant", "content": trajectory.response},
        ],
        "prompt_token_ids": root.token_ids,
        "response_token_ids": [token for node in path for token in node.token_ids],
        "model_version": path[-1].model_version,
    }
