"""The output of `berry show OUT PROBLEM_ID`: a problem's tree in the terminal.

A large tree is folded to the best path: at each of its branches, the others are one line with their
number and results.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.tree import Tree as RichTree

from pipeline.config import read_labels
from pipeline.datasets.reader import RunReader
from pipeline.datasets.views.trees import problem_text, read_trace
from pipeline.inspection.terminal_report import preview
from pipeline.labels.majority import VOTE
from pipeline.labels.step_labels import LabelConfig, TrajectoryLabels, label_tree
from pipeline.tree import Finish

_MOST_NODES = 60
"""A larger tree is folded."""


def problem_tree(reader: RunReader, problem_id: str, *, whole: bool = False) -> RichTree:
    """Draws one problem's tree, folded if it is large unless the `whole` is wanted.

    Raises FolderError for an id that is not in the run.
    """
    row = reader.find(problem_id)
    config = read_labels(reader.folder.run["config"])
    return _draw(row, config, is_folded=not whole and len(row["nodes"]) > _MOST_NODES)


def _draw(row: dict[str, Any], config: LabelConfig, *, is_folded: bool) -> RichTree:
    drawn = RichTree(
        f"[bold]{escape(problem_text(row))}[/bold]\n"
        f"gold: {escape(str(row['target_value']))}   id: {row['problem_id']}{_source_id(row)}"
    )
    for error in row["errors"]:
        drawn.add(f"[red]error: {escape(error)}[/red]")
    for warning in row.get("warnings") or ():
        drawn.add(f"[yellow]warning: {escape(warning)}[/yellow]")
    trajectories = {trajectory["leaf"]: trajectory for trajectory in row["trajectories"]}
    labels = {labelled.leaf: labelled for labelled in label_tree(read_trace(row).tree, config)}
    shown = set(best_path(row)) if is_folded else {node["id"] for node in row["nodes"]}
    branches = {0: drawn}
    for node in row["nodes"][1:]:
        if node["id"] in shown:
            label = f"{_counts(node)} {escape(preview(node['text']))}"
            if node["id"] in trajectories:
                label += f"\n{_ending(trajectories[node['id']], labels[node['id']])}"
            branches[node["id"]] = branches[node["parent"]].add(label)
    for parent, branch in branches.items():
        others = [n for n in row["nodes"][1:] if n["parent"] == parent and n["id"] not in shown]
        if others:
            branch.add(f"[dim]{_others(others)}[/dim]")
    if is_folded:
        num_hidden = len(row["nodes"]) - len(shown)
        drawn.add(f"[dim]{num_hidden} nodes are folded; --all shows them, --path LEAF a response[/dim]")
    return drawn


def best_path(row: Mapping[str, Any]) -> list[int]:
    """The nodes of the best response, root first: a survivor if there is one, most surely right, then a
    pass."""
    best = max(row["trajectories"], key=_merit, default=None)
    parents = {node["id"]: node["parent"] for node in row["nodes"]}
    path = [0 if best is None else best["leaf"]]
    while (parent := parents[path[-1]]) is not None:
        path.append(parent)
    return path[::-1]


def _merit(trajectory: dict[str, Any]) -> tuple[bool, float, bool, float]:
    # Missing in files of earlier versions.
    probability, score = trajectory.get("p_correct"), trajectory.get("score")
    return trajectory["kept"], probability or 0.0, trajectory["outcome"] == "pass", score or 0.0


def _others(nodes: Sequence[dict[str, Any]]) -> str:
    """The branches that are not shown, with what came of them."""
    passes, trials = (sum(node[key] for node in nodes) for key in ("passes", "trials"))
    return f"{len(nodes)} {'other' if len(nodes) == 1 else 'others'}: {passes} of {trials} passed"


def _source_id(row: dict[str, Any]) -> str:
    found = row.get("source_id")  # missing in files of earlier versions
    return "" if found is None else f"   source_id: {escape(found)}"


def _counts(node: dict[str, Any]) -> str:
    value = node.get("score")  # missing in files of earlier versions
    score = "" if value is None else f" [magenta]{value:.2f}[/magenta]"
    seen = " [yellow](continued as a check)[/yellow]" if is_explored(node) else ""
    return f"[cyan]{node['passes']}/{node['trials']}[/cyan]{score}{seen}"


def is_explored(node: dict[str, Any]) -> bool:
    """Whether the rollout went on here although its score would have ended it."""
    return node.get("cut_score") is not None and node["finish"] != Finish.PRUNED


def _ending(trajectory: dict[str, Any], labels: TrajectoryLabels) -> str:
    outcome = trajectory["outcome"] or trajectory["status"]
    colour = {"pass": "green", "fail": "red"}.get(outcome, "yellow")
    answer = "" if trajectory["extracted"] is None else f" {escape(trajectory['extracted'])}"
    if trajectory.get("score") is not None:
        answer += f" [magenta]{trajectory['score']:.2f}[/magenta]"
    fate = _kept(trajectory) if trajectory["kept"] else f"dropped: {escape(trajectory['decision'])}"
    is_voted = trajectory["verifier"] == VOTE and outcome in ("pass", "fail")
    vote = " by majority vote" if is_voted else ""
    reason = f": {escape(trajectory['reason'])}" if trajectory["reason"] else ""
    ending = f"[{colour}]{outcome}[/{colour}]{answer}{vote}{reason}"
    return f"{ending} [dim]({fate}{mistake(labels)}; leaf {trajectory['leaf']})[/dim]"


def _kept(trajectory: dict[str, Any]) -> str:
    # Missing in files of earlier versions.
    probability = trajectory.get("p_correct")
    return "kept" if probability is None else f"kept; all steps right: {probability:.0%}"


def mistake(labels: TrajectoryLabels) -> str:
    """The trajectory's first wrong step, counted from 1, as the end of a sentence; "" if unknown."""
    if labels.first_error is None:
        return ""
    before = labels.steps[labels.first_error - 1].p_correct if labels.first_error else 1.0
    right = labels.steps[labels.first_error].p_correct
    probability = "" if before is None or right is None else f" ({before - right:.0%})"
    return f"; wrong from step {labels.first_error + 1} of {len(labels.steps)}{probability}"
