"""The views of a run's data: what a row of each holds, and how a trace becomes rows.

`trees` has one row for every problem and everything that was found about it; every other view can be
derived from it. `traces` has one row for every survivor. No row holds a time or a machine's name, so
the same tree is the same bytes.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from pipeline.records import Trace, Trajectory

_NODE = pa.struct(
    [
        ("id", pa.int32()),
        ("parent", pa.int32()),
        ("slot", pa.int32()),
        ("step", pa.int32()),
        ("token_ids", pa.list_(pa.int32())),
        ("text", pa.string()),
        ("logprob", pa.float32()),
        ("score", pa.float32()),
        ("finish", pa.string()),
        ("model_version", pa.string()),
        ("visits", pa.int32()),
        ("trials", pa.int32()),
        ("passes", pa.int32()),
    ]
)
_TRAJECTORY = pa.struct(
    [
        ("leaf", pa.int32()),
        ("status", pa.string()),
        ("num_tokens", pa.int32()),
        ("outcome", pa.string()),
        ("reason", pa.string()),
        ("extracted", pa.string()),
        ("evidence", pa.string()),
        ("verifier", pa.string()),
        ("verifier_version", pa.string()),
        ("kept", pa.bool_()),
        ("decided_by", pa.string()),
        ("decision", pa.string()),
    ]
)
_PROBLEM = [
    ("problem_id", pa.string()),
    ("domain", pa.string()),
    ("source", pa.string()),
    ("split", pa.string()),
    ("prompt", pa.string()),
    ("target_kind", pa.string()),
    ("target_value", pa.string()),
]
TREES = pa.schema(
    [
        *_PROBLEM,
        ("target_tests", pa.string()),
        ("meta", pa.string()),
        ("seed", pa.int64()),
        ("nodes", pa.list_(_NODE)),
        ("trajectories", pa.list_(_TRAJECTORY)),
        ("errors", pa.list_(pa.string())),
        ("warnings", pa.list_(pa.string())),
    ]
)
_MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string())])
TRACES = pa.schema(
    [
        *_PROBLEM,
        ("response", pa.string()),
        ("messages", pa.list_(_MESSAGE)),
        ("extracted", pa.string()),
        ("num_tokens", pa.int32()),
        ("prompt_token_ids", pa.list_(pa.int32())),
        ("response_token_ids", pa.list_(pa.int32())),
        ("leaf", pa.int32()),
        ("outcome", pa.string()),
        ("verifier", pa.string()),
        ("verifier_version", pa.string()),
        ("model_version", pa.string()),
        ("seed", pa.int64()),
    ]
)
SCHEMAS = {"trees": TREES, "traces": TRACES}
"""View -> columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedTrace:
    """A finished problem, ready to be sent and written."""

    rows: dict[str, bytes]
    """View -> its rows, as an Arrow record batch without its schema. Bytes, because Ray's own way
    with tables takes five times as long as making them."""
    counts: Counter[str]
    """As `count` has them."""

    @classmethod
    def of(cls, trace: Trace) -> "EncodedTrace":
        """The trace's rows in every view."""
        rows = {"trees": [_tree_row(trace)], "traces": [_trace_row(trace, t) for t in trace.kept]}
        batches = {view: pa.RecordBatch.from_pylist(rows[view], schema=SCHEMAS[view]) for view in rows}
        encoded = {view: batch.serialize().to_pybytes() for view, batch in batches.items()}
        return cls(rows=encoded, counts=count(trace))


def decode(view: str, traces: Iterable[EncodedTrace]) -> pa.Table:
    """One table of the traces' rows in a view, in order."""
    schema = SCHEMAS[view]
    batches = [pa.ipc.read_record_batch(pa.py_buffer(t.rows[view]), schema) for t in traces]
    return pa.Table.from_batches(batches, schema)


