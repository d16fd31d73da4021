"""The view `trees`: one row for each problem with all its data, written and read back.

`read_trace` restores the trace of a row. Its tree is exact to the token, can be labelled and pruned by
other rules, and can be grown further. Writing a restored trace gives the original rows.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.chat import Chat, Message, MessageMatch
from pipeline.datasets.views.columns import PROBLEM, judged_columns, problem_columns, to_json
from pipeline.datasets.views.rules import ViewRules
from pipeline.datasets.views.view import View
from pipeline.records import Decision, Failure, Phase, Problem, Stage, Status, Trace, trajectories
from pipeline.tree import Finish, Node, Stats, Tree
from verifiers import Outcome, Target, Verdict

_READ_ROWS = 8
"""Rows in memory at a time; a tree takes much more memory as Python values than on disk."""
_RENAMED = {"branch": Stage.PRUNED}
_UNVERIFIED = {
    "fail": Stage.FAILED,
    "abstain": Stage.ABSTAINED,
    "error": Stage.VERIFIER_ERROR,
    "not judged": Stage.NOT_JUDGED,
    "majority vote only": Stage.MAJORITY_ONLY,
}
"""Reasons of the stage `unverified` in data of earlier versions."""
_NO_ANSWER = re.compile(
    r"(?:the response (?:states no (?:answer|letter)|gives no (?:code|proof)|has no JSON|is empty)"
    r"|the answer repeats the question|the answer is not worked out: .*"
    r"|equal, but the question asks for .*|the response names [A-Z] and .*)$",
    re.DOTALL,
)
"""Reasons by which abstentions of earlier versions said that a response has no answer."""
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
        ("logprobs", pa.list_(pa.float32())),
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
_FAILURE = pa.struct([("phase", pa.string()), ("type", pa.string()), ("message", pa.string())])
_SCHEMA = pa.schema(
    [
        *PROBLEM,
        ("prompt_opening", pa.string()),
        ("target_tests", pa.string()),
        ("seed", pa.int64()),
        ("nodes", pa.list_(_NODE)),
        ("trajectories", pa.list_(_TRAJECTORY)),
        ("errors", pa.list_(pa.string())),
        ("failures", pa.list_(_FAILURE)),
        ("warnings", pa.list_(pa.string())),
        ("scored_by", pa.list_(pa.string())),
    ]
)


def tree_rows(trace: Trace, rules: ViewRules) -> list[dict[str, object]]:
    """The row of a trace, as a list."""
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
        "errors": list(map(str, trace.failures)),
        "failures": [asdict(failure) for failure in trace.failures],
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
            "logprobs": node.logprobs,
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
    """Reads the traces of one file of this view in order, a few at a time.

    Raises OSError, and ValueError or KeyError for a file of another view.
    """
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_READ_ROWS):
            yield from map(read_trace, batch.to_pylist())


def read_trace(row: Mapping[str, Any]) -> Trace:
    """Restores the trace of a row, without the verdicts' seconds, which rows do not have.

    Raises ValueError or KeyError for a row of another view.
    """
    tree = _read_tree(row)
    return Trace(
        problem=read_problem(row),
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
        failures=tuple(_read_failures(row)),
        message_matches={
            t["leaf"]: MessageMatch(t["messages_match"])
            for t in row["trajectories"]
            if t.get("messages_match") is not None
        },
        # Files of earlier versions lack these columns and all scores.
        warnings=tuple(row.get("warnings") or ()),
        scored_by=tuple(row.get("scored_by") or ()),
    )


def _read_failures(row: Mapping[str, Any]) -> Iterator[Failure]:
    """Files of earlier versions have the text alone."""
    if row.get("failures") is None:
        for text in row["errors"]:
            yield Failure(phase=Phase.UNKNOWN, type="", message=text)
        return
    for one in row["failures"]:
        yield Failure(phase=Phase(one["phase"]), type=one["type"], message=one["message"])


def problem_text(row: Mapping[str, Any]) -> str:
    """The problem's raw text; files of earlier versions have it in the column `prompt`."""
    text: str = row["problem"] if "problem" in row else row["prompt"]
    return text


def read_problem(row: Mapping[str, Any]) -> Problem:
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
    """The stage; earlier versions had the single stage `unverified` for several of them."""
    stage, reason = trajectory["decided_by"], trajectory["decision"]
    if stage != "unverified":
        return Stage(_RENAMED.get(stage, stage))
    if trajectory["status"] == Status.ERROR:
        return Stage.ENGINE_ERROR
    return Stage(_UNVERIFIED.get(reason, reason))


def _read_chat(row: Mapping[str, Any]) -> Chat | None:
    """The chat; None if the turns are unknown, as in files of earlier versions."""
    if row.get("prompt_opening") is None:
        return None
    messages = tuple(Message(role=turn["role"], content=turn["content"]) for turn in row["prompt"])
    return Chat(messages=messages, opening=row["prompt_opening"])


def _read_tree(row: Mapping[str, Any]) -> Tree:
    nodes = [_read_node(node) for node in row["nodes"]]
    verdicts = {t["leaf"]: _read_verdict(t) for t in row["trajectories"] if t["outcome"] is not None}
    tree = Tree.restore(
        nodes,
        _read_stats(row["nodes"], nodes),
        verdicts,
        _known(row["nodes"], "id", "score"),
        row["seed"],
        outcome_scores=_known(row["trajectories"], "leaf", "score"),
        cut_scores=_known(row["nodes"], "id", "cut_score"),
        chat=_read_chat(row),
    )
    tree.scored_by, tree.warnings = set(row.get("scored_by") or ()), set(row.get("warnings") or ())
    return tree


def _known(rows: Sequence[Mapping[str, Any]], key: str, column: str) -> dict[int, float]:
    """Key -> the column's value, without missing values."""
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
        # Missing in files of earlier versions.
        max_surprisal=node.get("max_surprisal"),
        logprobs=None if node.get("logprobs") is None else tuple(node["logprobs"]),
        finish=None if node["finish"] is None else Finish(node["finish"]),
        model_version=node["model_version"],
    )


def _read_stats(rows: Sequence[Mapping[str, Any]], nodes: Sequence[Node]) -> list[Stats]:
    """The stored counts, with truncated rollouts counted from the nodes."""
    truncated = [int(node.finish is Finish.LENGTH) for node in nodes]
    for node in reversed(nodes):
        if node.parent is not None:
            truncated[node.parent] += truncated[node.id]
    return [
        Stats(visits=row["visits"], trials=row["trials"], passes=row["passes"], truncated=count)
        for row, count in zip(rows, truncated, strict=True)
    ]


def _read_no_answer(trajectory: Mapping[str, Any]) -> bool:
    """Whether the response has no answer; earlier versions only said so in the reason."""
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


TREES = View(
    name="trees",
    about="everything: one row for each problem, with every node, verdict and decision",
    schema=_SCHEMA,
    rows=tree_rows,
)
