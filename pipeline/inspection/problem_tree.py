"""The output of `berry show OUT PROBLEM_ID`: a problem's tree in the terminal.

A large tree is folded to the best path: at each of its branches, the others are one line with their
number and results.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.text import Text
from rich.tree import Tree as RichTree

from pipeline.config import read_labels
from pipeline.datasets.reader import RunReader
from pipeline.datasets.views.trees import problem_text, read_trace
from pipeline.inspection.plain_text import visible
from pipeline.inspection.terminal_report import preview
from pipeline.labels.majority import VOTE
from pipeline.labels.step_labels import (
    LabelConfig,
    TrajectoryLabels,
    credible_interval,
    label_tree,
)
from pipeline.tree import ROOT, Finish

_MOST_NODES = 60
"""A larger tree is folded."""
_DEEPEST = 10
"""Levels of branches; deeper ones are drawn at this one."""
_PREVIEW, _LONGEST_STEP = 40, 400
"""Most characters of a step that is named, and of one that is shown."""
_LEGEND = "1/3 4-82%: 1 of 3 judged rollouts through the step passed; 95% interval"
MASS = 0.95
"""Probability mass of the intervals of values."""


def problem_tree(reader: RunReader, problem_id: str, *, whole: bool = False) -> RichTree:
    """Draws one problem's tree, folded if it is large unless the `whole` is wanted.

    Raises FolderError for an id that is not in the run.
    """
    row = reader.find(problem_id)
    config = read_labels(reader.folder.run["config"])
    return _Drawing(row, config, is_folded=not whole and len(row["nodes"]) > _MOST_NODES).draw()


class _Drawing:
    """One tree on its way to the terminal.

    Steps without a branch between them stand below each other at one level: with a level for each, a
    long response would leave the screen.
    """

    def __init__(self, row: dict[str, Any], config: LabelConfig, *, is_folded: bool) -> None:
        self._row, self._is_folded = row, is_folded
        self._nodes = {node["id"]: node for node in row["nodes"]}
        self._children: dict[int, list[dict[str, Any]]] = {}
        for node in row["nodes"][1:]:
            self._children.setdefault(node["parent"], []).append(node)
        self._trajectories = {one["leaf"]: one for one in row["trajectories"]}
        self._labels = {one.leaf: one for one in label_tree(read_trace(row).tree, config)}
        self._shown = set(best_path(row)) if is_folded else self._nodes.keys()

    def draw(self) -> RichTree:
        """The tree under its problem."""
        row = self._row
        about = f"gold: {row['target_value']}   id: {row['problem_id']}{_source_id(row)}"
        results = f"{_results(row['trajectories'])}\n{_LEGEND}"
        drawn = RichTree(_text((problem_text(row), "bold"), f"\n{about}\n{results}"))
        for error in row["errors"]:
            drawn.add(_text((f"error: {error}", "red")))
        for warning in row.get("warnings") or ():
            drawn.add(_text((f"warning: {warning}", "yellow")))
        # Node, where its branches are drawn, and their level.
        stack: list[tuple[int, RichTree, int]] = [(ROOT, drawn, 0)]
        while stack:
            at, above, level = stack.pop()
            shown, hidden = self._branches(at)
            for child in shown:
                lines, end = self._chain(child)
                if level == _DEEPEST:
                    # Deeper ones would have no room.
                    start = preview(self._nodes[at]["text"], _PREVIEW)
                    lines.insert(0, _line((f"after {start!r}:", "dim")))
                branch = above.add(Group(*lines))
                stack.append((end, above, level) if level == _DEEPEST else (end, branch, level + 1))
            if hidden:
                above.add(_line((_others(hidden), "dim")))
        if self._is_folded:
            num_hidden = len(self._nodes) - len(self._shown)
            how = "--all shows them, --path LEAF a response"
            drawn.add(_text((f"{num_hidden} nodes are folded; {how}", "dim")))
        return drawn

    def _chain(self, at: int) -> tuple[list[Text], int]:
        """The lines of a node and of those after it, up to the next branches, and the last node."""
        lines: list[Text] = []
        while True:
            lines.append(_step(self._nodes[at]))
            if at in self._trajectories:
                lines.append(_ending(self._trajectories[at], self._labels[at]))
            shown, hidden = self._branches(at)
            if len(shown) != 1:
                return lines, at
            if hidden:
                lines.append(_line((f"    {_others(hidden)}", "dim")))
            at = shown[0]

    def _branches(self, at: int) -> tuple[list[int], list[dict[str, Any]]]:
        """The nodes after a node: those that are shown, and the others."""
        children = self._children.get(at, [])
        shown = [one["id"] for one in children if one["id"] in self._shown]
        return shown, [one for one in children if one["id"] not in self._shown]


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


def _results(trajectories: Sequence[dict[str, Any]]) -> str:
    """How many responses there are, and what became of them."""
    passed = sum(one["outcome"] == "pass" for one in trajectories)
    kept = sum(one["kept"] for one in trajectories)
    num = len(trajectories)
    return f"{num} response{'' if num == 1 else 's'}: {passed} passed, {kept} kept"


def _source_id(row: dict[str, Any]) -> str:
    found = row.get("source_id")  # missing in files of earlier versions
    return "" if found is None else f"   source_id: {found}"


def _step(node: dict[str, Any]) -> Text:
    """A step in one line: how many of the judged rollouts through it passed, the 95% interval of its
    value, its score, and its text."""
    parts: list[str | tuple[str, str]] = [(f"{node['passes']}/{node['trials']}", "cyan")]
    if node["trials"]:
        found = credible_interval(node["passes"], node["trials"], MASS)
        parts.append((f" {100 * found.low:.0f}-{100 * found.high:.0f}%", "dim"))
    if (score := node.get("score")) is not None:  # missing in files of earlier versions
        parts.append((f" {score:.2f}", "magenta"))
    if is_explored(node):
        parts.append((" (continued as a check)", "yellow"))
    return _line(*parts, f" {preview(node['text'], _LONGEST_STEP)}")


def is_explored(node: dict[str, Any]) -> bool:
    """Whether the rollout went on here although its score would have ended it."""
    return node.get("cut_score") is not None and node["finish"] != Finish.PRUNED


def _ending(trajectory: dict[str, Any], labels: TrajectoryLabels) -> Text:
    outcome = trajectory["outcome"] or trajectory["status"]
    parts: list[str | tuple[str, str]] = [
        ("    ", ""),
        (outcome, {"pass": "green", "fail": "red"}.get(outcome, "yellow")),
    ]
    if trajectory["extracted"] is not None:
        parts.append(f" {preview(trajectory['extracted'])}")
    if trajectory.get("score") is not None:
        parts.append((f" {trajectory['score']:.2f}", "magenta"))
    if trajectory["verifier"] == VOTE and outcome in ("pass", "fail"):
        parts.append(" by majority vote")
    if trajectory["reason"]:
        parts.append(f": {preview(trajectory['reason'])}")
    # Nothing of an unfinished problem was decided.
    decision = trajectory["decision"] or "no decision"
    fate = _kept(trajectory) if trajectory["kept"] else f"dropped: {preview(decision)}"
    return _text(*parts, (f" ({fate}{mistake(labels)}; leaf {trajectory['leaf']})", "dim"))


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


def _text(*parts: str | tuple[str, str]) -> Text:
    """Text with its styles; whatever is in it, a terminal shows it and obeys none of it."""
    return Text.assemble(
        *((visible(one), "") if isinstance(one, str) else (visible(one[0]), one[1]) for one in parts)
    )


def _line(*parts: str | tuple[str, str]) -> Text:
    """The same in one line, cut at the edge of the screen."""
    found = _text(*parts)
    found.no_wrap, found.overflow = True, "ellipsis"
    return found
