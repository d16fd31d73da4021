"""Label accuracy for the tokens spent, where every step's truth is known.

All strategies label the same trajectories, the first whole rollouts of each problem, which have the
same seeds under each. What is compared:

    step accuracy         share of their steps (the last, the answer, left out) whose label is true
    first-error accuracy  share of the wrong ones whose first wrong step is named rightly

Labels as published: right if any rollout below passes (Math-Shepherd's hard label, OmegaPRM's MC > 0).
Labels of berry: the posterior over the first wrong step (`pipeline/first_error.py`) of the same tree.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from statistics import mean

from benchmarks.measure import Measured, spread
from benchmarks.search.solvers import Solver, search
from pipeline.first_error import first_error, trials_at_root
from pipeline.search.budget import BudgetConfig
from pipeline.tree import ROOT, Tree

ROLLOUTS = 8
"""Whole rollouts of each problem, whose steps are labelled."""
_COMPLETIONS = (1, 2, 4, 8)
_BUDGETS = (1.25, 1.5, 2, 3, 4, 6, 8, 12)
"""Of tokens, in lengths of the whole rollouts."""
_STRATEGIES = ("math_shepherd", "omega", "adaptive")
_SHARE = 0.1
"""The goal: this part of Math-Shepherd's tokens."""
CAPTION = """Every strategy labels the same 8 whole rollouts of each problem. Step accuracy: share of
their steps (without the last, the answer) whose label is true. First error: share of the wrong rollouts
whose first wrong step is named. Published label: right if any rollout below passed. Posterior: berry's,
of the same tree. Median and range of three seeds. Math-Shepherd's accuracy, which is to be reached, is
by its published label at k = 8; adaptive's is by the posterior, OmegaPRM's by either."""


