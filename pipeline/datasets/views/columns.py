"""Columns that several views share, and how a trace fills them."""

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum

import pyarrow as pa

from pipeline.chat import Message
from pipeline.labels.majority import is_voted, vote_share
from pipeline.records import Trace, Trajectory
from pipeline.tree import Tree

CHAT = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
"""Turns of a chat, in the format that training libraries read."""
PROBLEM = [
    ("problem_id", pa.string()),
    ("domain", pa.string()),
    ("source", pa.string()),
    ("split", pa.string()),
    ("problem", pa.string()),
    ("prompt", CHAT),
    ("target_kind", pa.string()),
    ("target_value", pa.string()),
    ("source_id", pa.string()),
    ("meta", pa.string()),
]


class LabelSource(StrEnum):
    """Source of a trajectory's label."""

    VERIFIER = "verifier"
    MAJORITY = "majority"
    """A vote of the responses: the problem has no gold answer."""


LABEL_SOURCE = [("label_source", pa.string()), ("vote_share", pa.float32())]
"""Source of the label, and the majority's fraction of the votes."""


def problem_columns(trace: Trace) -> dict[str, object]:
    """The problem's columns and the seed, which are known before any rollout."""
    problem = trace.problem
    return {
        "problem_id": problem.id,
        "domain": problem.domain,
        "source": problem.source,
        "split": problem.split,
        "problem": problem.prompt,
        "prompt": trace.tree.chat and chat_column(trace.tree.chat.messages),
        "target_kind": problem.target.kind,
        "target_value": problem.target.value,
        "source_id": problem.source_id,
        "meta": to_json(problem.meta),
        "seed": trace.seed,
    }


def chat_column(messages: Iterable[Message]) -> list[dict[str, str]]:
    """The turns as a value of CHAT."""
    return [{"role": message.role, "content": message.content} for message in messages]


def judged_columns(trajectory: Trajectory) -> dict[str, object]:
    """A trajectory's end and verdict."""
    verdict = trajectory.verdict
    return {
        "leaf": trajectory.leaf,
        "num_tokens": trajectory.num_tokens,
        "outcome": verdict and verdict.outcome,
        "extracted": verdict and verdict.extracted,
        "verifier": verdict and verdict.verifier,
        "verifier_version": verdict and verdict.version,
        "score": trajectory.score,
    }


RESPONSE = [
    ("response", pa.string()),
    ("completion", CHAT),
    ("prompt_token_ids", pa.list_(pa.int32())),
    ("response_token_ids", pa.list_(pa.int32())),
    ("model_version", pa.string()),
]
"""A response as text, as a turn of a chat, and as the tokens that were sampled."""


def response_columns(trace: Trace, trajectory: Trajectory) -> dict[str, object]:
    """The columns of RESPONSE; `completion` is null if the turns of the prompt are unknown."""
    root, *path = trace.tree.path(trajectory.leaf)
    chat = trace.tree.chat
    return {
        "response": trajectory.response,
        "completion": chat and chat_column([chat.answer(trajectory.response)]),
        "prompt_token_ids": root.token_ids,
        "response_token_ids": [token for node in path for token in node.token_ids],
        "model_version": path[-1].model_version,
    }


def source_columns(trajectory: Trajectory, *, is_voted: bool) -> dict[str, object]:
    """The columns of LABEL_SOURCE. `is_voted` belongs to the whole tree, because a truncated response
    does not vote."""
    return {
        "label_source": LabelSource.MAJORITY if is_voted else LabelSource.VERIFIER,
        "vote_share": vote_share(trajectory.verdict),
    }


def tree_source_columns(tree: Tree) -> dict[str, object]:
    """The columns of LABEL_SOURCE for rows that belong to a whole tree."""
    shares = (vote_share(verdict) for verdict in tree.verdicts.values())
    return {
        "label_source": LabelSource.MAJORITY if is_voted(tree) else LabelSource.VERIFIER,
        "vote_share": next((share for share in shares if share is not None), None),
    }


def to_json(value: Mapping[str, object]) -> str:
    """Canonical JSON text: the same content gives the same text."""
    # Columns of a problem set may hold other types, such as dates; they are stored as text.
    return json.dumps(dict(value), sort_keys=True, ensure_ascii=False, default=str)
