"""The sample problems as lines of text with bounded lengths, for the page.

A large tree is folded to its best path, as `berry show` folds it; that of a doubtful problem to its
most doubtful survivor.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.datasets.folder import FolderError
from pipeline.datasets.reader import RunReader
from pipeline.datasets.views.trees import problem_text, read_trace
from pipeline.inspection.problem_tree import best_path, is_explored, mistake
from pipeline.inspection.report.choice import Choice, Kind
from pipeline.labels.step_labels import LabelConfig, StepLabel, TrajectoryLabels, label_tree

_MOST_LINES = 60
"""A tree with more nodes is folded."""
_MOST_OF_PATH = 40
"""Lines of a folded path; the middle of a longer one is left out."""
_MOST_LABELLED = 5000
"""Nodes of a tree that is labelled; it takes a millisecond for each response."""
_DEEPEST = 8
"""Most levels of indentation."""
_PROMPT, _STEP, _SHORT = 1500, 300, 160
"""Most characters of a prompt, of a step, and of a reason or an answer."""
_MOST_TEXTS = 3
"""Errors and warnings of a problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a response ended."""

    outcome: str
    """The verdict's outcome, or the status of a response without one."""
    answer: str | None
    reason: str
    kept: bool
    fate: str
    """Why it was dropped, or how probably all steps of a survivor are right, and its first mistake."""
    score: float | None
    leaf: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One step, or a note about steps that are not shown."""

    indent: int
    begins: bool
    """Whether a branch begins here."""
    text: str
    node: int | None
    """None for a note."""
    passes: int = 0
    trials: int = 0
    label: StepLabel | None = None
    score: float | None = None
    checked: bool = False
    """Whether the rollout went on as a check although its score would have ended it."""
    ending: Ending | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A problem with its tree."""

    kind: Kind
    problem_id: str
    source_id: str | None
    prompt: str
    gold: str | None
    notes: tuple[str, ...]
    """Errors and warnings."""
    num_nodes: int
    num_responses: int
    num_kept: int
    lines: tuple[Line, ...]


def read_samples(
    reader: RunReader, choice: Choice, config: LabelConfig, damage: list[str]
) -> list[Sample]:
    """The chosen problems, by kind; those of a part that cannot be read are left out, and what is wrong
    with it is added to `damage`. Raises StorageError."""
    chosen = choice.chosen()
    places: dict[int, dict[int, Kind]] = {}
    for kind, candidates in chosen.items():
        for one in candidates:
            places.setdefault(one.part, {})[one.place] = kind
    found = {}
    for part, kinds in places.items():
        try:
            for place, row in zip(sorted(kinds), reader.trees_at(part, set(kinds)), strict=True):
                found[part, place] = _sample(row, kinds[place], config)
        except FolderError as e:
            damage.append(str(e))
    places_in_order = [(one.part, one.place) for of_kind in chosen.values() for one in of_kind]
    return [found[place] for place in places_in_order if place in found]


def _sample(row: Mapping[str, Any], kind: Kind, config: LabelConfig) -> Sample:
    nodes = row["nodes"]
    notes = [f"error: {one}" for one in row["errors"][:_MOST_TEXTS]]
    notes += [f"warning: {one}" for one in (row.get("warnings") or ())[:_MOST_TEXTS]]
    gold, source_id = row["target_value"], row.get("source_id")
    return Sample(
        kind=kind,
        problem_id=_cut(row["problem_id"], _SHORT),
        source_id=None if source_id is None else _cut(source_id, _SHORT),
        prompt=_cut(problem_text(row), _PROMPT),
        gold=None if gold is None else _cut(gold, _STEP),
        notes=tuple(_cut(one, _STEP) for one in notes),
        num_nodes=len(nodes) - 1,
        num_responses=len(row["trajectories"]),
        num_kept=sum(bool(one["kept"]) for one in row["trajectories"]),
        lines=tuple(_Drawing(row, kind, config).lines()),
    )