@dataclass(slots=True)
class Accuracy:
    """Of one strategy at one budget, over problems."""

    num_tokens: int = 0
    num_problems: int = 0
    published: list[bool] = field(default_factory=list)
    """For each step whether its hard label is true."""
    posterior: list[bool] = field(default_factory=list)
    published_first: list[bool] = field(default_factory=list)
    """For each wrong trajectory whether its first wrong step is named rightly."""
    posterior_first: list[bool] = field(default_factory=list)

    @property
    def tokens(self) -> float:
        """Spent on a problem."""
        return self.num_tokens / self.num_problems

    def add(self, solver: Solver, tree: Tree) -> None:
        """Counts a problem's tree."""
        self.num_tokens += tree.num_tokens
        self.num_problems += 1
        for child in tree.children(ROOT):
            if tree.nodes[child].slot < ROLLOUTS:
                self._add_trajectory(tree, tree.leaf_of(child), solver)

    def _add_trajectory(self, tree: Tree, leaf: int, solver: Solver) -> None:
        path = tree.path(leaf)
        truth = list(solver.true_steps(tree, leaf))
        hard = [tree.stats[node.id].passes > 0 for node in path[1 : len(truth) + 1]]
        posterior = first_error(tree, path, trials_at_root(tree))
        soft = [chance > 0.5 for chance in posterior.right[: len(truth)]]
        self.published += [label == true for label, true in zip(hard, truth, strict=True)]
        self.posterior += [label == true for label, true in zip(soft, truth, strict=True)]
        if tree.passed(leaf) is False and not all(truth):
            first = _num_right(truth)
            self.published_first.append(_num_right(hard) == first)
            self.posterior_first.append(posterior.most_likely()[0] == first)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One strategy at one budget, over the seeds."""

    strategy: str
    seeds: Sequence[Accuracy]

    @property
    def tokens(self) -> float:
        """Spent on a problem, on average."""
        return mean(one.tokens for one in self.seeds)

    def accuracies(self, labels: str) -> list[float]:
        """Share of true ones for each seed; `labels` names a field of Accuracy."""
        return [mean(getattr(one, labels)) for one in self.seeds]


async def measure(solver: Solver, num_problems: int, seeds: Sequence[int]) -> list[Point]:
    """Math-Shepherd at several k, the others at several budgets of tokens."""

    async def point(
        use: str, budget: BudgetConfig | None = None, *, name: str | None = None, **options: object
    ) -> Point:
        section = {"use": use, "rollouts": ROLLOUTS, **options}
        accuracies = []
        for seed in seeds:
            accuracy = Accuracy()
            problems = solver.problems(seed, num_problems)
            for trace in await search(solver, section, budget or BudgetConfig(), problems, seed):
                accuracy.add(solver, trace.tree)
            accuracies.append(accuracy)
        return Point(strategy=name or use, seeds=accuracies)

    points = [await point("math_shepherd", completions=k) for k in _COMPLETIONS]
    alone = BudgetConfig(rollouts=ROLLOUTS)
    whole = await point("math_shepherd", alone, name="whole rollouts alone")
    points.append(whole)
    for times in _BUDGETS:
        budget = BudgetConfig(tokens=round(times * whole.tokens))
        points.append(await point("omega", budget))
        points.append(await point("adaptive", budget, confidence=0.99, probes=1000))
    return points


def compare(solver: Solver, points: Sequence[Point]) -> list[Measured]:
    """The goals: Math-Shepherd's accuracy for a tenth of its tokens, OmegaPRM's at every budget."""
    by_strategy = {name: [p for p in points if p.strategy == name] for name in _STRATEGIES}
    adaptive, omega = by_strategy["adaptive"], by_strategy["omega"]
    shepherd = by_strategy["math_shepherd"][-1]
    rows = []
    for what, published, posterior in (
        ("step accuracy", "published", "posterior"),
        ("first-error accuracy", "published_first", "posterior_first"),
    ):
        share = _share(adaptive, posterior, shepherd, published)
        rows.append(
            Measured(
                what=f"{solver.name}: share of math_shepherd's {shepherd.tokens:,.0f} tokens with "
                f"which adaptive reaches its {what}",
                figures=spread(shepherd.accuracies(published), 3),
                ratio=f"{share:.3f}",
                goal=f"at most {_SHARE:.2f}",
                met=share <= _SHARE,
            )
        )
        for labels in (published, posterior):
            apart = [
                mean(one.accuracies(posterior)) - mean(other.accuracies(labels))
                for one, other in zip(adaptive, omega, strict=True)
            ]
            whose = "as published" if labels == published else "by adaptive's posterior too"
            rows.append(
                Measured(
                    what=f"{solver.name}: {what} of adaptive minus omega's, {whose}, at "
                    f"{len(apart)} budgets",
                    figures=spread(apart, 3),
                    ratio=f"{min(apart):+.3f} at the worst",
                    goal="at least 0 at every budget",
                    met=min(apart) >= 0,
                )
            )
    return rows


def _share(adaptive: Sequence[Point], labels: str, shepherd: Point, its_labels: str) -> float:
    """Of Math-Shepherd's tokens, those with which adaptive is as accurate; infinite if it never is."""
    goal = mean(shepherd.accuracies(its_labels))
    reached = [point.tokens for point in adaptive if mean(point.accuracies(labels)) >= goal]
    return min(reached, default=math.inf) / shepherd.tokens


def _with_the_same_labels(points: Sequence[Point]) -> str:
    """How much of the gain is the search's own, and not that of reading the same trees better."""
    adaptive = [point for point in points if point.strategy == "adaptive"]
    shepherd = [point for point in points if point.strategy == "math_shepherd"][-1]
    shares = [_share(adaptive, labels, shepherd, labels) for labels in ("posterior", "posterior_first")]
    told = [f"{share:.2f}" if share < math.inf else "more than was tried" for share in shares]
    return (
        "With the posterior on Math-Shepherd's trees (k = 8) too, adaptive is as accurate with this "
        f"share of its tokens: steps {told[0]}, first errors {told[1]}."
    )


def table(solver: Solver, points: Sequence[Point]) -> str:
    """The points as Markdown, by strategy and tokens."""
    head = [
        f"### {solver.name}",
        "| strategy | tokens a problem | steps, published label | steps, posterior | first error, "
        "published label | first error, posterior |",
        "|---|---|---|---|---|---|",
    ]
    names = ("published", "posterior", "published_first", "posterior_first")
    rows = [
        f"| {point.strategy} | {point.tokens:,.0f} | "
        + " | ".join(spread(point.accuracies(name), 3) for name in names)
        + " |"
        for point in sorted(points, key=lambda one: (one.strategy, one.tokens))
    ]
    return "\n".join([*head, *rows, "", _with_the_same_labels(points)])


def _num_right(labels: Sequence[bool]) -> int:
    """Right steps before the first wrong one."""
    return len(list(takewhile(bool, labels)))
