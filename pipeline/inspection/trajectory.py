"""The output of `berry show OUT PROBLEM_ID --path LEAF` and `--why LEAF`.

`path_text` is a whole response, step by step; `why_lines` everything that decided about it, in order.
"""

import json
from collections.abc import Iterator
from typing import Any

from pipeline.config import read_labels
from pipeline.datasets.folder import FolderError
from pipeline.datasets.reader import RunReader
from pipeline.datasets.views.trees import problem_text, read_trace
from pipeline.labels.majority import is_vote
from pipeline.labels.step_labels import StepLabel, TrajectoryLabels, label_tree
from pipeline.records import Decision, Status, Trace, Trajectory
from pipeline.tree import ROOT, Node

_STATUS = {
    Status.COMPLETED: "the model ended it",
    Status.UNFINISHED: "it paused after a step, and the search went on elsewhere",
    Status.PRUNED: "a reward model's score ended it",
    Status.TRUNCATED: "it reached the token limit",
    Status.ERROR: "the engine aborted it",
}


class Response:
    """A response of the run, with all that is stored about it."""

    def __init__(self, row: dict[str, Any], trace: Trace, leaf: int, labels: TrajectoryLabels) -> None:
        self.row, self.trace, self.labels = row, trace, labels
        self.trajectory = next(one for one in trace.trajectories if one.leaf == leaf)
        self.decision = next((one for one in trace.decisions if one.leaf == leaf), None)
        self.path: list[Node] = trace.tree.path(leaf)[1:]


def find_response(reader: RunReader, problem_id: str, leaf: int) -> Response:
    """A response by its problem and its leaf.

    Raises FolderError for an id that is not in the run, or a node that ends no response.
    """
    row = reader.find(problem_id)
    trace = read_trace(row)
    leaves = [one.leaf for one in trace.trajectories]
    if leaf not in leaves:
        some = ", ".join(map(str, leaves[:20])) + (", ..." if len(leaves) > 20 else "")
        raise FolderError(
            f"{reader.folder.path}: expected the leaf of a response to problem {row['problem_id']}, "
            f"one of {some}, got {leaf}"
        )
    labelled = label_tree(trace.tree, read_labels(reader.folder.run["config"]))
    return Response(row, trace, leaf, next(one for one in labelled if one.leaf == leaf))


def path_text(response: Response) -> str:
    """The problem, and the response with a line before each step."""
    lines = [problem_text(response.row), ""]
    for number, (node, label) in enumerate(zip(response.path, response.labels.steps, strict=True), 1):
        first = response.labels.first_error == number - 1
        wrong = "   <- the first wrong step, judging from rollouts" if first else ""
        lines += [
            f"--- step {number}, node {node.id}: {_step(response, node, label)}{wrong}",
            node.text,
        ]
    return "\n".join([*lines, "---", *why_lines(response)])


def _step(response: Response, node: Node, label: StepLabel) -> str:
    facts = [f"{len(node.token_ids)} tokens"]
    if node.logprob is not None:
        facts.append(f"log-probability {node.logprob:.2f}")
    facts.append(f"{label.passes} of {label.trials} rollouts through it passed")
    if label.interval is not None:
        facts.append(
            f"{label.started_passes} of {label.started_trials} that start at its end "
            f"(interval {label.interval.low:.0%} to {label.interval.high:.0%})"
        )
    if label.p_correct is not None:
        facts.append(f"all right up to here: {label.p_correct:.0%}")
    if (score := response.trace.tree.scores.get(node.id)) is not None:
        facts.append(f"score {score:.2f}")
    return ", ".join(facts)


def why_lines(response: Response) -> Iterator[str]:
    """What decided about the response, in order, a line each."""
    trajectory, tree = response.trajectory, response.trace.tree
    own = tree.rollout(trajectory.leaf)
    start = own[0].parent
    where = "the prompt" if start == ROOT else f"node {start} (step {tree.nodes[start or 0].step})"
    tokens = f"{trajectory.num_tokens} tokens in all"
    yield f"{'sampled':<10} by {own[0].model_version} from {where}, {tokens}"
    yield f"{'ended':<10} {trajectory.status}: {_STATUS[trajectory.status]}"
    if trajectory.cut_score is not None:
        yield f"{'cut':<10} score {trajectory.cut_score:.3f} at node {trajectory.leaf}"
    yield from _verdict(trajectory)
    if trajectory.score is not None:
        yield f"{'scored':<10} {trajectory.score:.3f} by an outcome reward model"
    yield from _labels(response.labels)
    yield from _decision(response.decision)
    if (match := response.trace.message_matches.get(trajectory.leaf)) is not None:
        yield f"{'messages':<10} {match}"


def _verdict(trajectory: Trajectory) -> Iterator[str]:
    verdict = trajectory.verdict
    if verdict is None:
        yield f"{'judged':<10} not: only complete responses are"
        return
    by = "a majority vote" if is_vote(verdict) else f"{verdict.verifier} {verdict.version}"
    answer = "" if verdict.extracted is None else f", answer {verdict.extracted}"
    yield f"{'judged':<10} {verdict.outcome} by {by}{answer}: {verdict.reason}"
    if verdict.evidence:
        evidence = json.dumps(dict(verdict.evidence), ensure_ascii=False, default=str)
        yield f"{'evidence':<10} {evidence}"


def _labels(labels: TrajectoryLabels) -> Iterator[str]:
    last = labels.steps[-1].p_correct
    if last is not None:
        yield f"{'labelled':<10} all steps are right with a probability of {last:.1%}"
    if labels.first_error is not None:
        yield f"{'mistake':<10} step {labels.first_error + 1} is probably the first wrong one"


def _decision(decision: Decision | None) -> Iterator[str]:
    if decision is None:
        yield f"{'decided':<10} nothing: the problem was not pruned"
    elif decision.kept:
        yield f"{'kept':<10} {decision.reason}"
    else:
        score = "" if decision.score is None else f" (score {decision.score:.3f})"
        yield f"{'dropped':<10} by {decision.stage}: {decision.reason}{score}"


def response_facts(response: Response) -> dict[str, Any]:
    """The same as JSON values."""
    trajectory, decision = response.trajectory, response.decision
    verdict, tree = trajectory.verdict, response.trace.tree
    return {
        "problem_id": response.row["problem_id"],
        "leaf": trajectory.leaf,
        "response": trajectory.response,
        "status": trajectory.status.value,
        "num_tokens": trajectory.num_tokens,
        "started_at": tree.rollout(trajectory.leaf)[0].parent,
        "model_version": response.path[-1].model_version,
        "steps": [
            {
                "node": node.id,
                "text": node.text,
                "num_tokens": len(node.token_ids),
                "logprob": node.logprob,
                "passes": label.passes,
                "trials": label.trials,
                "started_passes": label.started_passes,
                "started_trials": label.started_trials,
                "p_correct": label.p_correct,
                "score": tree.scores.get(node.id),
            }
            for node, label in zip(response.path, response.labels.steps, strict=True)
        ],
        "first_error": response.labels.first_error,
        "verdict": None
        if verdict is None
        else {
            "outcome": verdict.outcome.value,
            "reason": verdict.reason,
            "extracted": verdict.extracted,
            "verifier": verdict.verifier,
            "version": verdict.version,
            "evidence": dict(verdict.evidence),
        },
        "score": trajectory.score,
        "cut_score": trajectory.cut_score,
        "kept": decision is not None and decision.kept,
        "decided_by": decision and decision.stage,
        "decision": decision and decision.reason,
    }
