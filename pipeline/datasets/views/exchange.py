"""Views in the interchange formats of viewers and harnesses of others: `atif` and `verifiers`.

`atif` has one row for each response: a trajectory in Harbor's Agent Trajectory Interchange Format,
version 1.4 (github.com/laude-institute/harbor, docs/rfcs/0001-trajectory-format.md). `verifiers` has
one row for each problem: its tree as a trace graph of the library `verifiers`, trace version 1
(github.com/PrimeIntellect-ai/verifiers, verifiers/v1/graph.py), in which every step is a message with
the tokens that it adds.

Export them as .jsonl: each line is a document. Fields for times and costs are left out, so that the
same trace gives the same bytes.
"""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from pipeline.chat import Message
from pipeline.datasets.views.rules import ViewRules
from pipeline.datasets.views.view import View
from pipeline.labels.outcomes import sample_outcome
from pipeline.records import Trace, Trajectory
from pipeline.tree import ROOT, Node

_INTS = pa.list_(pa.int32())
_METRICS = pa.struct(
    [
        ("prompt_tokens", pa.int32()),
        ("completion_tokens", pa.int32()),
        ("prompt_token_ids", _INTS),
        ("completion_token_ids", _INTS),
        ("logprobs", pa.list_(pa.float32())),
    ]
)
_STEP = pa.struct(
    [
        ("step_id", pa.int32()),
        ("source", pa.string()),
        ("message", pa.string()),
        ("model_name", pa.string()),
        ("metrics", _METRICS),
    ]
)
_RESULT = [
    ("problem_id", pa.string()),
    ("leaf", pa.int32()),
    ("status", pa.string()),
    ("outcome", pa.string()),
    ("reward", pa.float32()),
    ("extracted", pa.string()),
    ("target", pa.string()),
    ("verifier", pa.string()),
    ("verifier_version", pa.string()),
    ("kept", pa.bool_()),
]
_AGENT = pa.struct([("name", pa.string()), ("version", pa.string()), ("model_name", pa.string())])
_TOTALS = pa.struct(
    [
        ("total_prompt_tokens", pa.int32()),
        ("total_completion_tokens", pa.int32()),
        ("total_steps", pa.int32()),
    ]
)
_ATIF = pa.schema(
    [
        ("schema_version", pa.string()),
        ("session_id", pa.string()),
        ("agent", _AGENT),
        ("steps", pa.list_(_STEP)),
        ("final_metrics", _TOTALS),
        ("extra", pa.struct(_RESULT)),
    ]
)
_MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string())])
_NODE = pa.struct(
    [
        ("parent", pa.int32()),
        ("message", _MESSAGE),
        ("sampled", pa.bool_()),
        ("token_ids", _INTS),
        ("mask", pa.list_(pa.bool_())),
        ("logprobs", pa.list_(pa.float32())),
    ]
)
_REWARD = pa.struct([("score", pa.float32()), ("weight", pa.float32())])
_TASK = pa.struct(
    [
        ("type", pa.string()),
        ("key", pa.string()),
        ("data", pa.struct([("name", pa.string()), ("prompt", pa.string()), ("answer", pa.string())])),
    ]
)
_RESPONSE = pa.struct([("node", pa.int32()), *_RESULT])
_VERIFIERS = pa.schema(
    [
        ("version", pa.int32()),
        ("id", pa.string()),
        ("task", _TASK),
        ("agent", pa.struct([("config", pa.struct([("model", pa.string())])), ("name", pa.string())])),
        ("nodes", pa.list_(_NODE)),
        ("rewards", pa.struct([("pass_rate", _REWARD)])),
        ("info", pa.struct([("responses", pa.list_(_RESPONSE))])),
        ("is_completed", pa.bool_()),
        ("ok", pa.bool_()),
        ("errors", pa.list_(pa.struct([("type", pa.string()), ("message", pa.string())]))),
    ]
)


