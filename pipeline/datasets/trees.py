"""The view `trees`: one row for each problem with everything that was found about it, and back.

`read_trace` gives the trace of a row: its tree is exact to the token, can be labelled and pruned by
other rules, and can be grown further. Rows of a trace that was read are those of the original.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.chat import Chat, Message, MessageMatch
from pipeline.datasets.columns import PROBLEM, judged_columns, problem_columns, to_json
from pipeline.labels import LabelConfig
from pipeline.records import Decision, Problem, Stage, Status, Trace, trajectories
from pipeline.tree import Finish, Node, Stats, Tree
from verifiers import Outcome, Target, Verdict

_READ_ROWS = 8
"""Problems whose rows are in memory at once: a tree as Python values takes much more than its bytes."""
_RENAMED = {"branch": Stage.PRUNED}
_UNVERIFIED = {
    "fail": Stage.FAILED,
    "abstain": Stage.ABSTAINED,
    "error": Stage.VERIFIER_ERROR,
    "not judged": Stage.NOT_JUDGED,
    "majority vote only": Stage.MAJORITY_ONLY,
}
"""Reasons of the stage `unverified`, which earlier versions had."""
_NO_ANSWER = re.compile(
    r"(?:the response (?:states no (?:answer|letter)|gives no (?:code|proof)|has no JSON|is empty)"
    r"|the answer repeats the question|the answer is not worked out: .*"
    r"|equal, but the question asks for .*|the response names [A-Z] and .*)$",
    re.DOTALL,
)
"""How earlier versions' abstentions said that a response gives no answer."""
_NODE = pa.struct(
    [
        ("id", pa.int32()),
        ("parent", pa.int32()),
        ("slot", pa.int32()),
        ("step", pa.int32()),
        ("token_ids", pa.list_(pa.int32())),
        ("text", pa.string()),
        ("logprob", pa.float32()),
        ("max_surprisal", pa.float32()),
        ("score", pa.float32()),
        ("cut_score", pa.float32()),
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
        ("no_answer", pa.bool_()),
        ("evidence", pa.string()),
        ("verifier", pa.string()),
        ("verifier_version", pa.string()),
        ("score", pa.float32()),
        ("kept", pa.bool_()),
        ("decided_by", pa.string()),
        ("decision", pa.string()),
        ("decision_score", pa.float32()),
        ("p_correct", pa.float64()),
        ("messages_match", pa.string()),
    ]
)
TREES = pa.schema(
    [
        *PROBLEM,
        ("prompt_opening", pa.string()),
        ("target_tests", pa.string()),
        ("seed", pa.int64()),
        ("nodes", pa.list_(_NODE)),
        ("trajectories", pa.list_(_TRAJECTORY)),
        ("errors", pa.list_(pa.string())),
        ("warnings", pa.list_(pa.string())),
        ("scored_by", pa.list_(pa.string())),
    ]
)


def tree_rows(trace: Trace, labels: LabelConfig) -> list[dict[str, object]]:
    """The one row of a trace."""
    decisions = {decision.leaf: decision for decision in trace.decisions}
    row = {
        **problem_columns(trace),
        "prompt_opening": trace.tree.chat and trace.tree.chat.opening,
        "target_tests": to_json(trace.problem.target.tests),
        "nodes": _node_columns(trace.tree),
        "trajectories": [
            {
                **judged_columns(trajectory),
                "status": trajectory.status,
                "reason": trajectory.verdict and trajectory.verdict.reason,
                "no_answer": trajectory.verdict and trajectory.verdict.no_answer,
                "evidence": trajectory.verdict and to_json(trajectory.verdict.evidence),
                **_decision_columns(decisions[trajectory.leaf]),
                "messages_match": trace.message_matches.get(trajectory.leaf),
            }
            for trajectory in trace.trajectories
        ],
        "errors": list(trace.errors),
        "warnings": list(trace.warnings),
        "scored_by": list(trace.scored_by),
    }
    return [row]


def _decision_columns(decision: Decision) -> dict[str, object]:
    return {
        "kept": decision.kept,
        "decided_by": decision.stage,
        "decision": decision.reason,
        "decision_score": decision.score,
        "p_correct": decision.p_correct,
    }


def _node_columns(tree: Tree) -> list[dict[str, object]]:
    return [
        {
            "id": node.id,
            "parent": node.parent,
            "slot": node.slot,
            "step": node.step,
            "token_ids": node.token_ids,
            "text": node.text,
            "logprob": node.logprob,
            "max_surprisal": node.max_surprisal,
            "score": tree.scores.get(node.id),
            "cut_score": tree.cut_scores.get(node.id),
            "finish": node.finish,
            "model_version": node.model_version,
            "visits": stats.visits,
            "trials": stats.trials,
            "passes": stats.passes,
        }
        for node, stats in zip(tree.nodes, tree.stats, strict=True)
    ]


def read_traces(path: Path) -> Iterator[Trace]:
    """The traces of one file of this view, in order, a few in memory at a time.

    Raises OSError, and ValueError or KeyError for a file that is none of this view.
    """
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_READ_ROWS):
            yield from map(read_trace, batch.to_pylist())


