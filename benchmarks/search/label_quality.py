"""Label accuracy for the tokens spent, where every step's truth is known.

All strategies label the same trajectories, the first whole rollouts of each problem, which are asked
for alike and have the same seeds under each. What is compared:

    step accuracy         share of their steps (the last, the answer, left out) whose label is true
    first-error accuracy  share of the wrong ones whose first wrong step is named rightly

Labels as published are in `published_labels.py`; a step or rollout without one does not count, and
the share that has one is told. Labels of berry: the posterior over the first wrong step
(`pipeline/labels/first_error.py`) of the same tree. A strategy's own options alone set what it spends.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from statistics import mean
from typing import Any

from benchmarks.measure import Measured, spread
from benchmarks.search.published_labels import Labels, by_name
from benchmarks.search.solvers import Solver, search
from pipeline.labels.first_error import first_error, trials_at_root
from pipeline.search.budget import BudgetConfig
from pipeline.tree import ROOT, Tree

ROLLOUTS = 8
"""Whole rollouts of each problem, whose steps are labelled."""
_SECTIONS: Sequence[Mapping[str, Any]] = (
    *({"use": "math_shepherd", "completions": k} for k in (1, 2, 4, 8)),
    *({"use": "omega", "searches": searches} for searches in (1, 2, 4, 8, 16, 32)),
    *({"use": "epic", "passes": k, "least": k} for k in (1, 2, 4)),
    {"use": "epic"},
    {"use": "adaptive", "probes": 0, "hopeless_after": 8},
    *(
        {"use": "adaptive", "min_gain": gain, "hopeless_after": 8}
        for gain in (0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02, 0.01, 0.003)
    ),
)
_ALIKE = ("use", "hopeless_after")
_SHARE = 0.1
"""The goal: this part of Math-Shepherd's tokens."""
CAPTION = """Every strategy labels the same 8 whole rollouts of each problem. Step accuracy: share of
their steps (without the last, the answer) whose label is true. First error: share of the wrong rollouts
whose first wrong step is named. Published label: as the strategy's paper defines it, of the steps and
first errors of which it says something, and which share of all that is. Posterior: berry's, of the same
tree. Median and range of three seeds. Math-Shepherd's accuracy, which is to be reached, is by its
published label at k = 8; adaptive's is by the posterior. Where none of the 8 passes adaptive samples no
more whole rollouts (`hopeless_after`), since only the 8 are labelled."""

Place = tuple[str, int, str, int | None]
"""Problem, slot of the whole rollout, its text, index of the step; None for the first wrong one. An
engine that is not deterministic may give another text to the same slot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """Whether the labels of one step, or of a rollout's first wrong step, are true."""

    published: bool | None
    """None without such a label."""
    posterior: bool