def atif_rows(trace: Trace, rules: ViewRules) -> Iterator[dict[str, object]]:
    """A trajectory for each response."""
    kept = {trajectory.leaf for trajectory in trace.kept}
    for trajectory in trace.trajectories:
        root, *path = trace.tree.path(trajectory.leaf)
        model = path[-1].model_version
        asked = [
            _atif_step(n, turn.role, turn.content) for n, turn in enumerate(_turns(trace), start=1)
        ]
        answer = _atif_step(len(asked) + 1, "agent", trajectory.response) | {
            "model_name": model,
            "metrics": {
                "prompt_tokens": len(root.token_ids),
                "completion_tokens": trajectory.num_tokens,
                "prompt_token_ids": root.token_ids,
                "completion_token_ids": [token for node in path for token in node.token_ids],
                "logprobs": _logprobs(path),
            },
        }
        yield {
            "schema_version": "ATIF-v1.4",
            "session_id": f"{trace.problem.id}-{trajectory.leaf}",
            "agent": {"name": "berry", "version": "1", "model_name": model},
            "steps": [*asked, answer],
            "final_metrics": {
                "total_prompt_tokens": len(root.token_ids),
                "total_completion_tokens": trajectory.num_tokens,
                "total_steps": len(asked) + 1,
            },
            "extra": _result(trace, trajectory, is_kept=trajectory.leaf in kept),
        }


def _logprobs(path: Sequence[Node]) -> list[float] | None:
    """Of all sampled tokens; None if some are not stored."""
    known = [node.logprobs for node in path if node.logprobs is not None]
    return [one for own in known for one in own] if len(known) == len(path) else None


def _atif_step(number: int, role: str, text: str) -> dict[str, object]:
    return {"step_id": number, "source": role, "message": text, "model_name": None, "metrics": None}


def verifiers_rows(trace: Trace, rules: ViewRules) -> Iterator[dict[str, object]]:
    """A trace graph for the problem."""
    turns, tree = _turns(trace), trace.tree
    last = len(turns) - 1
    nodes: list[dict[str, object]] = [
        {
            "parent": number - 1 if number else None,
            "message": {"role": turn.role, "content": turn.content},
            "sampled": False,
            # The whole rendered prompt, with the opening of the answer, belongs to the last turn.
            "token_ids": tree.nodes[ROOT].token_ids if number == last else [],
            "mask": [False] * len(tree.nodes[ROOT].token_ids) if number == last else [],
            "logprobs": (),
        }
        for number, turn in enumerate(turns)
    ]
    for node in tree.nodes[1:]:
        assert node.parent is not None, "expected a parent of every node but the root"
        nodes.append(
            {
                "parent": last + node.parent,
                "message": {"role": "assistant", "content": node.text},
                "sampled": True,
                "token_ids": node.token_ids,
                "mask": [True] * len(node.token_ids),
                "logprobs": node.logprobs or (),
            }
        )
    value, kept = tree.stats[ROOT].value, {trajectory.leaf for trajectory in trace.kept}
    yield {
        "version": 1,
        "id": trace.problem.id,
        "task": {
            "type": trace.problem.domain,
            "key": trace.problem.id,
            "data": {
                "name": trace.problem.source,
                "prompt": trace.problem.prompt,
                "answer": trace.problem.target.value,
            },
        },
        "agent": {"config": {"model": _model(trace)}, "name": "solver"},
        "nodes": nodes,
        "rewards": {"pass_rate": None if value is None else {"score": value, "weight": 1.0}},
        "info": {
            "responses": [
                {"node": last + one.leaf, **_result(trace, one, is_kept=one.leaf in kept)}
                for one in trace.trajectories
            ]
        },
        "is_completed": True,
        "ok": not trace.failures,
        "errors": [{"type": one.type, "message": one.message} for one in trace.failures],
    }


def _turns(trace: Trace) -> tuple[Message, ...]:
    """The turns that were sent; the rendered prompt as one turn if they are unknown."""
    chat = trace.tree.chat
    if chat is not None and chat.messages:
        return chat.messages
    return (Message(role="user", content=trace.tree.nodes[ROOT].text),)


def _model(trace: Trace) -> str | None:
    return trace.tree.nodes[-1].model_version


def _result(trace: Trace, trajectory: Trajectory, *, is_kept: bool) -> dict[str, object]:
    verdict, right = trajectory.verdict, sample_outcome(trace.tree, trajectory.leaf)
    return {
        "problem_id": trace.problem.id,
        "leaf": trajectory.leaf,
        "status": trajectory.status,
        "outcome": verdict and verdict.outcome,
        "reward": None if right is None else float(right),
        "extracted": verdict and verdict.extracted,
        "target": trace.problem.target.value,
        "verifier": verdict and verdict.verifier,
        "verifier_version": verdict and verdict.version,
        "kept": is_kept,
    }


ATIF = View(
    name="atif",
    about="responses as trajectories in the Agent Trajectory Interchange Format",
    needs="a response",
    schema=_ATIF,
    rows=atif_rows,
)
VERIFIERS = View(
    name="verifiers",
    about="trees as trace graphs of the library verifiers",
    schema=_VERIFIERS,
    rows=verifiers_rows,
)