def count(trace: Trace) -> Counter[str]:
    """What a summary counts of a trace; counts of traces add up.

    Keys: problems, problems_failed, problems_solved, rollouts, tokens, kept, unscored (with reward
    models), and with a suffix status.*, verdict.* and dropped.RULE.
    """
    counts = Counter(
        problems=1,
        problems_failed=int(bool(trace.errors)),
        problems_solved=int(bool(trace.kept)),
        rollouts=len(trace.trajectories),
        tokens=sum(len(node.token_ids) for node in trace.tree.nodes[1:]),
        kept=len(trace.kept),
    )
    if trace.num_unscored is not None:
        counts["unscored"] = trace.num_unscored
    for trajectory in trace.trajectories:
        counts[f"status.{trajectory.status}"] += 1
        if trajectory.verdict is not None:
            counts[f"verdict.{trajectory.verdict.outcome}"] += 1
    for decision in trace.decisions:
        if not decision.kept:
            counts[f"dropped.{decision.stage}"] += 1
    return counts


def _problem_columns(trace: Trace) -> dict[str, object]:
    problem = trace.problem
    return {
        "problem_id": problem.id,
        "domain": problem.domain,
        "source": problem.source,
        "split": problem.split,
        "prompt": problem.prompt,
        "target_kind": problem.target.kind,
        "target_value": problem.target.value,
        "seed": trace.seed,
    }


def _tree_row(trace: Trace) -> dict[str, object]:
    decisions = {decision.leaf: decision for decision in trace.decisions}
    tree = trace.tree
    return {
        **_problem_columns(trace),
        "target_tests": _json(trace.problem.target.tests),
        "meta": _json(trace.problem.meta),
        "nodes": [
            {
                "id": node.id,
                "parent": node.parent,
                "slot": node.slot,
                "step": node.step,
                "token_ids": node.token_ids,
                "text": node.text,
                "logprob": node.logprob,
                "score": tree.scores.get(node.id),
                "finish": node.finish,
                "model_version": node.model_version,
                "visits": stats.visits,
                "trials": stats.trials,
                "passes": stats.passes,
            }
            for node, stats in zip(tree.nodes, tree.stats, strict=True)
        ],
        "trajectories": [
            {
                **_judged_columns(trajectory),
                "status": trajectory.status,
                "reason": trajectory.verdict and trajectory.verdict.reason,
                "evidence": trajectory.verdict and _json(trajectory.verdict.evidence),
                "kept": decisions[trajectory.leaf].kept,
                "decided_by": decisions[trajectory.leaf].stage,
                "decision": decisions[trajectory.leaf].reason,
            }
            for trajectory in trace.trajectories
        ],
        "errors": list(trace.errors),
        "warnings": list(trace.warnings),
    }


def _trace_row(trace: Trace, trajectory: Trajectory) -> dict[str, object]:
    root, *path = trace.tree.path(trajectory.leaf)
    return {
        **_problem_columns(trace),
        **_judged_columns(trajectory),
        "response": trajectory.response,
        "messages": [
            {"role": "user", "content": trace.problem.prompt},
            {"role": "assistant", "content": trajectory.response},
        ],
        "prompt_token_ids": root.token_ids,
        "response_token_ids": [token for node in path for token in node.token_ids],
        "model_version": path[-1].model_version,
    }


def _judged_columns(trajectory: Trajectory) -> dict[str, object]:
    verdict = trajectory.verdict
    return {
        "leaf": trajectory.leaf,
        "num_tokens": trajectory.num_tokens,
        "outcome": verdict and verdict.outcome,
        "extracted": verdict and verdict.extracted,
        "verifier": verdict and verdict.verifier,
        "verifier_version": verdict and verdict.version,
    }


def _json(value: Mapping[str, object]) -> str:
    # Columns of a problem set may hold dates and the like; as text they are kept all the same.
    return json.dumps(dict(value), sort_keys=True, ensure_ascii=False, default=str)