class _Drawing:
    """One tree on its way to lines."""

    def __init__(self, row: Mapping[str, Any], kind: Kind, config: LabelConfig) -> None:
        self._nodes = {node["id"]: node for node in row["nodes"]}
        self._endings = {one["leaf"]: one for one in row["trajectories"]}
        self._children: dict[int, list[int]] = {}
        for node in row["nodes"][1:]:
            self._children.setdefault(node["parent"], []).append(node["id"])
        is_folded = len(self._nodes) > _MOST_LINES
        self._shown = self._path(row, kind) if is_folded else set(self._nodes)
        self._labels: dict[int, StepLabel] = {}
        self._responses: dict[int, TrajectoryLabels] = {}
        if len(self._nodes) <= _MOST_LABELLED:
            self._label(row, config)

    def lines(self) -> list[Line]:
        lines = list(self._walk())
        if len(lines) <= _MOST_LINES:
            return lines
        # Only a folded path can be longer: its beginning and its end say most.
        begin, end = lines[: _MOST_OF_PATH // 2], lines[-_MOST_OF_PATH // 2 :]
        left_out = sum(one.node is not None for one in lines) - sum(
            one.node is not None for one in (*begin, *end)
        )
        return [
            *begin,
            Line(indent=0, begins=False, text=f"{left_out} steps left out", node=None),
            *end,
        ]

    def _path(self, row: Mapping[str, Any], kind: Kind) -> set[int]:
        """The nodes of the response to which the tree is folded."""
        doubted = [
            (one["p_correct"], one["leaf"])
            for one in row["trajectories"]
            if kind is Kind.DOUBTFUL and one["kept"] and one.get("p_correct") is not None
        ]
        if not doubted:
            return set(best_path(row))
        path, at = {0}, min(doubted)[1]
        while at:
            path.add(at)
            at = self._nodes[at]["parent"]
        return path

    def _walk(self) -> Iterator[Line]:
        """Depth first; a chain of steps without branches stays at one level."""
        stack = [(0, 0)]
        while stack:
            at, indent = stack.pop()
            children = self._children.get(at, [])
            shown = [one for one in children if one in self._shown]
            if at:
                is_branch = len(self._children[self._nodes[at]["parent"]]) > 1
                yield self._line(at, indent, begins=is_branch)
            if hidden := [self._nodes[one] for one in children if one not in self._shown]:
                yield Line(
                    indent=min(_DEEPEST, indent + bool(at)),
                    begins=True,
                    text=_others(hidden),
                    node=None,
                )
            deeper = indent + (len(shown) > 1 and at != 0)
            stack += [(one, min(_DEEPEST, deeper)) for one in reversed(shown)]

    def _line(self, at: int, indent: int, *, begins: bool) -> Line:
        node = self._nodes[at]
        return Line(
            indent=indent,
            begins=begins,
            text=_cut(node["text"].strip("\n"), _STEP),
            node=at,
            passes=node["passes"],
            trials=node["trials"],
            label=self._labels.get(at),
            score=node.get("score"),  # missing in files of earlier versions
            checked=is_explored(node),
            ending=self._ending(self._endings[at]) if at in self._endings else None,
        )

    def _ending(self, one: Mapping[str, Any]) -> Ending:
        labels = self._responses.get(one["leaf"])
        wrong = "" if labels is None else mistake(labels)
        # Missing in files of earlier versions.
        probability = one.get("p_correct")
        if not one["kept"]:
            fate = f"dropped: {one['decision'] or 'no decision'}"
        else:
            fate = "kept" if probability is None else f"kept; all steps right: {probability:.0%}"
        answer = one["extracted"]
        return Ending(
            outcome=one["outcome"] or one["status"],
            answer=None if answer is None else _cut(answer, _SHORT),
            reason=_cut(one["reason"] or "", _SHORT),
            kept=bool(one["kept"]),
            fate=_cut(f"{fate}{wrong}", _SHORT),
            score=one.get("score"),
            leaf=one["leaf"],
        )

    def _label(self, row: Mapping[str, Any], config: LabelConfig) -> None:
        for labelled in label_tree(read_trace(row).tree, config):
            self._responses[labelled.leaf] = labelled
            at = labelled.leaf
            for label in reversed(labelled.steps):
                self._labels[at] = label
                at = self._nodes[at]["parent"]


def _others(nodes: Sequence[Mapping[str, Any]]) -> str:
    passes, trials = (sum(node[key] for node in nodes) for key in ("passes", "trials"))
    return f"{len(nodes)} {'other' if len(nodes) == 1 else 'others'}: {passes} of {trials} passed"


def _cut(text: object, most: int) -> str:
    found = str(text)
    return found if len(found) <= most else f"{found[: most - 3]}..."
