"""What the report counts over trees: a part at a time, so that memory does not grow with the run.

Every count is of distinct small values, such as depths, lengths and pairs of trials and passes.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from pipeline.datasets.counts import PASS_RATES
from pipeline.evaluation.design import Design
from pipeline.inspection.report.trees.flat_trees import (
    UNKNOWN,
    Bools,
    FlatTrees,
    Ints,
    floats,
    is_value,
)
from pipeline.inspection.report.trees.scores import ScoreTally
from pipeline.records import Status
from pipeline.tree import Finish

Fate = Literal["kept", "passed, dropped", "not passed", "truncated"]
FATES: tuple[Fate, ...] = ("kept", "passed, dropped", "not passed", "truncated")
CERTAINTIES = 10
"""Ranges of the probability that a survivor is right at every step."""


@dataclass(slots=True, kw_only=True)
class DepthTally:
    """What happened at one depth; depth 0 is the prompt."""

    steps: int = 0
    """Steps that end here and do not end a response."""
    labelled: int = 0
    """Those from whose end a judged rollout started."""
    rollouts: int = 0
    """Rollouts that started here."""
    judged: int = 0
    """Those that passed or failed."""
    passed: int = 0


@dataclass(slots=True, kw_only=True)
class TreeTally:
    """Counts over the trees of a run."""

    design: Design | None
    """Which rollouts are samples for pass@k; None if the strategy fixes no number."""
    truncated_fails: bool
    """Whether truncated rollouts count as failed trials of labels."""
    depths: dict[int, DepthTally] = field(default_factory=dict)
    labels: Counter[tuple[int, int, int]] = field(default_factory=Counter)
    """(Depth, trials, passes) -> steps with such a label."""
    samples: Counter[tuple[int, int]] = field(default_factory=Counter)
    """(Samples of known outcome, right ones) -> problems."""
    without_gold: int = 0
    """Problems that pass@k leaves out because they have no gold answer."""
    incomplete: int = 0
    """Problems that pass@k leaves out because samples are missing."""
    with_pass: int = 0
    """Problems with a response that passed."""
    effort: dict[str, Counter[str]] = field(default_factory=dict)
    """Range of the pass rate -> `problems`, `rollouts` and `kept`."""
    tokens: dict[str, Counter[int]] = field(default_factory=dict)
    """Fate -> length in tokens -> responses."""
    steps: dict[str, Counter[int]] = field(default_factory=dict)
    """Fate -> length in steps -> responses."""
    certainty: Counter[int] = field(default_factory=Counter)
    """Range of the probability that all steps are right, by its number -> survivors."""
    step_scores: ScoreTally = field(default_factory=ScoreTally)
    """Scores of process reward models against the rollouts that start at the scored steps."""
    final_scores: ScoreTally = field(default_factory=ScoreTally)
    """Scores of process reward models of whole responses against their outcomes."""
    response_scores: ScoreTally = field(default_factory=ScoreTally)
    """Scores of outcome reward models against the outcomes of the scored responses."""

    def add(self, trees: FlatTrees) -> None:
        """Adds the trees of a part."""
        self._add_depths(trees)
        self._add_samples(trees)
        self._add_effort(trees)
        self._add_responses(trees)

    def _add_depths(self, trees: FlatTrees) -> None:
        trials, passes, sees_all = started_trials(trees, truncated_fails=self.truncated_fails)
        begins = trees.begins
        origin = trees.step[trees.parent[begins]]
        outcome = trees.passed[trees.leaf[begins]]
        inner = (trees.parent >= 0) & (trees.leaf != np.arange(len(trees.leaf)))
        has_label = inner & sees_all & (trials > 0)
        for name, depths in (
            ("steps", trees.step[inner]),
            ("labelled", trees.step[has_label]),
            ("rollouts", origin),
            ("judged", origin[outcome != UNKNOWN]),
            ("passed", origin[outcome == 1]),
        ):
            for depth, number in _counted(depths):
                at = self.depths.setdefault(depth, DepthTally())
                setattr(at, name, getattr(at, name) + number)
        triples = np.stack([trees.step[has_label], trials[has_label], passes[has_label]], axis=1)
        found, numbers = np.unique(triples, axis=0, return_counts=True)
        for (depth, of, right), number in zip(found.tolist(), numbers.tolist(), strict=True):
            self.labels[depth, of, right] += number
        scores = floats(trees.nodes, "score")
        scored = has_label & ~np.isnan(scores)
        self.step_scores.add(scores[scored], trials[scored], passes[scored])

    def _add_samples(self, trees: FlatTrees) -> None:
        """As `Design.samples` and `labels.outcomes` of each tree."""
        if self.design is None:
            return
        num_problems = trees.problems.num_rows
        slot = np.asarray(trees.nodes["slot"].to_numpy())
        first = (trees.parent >= 0) & (trees.step == 1) & (slot < self.design.num_samples)
        leaves, rows = trees.leaf[first], trees.row[first]
        outcome = np.full(len(trees.leaf), UNKNOWN, np.int8)
        outcome[trees.response_leaf] = trees.right
        there = np.bincount(rows, minlength=num_problems)
        complete = there >= self.design.num_samples
        if self.design.cut_below is not None:
            cut = is_value(trees.nodes, "finish", Finish.LENGTH)
            length = np.full(len(trees.leaf), np.inf)
            length[trees.response_leaf] = floats(trees.responses, "num_tokens")
            is_cut = cut[leaves] & (length[leaves] < self.design.cut_below)
            complete &= np.bincount(rows[is_cut], minlength=num_problems) == 0
        self.without_gold += int((~trees.has_gold).sum())
        self.incomplete += int((trees.has_gold & ~complete).sum())
        known = np.bincount(rows[outcome[leaves] != UNKNOWN], minlength=num_problems)
        right = np.bincount(rows[outcome[leaves] == 1], minlength=num_problems)
        use = trees.has_gold & complete
        pairs, numbers = np.unique(
            np.stack([known[use], right[use]], axis=1), axis=0, return_counts=True
        )
        for (of, is_right), number in zip(pairs.tolist(), numbers.tolist(), strict=True):
            self.samples[of, is_right] += number

    def _add_effort(self, trees: FlatTrees) -> None:
        right, wrong = trees.per_problem(trees.right == 1), trees.per_problem(trees.right == 0)
        kept = trees.per_problem(_kept(trees))
        rollouts = trees.per_problem(np.ones(len(trees.response_row), bool))
        known = right + wrong
        place = 1 + np.minimum(4, 5 * right // np.maximum(known, 1))
        place = np.where(right == 0, 0, np.where(right == known, len(PASS_RATES) - 1, place))
        judged = trees.has_gold & (known > 0)
        for number, name in enumerate(PASS_RATES):
            chosen = judged & (place == number)
            if chosen.any():
                at = self.effort.setdefault(name, Counter())
                at["problems"] += int(chosen.sum())
                at["rollouts"] += int(rollouts[chosen].sum())
                at["kept"] += int(kept[chosen].sum())
        passed = trees.per_problem(trees.passed[trees.response_leaf] == 1)
        self.with_pass += int((passed > 0).sum())

    def _add_responses(self, trees: FlatTrees) -> None:
        tokens, steps = floats(trees.responses, "num_tokens"), trees.step[trees.response_leaf]
        for fate, chosen in _by_fate(trees):
            of_fate = tokens[chosen]
            _add(self.tokens, fate, of_fate[~np.isnan(of_fate)].astype(np.int64))
            _add(self.steps, fate, steps[chosen])
        certain = floats(trees.responses, "p_correct")[_kept(trees)]
        certain = certain[~np.isnan(certain)]
        places = np.minimum(CERTAINTIES - 1, (certain * CERTAINTIES).astype(np.int64))
        self.certainty.update(dict(_counted(places)))
        is_known = (trees.right != UNKNOWN) & is_value(trees.responses, "status", Status.COMPLETED)
        for tally, scores in (
            (self.final_scores, floats(trees.nodes, "score")[trees.response_leaf]),
            (self.response_scores, floats(trees.responses, "score")),
        ):
            chosen = ~np.isnan(scores) & is_known
            outcome = trees.right[chosen].astype(np.int64)
            tally.add(scores[chosen], np.ones_like(outcome), outcome)


def started_trials(trees: FlatTrees, *, truncated_fails: bool) -> tuple[Ints, Ints, Bools]:
    """For each node, the trials and passes of the rollouts that start at its end, and whether no reward
    model influenced them, as in `labels.step_labels`, but for each node alone."""
    size = len(trees.leaf)
    start, leaf = trees.parent[trees.begins], trees.leaf[trees.begins]
    finish = {one: is_value(trees.nodes, "finish", one)[leaf] for one in (Finish.STEP, Finish.PRUNED)}
    stopped = finish[Finish.STEP] | finish[Finish.PRUNED]
    judged = trees.passed[leaf] != UNKNOWN
    if truncated_fails:
        judged |= is_value(trees.nodes, "finish", Finish.LENGTH)[leaf]
    trials = np.bincount(start[judged], minlength=size)
    passes = np.bincount(start[trees.passed[leaf] == 1], minlength=size)
    return trials, passes, np.bincount(start[stopped], minlength=size) == 0


def _kept(trees: FlatTrees) -> Bools:
    return np.asarray(floats(trees.responses, "kept") == 1)


def _by_fate(trees: FlatTrees) -> Iterator[tuple[Fate, Bools]]:
    kept, passed = _kept(trees), trees.passed[trees.response_leaf] == 1
    completed = is_value(trees.responses, "status", Status.COMPLETED)
    yield "kept", kept
    yield "passed, dropped", passed & ~kept
    yield "not passed", completed & ~passed & ~kept
    yield "truncated", is_value(trees.responses, "status", Status.TRUNCATED) & ~kept


def _counted(values: Ints) -> Iterator[tuple[int, int]]:
    """Each distinct value with its number."""
    found, numbers = np.unique(values, return_counts=True)
    yield from zip(found.tolist(), numbers.tolist(), strict=True)


def _add(counts: dict[str, Counter[int]], key: str, values: Ints) -> None:
    found = dict(_counted(values))
    if found:
        counts.setdefault(key, Counter()).update(found)