@dataclass(slots=True)
class Accuracy:
    """Of one strategy with certain options, over problems."""

    published: Callable[[Tree, int], Labels] | None = None
    num_tokens: int = 0
    num_problems: int = 0
    steps: dict[Place, Grade] = field(default_factory=dict)
    firsts: dict[Place, Grade] = field(default_factory=dict)
    """Of wrong rollouts, with a wrong step before their last."""

    @property
    def tokens(self) -> float:
        """Spent on a problem."""
        return self.num_tokens / self.num_problems

    def add(self, solver: Solver, problem: str, tree: Tree) -> None:
        """Counts a problem's tree. What truth is not known of does not count."""
        self.num_tokens += tree.num_tokens
        self.num_problems += 1
        for child in tree.children(ROOT):
            leaf, slot = tree.leaf_of(child), tree.nodes[child].slot
            truth = solver.true_steps(tree, leaf)
            if slot < ROLLOUTS and truth is not None:
                at = problem, slot, tree.response(leaf)
                self._add_trajectory(tree, leaf, at, list(truth))

    def _add_trajectory(
        self, tree: Tree, leaf: int, at: tuple[str, int, str], truth: list[bool]
    ) -> None:
        posterior = first_error(tree, tree.path(leaf), trials_at_root(tree))
        unsaid: Labels = [None] * len(truth)
        published = self.published(tree, leaf)[: len(truth)] if self.published else unsaid
        for index, (label, true) in enumerate(zip(published, truth, strict=True)):
            self.steps[*at, index] = Grade(
                published=None if label is None else label == true,
                posterior=(posterior.right[index] > 0.5) == true,
            )
        if tree.passed(leaf) is False and not all(truth):
            first, told = _num_right(truth), _num_right(published)
            is_told = None not in published[: told + 1]
            self.firsts[*at, None] = Grade(
                published=told == first if is_told else None,
                posterior=posterior.most_likely()[0] == first,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One strategy with certain options, over the seeds."""

    section: Mapping[str, Any]
    seeds: Sequence[Accuracy]

    @property
    def strategy(self) -> str:
        """Its name."""
        return str(self.section["use"])

    @property
    def name(self) -> str:
        """With the options that differ from point to point."""
        if self.section.get("probes") == 0:
            return "whole rollouts alone"
        options = [f"{key} {value}" for key, value in self.section.items() if key not in _ALIKE]
        return ", ".join([self.strategy, *options])

    @property
    def tokens(self) -> float:
        """Spent on a problem, on average."""
        return mean(one.tokens for one in self.seeds)

    def posterior(self, what: str) -> list[float]:
        """Share of true ones for each seed; `what` names a field of Accuracy."""
        return [mean(g.posterior for g in getattr(one, what).values()) for one in self.seeds]

    def published(self, what: str) -> list[float]:
        """Share of true ones among those that the method labels, for each seed; nan without any."""
        return [_mean(_known(getattr(one, what))) for one in self.seeds]

    def labelled(self, what: str) -> float:
        """Share that the method labels."""
        grades = [grade for one in self.seeds for grade in getattr(one, what).values()]
        return mean(grade.published is not None for grade in grades)


async def measure(solver: Solver, num_problems: int, seeds: Sequence[int]) -> list[Point]:
    """Every strategy with each of its options."""
    return [
        Point(
            section=section,
            seeds=[await label(solver, section, num_problems, seed) for seed in seeds],
        )
        for section in _SECTIONS
    ]


async def label(solver: Solver, section: Mapping[str, Any], num_problems: int, seed: int) -> Accuracy:
    """One strategy, with options, on problems of one seed."""
    options = {key: value for key, value in section.items() if key != "use"}
    accuracy = Accuracy(by_name(section["use"], options))
    problems = solver.problems(seed, num_problems)
    traces = await search(solver, {"rollouts": ROLLOUTS, **section}, BudgetConfig(), problems, seed)
    for trace in traces:
        accuracy.add(solver, trace.problem.id, trace.tree)
    return accuracy


def compare(solver: Solver, points: Sequence[Point]) -> list[Measured]:
    """The goals: Math-Shepherd's accuracy for a tenth of its tokens, and no worse for as many tokens
    than OmegaPRM and EpicPRM on what they label."""
    adaptive = [point for point in points if point.strategy == "adaptive"]
    shepherd = [point for point in points if point.strategy == "math_shepherd"][-1]
    rows = []
    for words, what in (("step accuracy", "steps"), ("first-error accuracy", "firsts")):
        share = _share(adaptive, what, shepherd, shepherd.published(what))
        rows.append(
            Measured(
                what=f"{solver.name}: share of math_shepherd's {shepherd.tokens:,.0f} tokens with "
                f"which adaptive reaches its {words}",
                figures=spread(shepherd.published(what), 3),
                ratio="not reached" if math.isinf(share) else f"{share:.3f}",
                goal=f"at most {_SHARE:.2f}",
                met=share <= _SHARE,
            )
        )
        for other in ("omega", "epic"):
            apart = [
                _lead(adaptive, point, what)
                for point in points
                if point.strategy == other and point.labelled(what)
            ]
            rows.append(
                Measured(
                    what=f"{solver.name}: {words} of adaptive minus {other}'s, on what {other} labels, "
                    f"for at most its tokens, at {len(apart)} of its settings",
                    figures=spread(apart, 3),
                    ratio=f"{min(apart):+.3f} at the worst",
                    goal="at least 0 at every setting",
                    met=min(apart) >= 0,
                )
            )
    return rows


def _share(adaptive: Sequence[Point], what: str, shepherd: Point, goal: Sequence[float]) -> float:
    """Of Math-Shepherd's tokens, those with which adaptive is as accurate; infinite if it never is."""
    reached = [point.tokens for point in adaptive if mean(point.posterior(what)) >= mean(goal)]
    return min(reached, default=math.inf) / shepherd.tokens


def _lead(adaptive: Sequence[Point], other: Point, what: str) -> float:
    """By how much adaptive's labels are true more often, at its dearest setting that takes no more
    tokens, where the other method has labels of the same rollouts."""
    best = max((p for p in adaptive if p.tokens <= other.tokens), key=lambda p: p.tokens)
    ours, theirs = list[bool](), list[bool]()
    for mine, its in zip(best.seeds, other.seeds, strict=True):
        for place, grade in getattr(its, what).items():
            if grade.published is not None and place in getattr(mine, what):
                ours.append(getattr(mine, what)[place].posterior)
                theirs.append(grade.published)
    return mean(ours) - mean(theirs)


def _with_the_same_labels(points: Sequence[Point]) -> str:
    """How much of the gain is the search's own, and not that of reading the same trees better."""
    adaptive = [point for point in points if point.strategy == "adaptive"]
    shepherd = [point for point in points if point.strategy == "math_shepherd"][-1]
    shares = [_share(adaptive, w, shepherd, shepherd.posterior(w)) for w in ("steps", "firsts")]
    told = [f"{share:.2f}" if share < math.inf else "more than was tried" for share in shares]
    return (
        "With the posterior on Math-Shepherd's trees (k = 8) too, adaptive is as accurate with this "
        f"share of its tokens: steps {told[0]}, first errors {told[1]}."
    )


def table(solver: Solver, points: Sequence[Point]) -> str:
    """The points as Markdown, by strategy and tokens."""
    head = [
        f"### {solver.name}",
        "| strategy | tokens a problem | steps, published label | of which share | steps, posterior | "
        "first error, published label | of which share | first error, posterior |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows = []
    for point in sorted(points, key=lambda one: (one.strategy, one.tokens)):
        cells = [point.name, f"{point.tokens:,.0f}"]
        for what in ("steps", "firsts"):
            share = point.labelled(what)
            known = [value for value in point.published(what) if not math.isnan(value)]
            cells += [spread(known, 3), f"{share:.2f}"] if known else ["-", "-"]
            cells.append(spread(point.posterior(what), 3))
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join([*head, *rows, "", _with_the_same_labels(points)])


def _known(grades: Mapping[Place, Grade]) -> list[bool]:
    return [grade.published for grade in grades.values() if grade.published is not None]


def _mean(values: Sequence[bool]) -> float:
    return mean(values) if values else math.nan


def _num_right(labels: Sequence[bool | None]) -> int:
    """Right steps before the first that is not."""
    return len(list(takewhile(bool, labels)))