def read_trace(row: Mapping[str, Any]) -> Trace:
    """The trace that a row was made of, all but the verdicts' seconds, which no row has.

    Raises ValueError or KeyError for a row that is none of this view.
    """
    tree = _read_tree(row)
    return Trace(
        problem=_read_problem(row),
        seed=row["seed"],
        tree=tree,
        trajectories=trajectories(tree),
        decisions=tuple(
            Decision(
                leaf=t["leaf"],
                stage=None if t["kept"] else _read_stage(t),
                reason=t["decision"],
                score=t.get("decision_score"),
                p_correct=t.get("p_correct"),
            )
            for t in row["trajectories"]
        ),
        errors=tuple(row["errors"]),
        message_matches={
            t["leaf"]: MessageMatch(t["messages_match"])
            for t in row["trajectories"]
            if t.get("messages_match") is not None
        },
        # Files of earlier versions lack these, and all scores.
        warnings=tuple(row.get("warnings") or ()),
        scored_by=tuple(row.get("scored_by") or ()),
    )


def problem_text(row: Mapping[str, Any]) -> str:
    """The problem's raw text; in files of earlier versions it is in the column `prompt`."""
    text: str = row["problem"] if "problem" in row else row["prompt"]
    return text


def _read_problem(row: Mapping[str, Any]) -> Problem:
    return Problem(
        id=row["problem_id"],
        domain=row["domain"],
        prompt=problem_text(row),
        target=Target(
            kind=row["target_kind"],
            value=row["target_value"],
            tests=json.loads(row["target_tests"]),
        ),
        source=row["source"],
        split=row["split"],
        meta=json.loads(row["meta"]),
        source_id=row.get("source_id"),
    )


def _read_stage(trajectory: Mapping[str, Any]) -> Stage:
    """Earlier versions had one stage, `unverified`, for all that no verifier passed."""
    stage, reason = trajectory["decided_by"], trajectory["decision"]
    if stage != "unverified":
        return Stage(_RENAMED.get(stage, stage))
    if trajectory["status"] == Status.ERROR:
        return Stage.ENGINE_ERROR
    return Stage(_UNVERIFIED.get(reason, reason))


def _read_chat(row: Mapping[str, Any]) -> Chat | None:
    """None where the turns are unknown, as in files of earlier versions."""
    if row.get("prompt_opening") is None:
        return None
    messages = tuple(Message(role=turn["role"], content=turn["content"]) for turn in row["prompt"])
    return Chat(messages=messages, opening=row["prompt_opening"])


def _read_tree(row: Mapping[str, Any]) -> Tree:
    nodes = [_read_node(node) for node in row["nodes"]]
    verdicts = {t["leaf"]: _read_verdict(t) for t in row["trajectories"] if t["outcome"] is not None}
    return Tree.restore(
        nodes,
        _read_stats(row["nodes"], nodes),
        verdicts,
        _known(row["nodes"], "id", "score"),
        row["seed"],
        outcome_scores=_known(row["trajectories"], "leaf", "score"),
        cut_scores=_known(row["nodes"], "id", "cut_score"),
        chat=_read_chat(row),
    )


def _known(rows: Sequence[Mapping[str, Any]], key: str, column: str) -> dict[int, float]:
    """Key -> the column's value, where there is one."""
    return {row[key]: row[column] for row in rows if row.get(column) is not None}


def _read_node(node: Mapping[str, Any]) -> Node:
    return Node(
        id=node["id"],
        parent=node["parent"],
        slot=node["slot"],
        step=node["step"],
        token_ids=tuple(node["token_ids"]),
        text=node["text"],
        logprob=node["logprob"],
        max_surprisal=node.get("max_surprisal"),  # which files of earlier versions lack
        finish=None if node["finish"] is None else Finish(node["finish"]),
        model_version=node["model_version"],
    )


def _read_stats(rows: Sequence[Mapping[str, Any]], nodes: Sequence[Node]) -> list[Stats]:
    """The stored counts, and of the rollouts that were cut off those that the nodes tell."""
    truncated = [int(node.finish is Finish.LENGTH) for node in nodes]
    for node in reversed(nodes):
        if node.parent is not None:
            truncated[node.parent] += truncated[node.id]
    return [
        Stats(visits=row["visits"], trials=row["trials"], passes=row["passes"], truncated=count)
        for row, count in zip(rows, truncated, strict=True)
    ]


def _read_no_answer(trajectory: Mapping[str, Any]) -> bool:
    """Earlier versions said it in the reason alone, behind the name of a verifier's part."""
    if trajectory.get("no_answer") is not None:
        return bool(trajectory["no_answer"])
    reason = trajectory["reason"] or ""
    return trajectory["outcome"] == Outcome.ABSTAIN and _NO_ANSWER.search(reason) is not None


def _read_verdict(trajectory: Mapping[str, Any]) -> Verdict:
    return Verdict(
        outcome=Outcome(trajectory["outcome"]),
        reason=trajectory["reason"],
        extracted=trajectory["extracted"],
        no_answer=_read_no_answer(trajectory),
        evidence=json.loads(trajectory["evidence"]),
        verifier=trajectory["verifier"],
        version=trajectory["verifier_version"],
    )
