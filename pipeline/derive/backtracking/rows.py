"""The columns of the views `backtracking` and `backtracking_control`, and how a chain fills them."""

import pyarrow as pa

from pipeline.datasets.views.columns import CHAT, PROBLEM, chat_column, problem_columns
from pipeline.derive.backtracking.chains import Chain, Kind, Span, ids_of, response_of
from pipeline.records import Trace

VIEW, CONTROL = "backtracking", "backtracking_control"
ABOUT = {
    VIEW: "chains that turn back: a wrong branch, the notice of it, and the way to the right answer",
    CONTROL: "the same problems without the wrong branch: prefix and right branch as they were sampled",
}
"""Name of each view of the export -> what it has rows of."""
_INTS = pa.list_(pa.int32())
_SPAN = pa.struct(
    [
        ("kind", pa.string()),
        ("start", pa.int32()),
        ("length", pa.int32()),
        ("in_loss", pa.bool_()),
    ]
)
SCHEMA = pa.schema(
    [
        *PROBLEM,
        ("mode", pa.string()),
        ("response", pa.string()),
        ("completion", CHAT),
        ("messages", CHAT),
        ("token_ids", _INTS),
        ("loss_mask", pa.list_(pa.bool_())),
        ("spans", pa.list_(_SPAN)),
        ("num_tokens", pa.int32()),
        ("prefix_node", pa.int32()),
        ("wrong_nodes", _INTS),
        ("right_node", pa.int32()),
        ("leaf", pa.int32()),
        ("step", pa.int32()),
        ("detour_steps", _INTS),
        ("detour_tokens", _INTS),
        ("wrong_scores", pa.list_(pa.float32())),
        ("right_score", pa.float32()),
        ("margin", pa.float32()),
        ("outcome", pa.string()),
        ("extracted", pa.string()),
        ("verifier", pa.string()),
        ("verifier_version", pa.string()),
        ("attempt", pa.int32()),
        ("tail_logprob", pa.float64()),
        ("spliced_tail_logprob", pa.float64()),
        ("model_version", pa.string()),
        ("tree_model_version", pa.string()),
        ("sample_seed", pa.int64()),
        ("seed", pa.int64()),
    ]
)
"""Of both views: a control has the same columns, with the branches of its chain."""


def chain_row(trace: Trace, chain: Chain, *, train_opening: bool) -> dict[str, object]:
    """The row of a chain."""
    masked = {Kind.PROMPT, Kind.DETOUR} | (set() if train_opening else {Kind.OPENING})
    spans = [span for span in chain.spans if span.token_ids]
    return {
        **problem_columns(trace),
        **_text_columns(trace, chain),
        **_branch_columns(chain),
        "mode": chain.mode,
        "token_ids": ids_of(spans),
        "loss_mask": [span.kind not in masked for span in spans for _ in span.token_ids],
        "spans": _span_column(spans, masked),
        "num_tokens": sum(len(span.token_ids) for span in spans[1:]),
        "outcome": chain.verdict and chain.verdict.outcome,
        "extracted": chain.verdict and chain.verdict.extracted,
        "verifier": chain.verdict and chain.verdict.verifier,
        "verifier_version": chain.verdict and chain.verdict.version,
        "attempt": chain.attempt,
        "tail_logprob": chain.tail_logprob,
        "spliced_tail_logprob": chain.spliced_tail_logprob,
        "model_version": chain.model_version,
        "sample_seed": chain.seed,
    }


def _text_columns(trace: Trace, chain: Chain) -> dict[str, object]:
    """The response as text and in a chat; the chat is null if the turns of the prompt are unknown."""
    response, chat = response_of(chain.spans), trace.tree.chat
    return {
        "response": response,
        "completion": chat and chat_column([chat.answer(response)]),
        "messages": chat and chat_column([*chat.messages, chat.answer(response)]),
    }


def _branch_columns(chain: Chain) -> dict[str, object]:
    splice = chain.splice
    return {
        "prefix_node": splice.prefix[-1].id,
        "wrong_nodes": [detour.nodes[0].id for detour in splice.detours],
        "right_node": splice.right[0].id,
        "leaf": splice.leaf,
        "step": splice.step,
        "detour_steps": [len(detour.nodes) for detour in splice.detours],
        "detour_tokens": [
            sum(len(node.token_ids) for node in detour.nodes) for detour in splice.detours
        ],
        "wrong_scores": [detour.score for detour in splice.detours],
        "right_score": splice.right_score,
        "margin": splice.margin,
        "tree_model_version": splice.right[-1].model_version,
    }


def _span_column(spans: list[Span], masked: set[Kind]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    start = 0
    for span in spans:
        length = len(span.token_ids)
        in_loss = span.kind not in masked
        rows.append({"kind": span.kind, "start": start, "length": length, "in_loss": in_loss})
        start += length
    return rows
