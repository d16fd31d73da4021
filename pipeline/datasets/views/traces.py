"""The view `traces`: one row for each survivor, ready to train on."""

from collections.abc import Iterator

import pyarrow as pa

from pipeline.chat import MessageMatch
from pipeline.datasets.views.columns import (
    CHAT,
    LABEL_SOURCE,
    PROBLEM,
    chat_column,
    judged_columns,
    problem_columns,
    response_columns,
    source_columns,
)
from pipeline.datasets.views.rules import ViewRules
from pipeline.datasets.views.view import View
from pipeline.labels.majority import is_voted
from pipeline.records import Trace, Trajectory

_SCHEMA = pa.schema(
    [
        *PROBLEM,
        ("response", pa.string()),
        ("completion", CHAT),
        ("messages", CHAT),
        ("messages_exact", pa.bool_()),
        ("extracted", pa.string()),
        ("num_tokens", pa.int32()),
        ("prompt_token_ids", pa.list_(pa.int32())),
        ("response_token_ids", pa.list_(pa.int32())),
        ("leaf", pa.int32()),
        ("outcome", pa.string()),
        ("score", pa.float32()),
        ("p_correct", pa.float64()),
        ("verifier", pa.string()),
        ("verifier_version", pa.string()),
        *LABEL_SOURCE,
        ("model_version", pa.string()),
        ("seed", pa.int64()),
    ]
)


def trace_rows(trace: Trace, rules: ViewRules) -> Iterator[dict[str, object]]:
    """A row for each survivor."""
    voted = is_voted(trace.tree)
    p_correct = {decision.leaf: decision.p_correct for decision in trace.decisions}
    for trajectory in trace.kept:
        yield {
            **problem_columns(trace),
            **judged_columns(trajectory),
            **response_columns(trace, trajectory),
            **source_columns(trajectory, is_voted=voted),
            **_message_columns(trace, trajectory),
            "p_correct": p_correct[trajectory.leaf],
        }


def _message_columns(trace: Trace, trajectory: Trajectory) -> dict[str, object]:
    """Prompt and response as one chat; null if the turns of the prompt are unknown."""
    chat = trace.tree.chat
    if chat is None:
        return {"messages": None, "messages_exact": None}
    match = trace.message_matches.get(trajectory.leaf)
    return {
        "messages": chat_column([*chat.messages, chat.answer(trajectory.response)]),
        "messages_exact": None if match is None else match is MessageMatch.EXACT,
    }


TRACES = View(
    name="traces",
    about="the survivors: one row for each verified response",
    schema=_SCHEMA,
    rows=trace_rows,
)
