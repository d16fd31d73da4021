"""`epic`: bisects each wrong rollout, with more completions of a step for harder problems.

    1. sample n0 rollouts of the whole problem; v, the fraction that pass, measures its difficulty
    2. use k = passes / v completions of a step, at least `least` and at most `most`: enough for
       some to pass if the step is right
    3. bisect each wrong rollout; a step is right so far if at least v / 2 of its completions pass
    4. the first step to test is the middle one; it is a quarter of the rollout earlier if v is under
       0.3, because mistakes come early in hard problems, and a quarter later if v is 0.9 or more

A rollout that passed is taken to be right, and a problem without any is given up. EpicPRM (Sun et
al., 2025, arXiv:2503.02382), with its parameters; the paper also weights completions by their
perplexity and uses those of two models.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field

from pipeline.labels.first_error import Trials, trials_at_root
from pipeline.search import Expansion
from pipeline.search.base import StrategyBase
from pipeline.search.memory import Memory
from pipeline.tree import ROOT, Tree

_QUARTERED_FROM = 4
"""Least number of inner steps at which difficulty moves the first step to test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bisection:
    """State of the search for a wrong rollout's first wrong step."""

    num_right: int
    """Number of first steps taken to be right."""
    first_error: int | None
    """Index of the step taken to be the first wrong one; None until it is found."""
    middle: int | None
    """The node to sample from next; None if the search is finished or cannot continue."""
    missing: int = 0
    """Number of rollouts to start there."""


@dataclass(slots=True)
class _Known:
    """Cached knowledge of a tree whose whole rollouts are finished."""

    whole: Trials | None = None
    """Their outcomes; None before they are counted."""
    open: dict[int, Bisection] = field(default_factory=dict)
    """Leaf of a wrong whole rollout -> its unfinished search."""


class Epic(StrategyBase):
    """Adaptive binary search for first wrong steps."""

    class Config(BaseModel):
        """The paper's parameters."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        rollouts: int = Field(default=8, ge=1)
        """n0: rollouts of the whole problem, whose steps are labelled."""
        passes: int = Field(default=10, ge=1)
        """Expected passes among the completions of a right step, at the pass rate of whole rollouts."""
        least: int = Field(default=16, ge=1)
        """Minimum number of completions of a step, for easy problems."""
        most: int = Field(default=72, ge=1)
        """Maximum number of completions of a step, for hard problems."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._memory: Memory[_Known] = Memory(_Known)

    @property
    def fixed_rollouts(self) -> int:
        """Number of whole rollouts, sampled regardless of outcomes."""
        return self.config.rollouts

    def propose(self, tree: Tree, pending: Sequence[Expansion]) -> list[Expansion]:
        """Whole rollouts, then the next completions of every wrong one without pending completions."""
        at_root = sum(e.num_rollouts for e in pending if e.parent == ROOT)
        missing = self.config.rollouts - len(tree.children(ROOT)) - at_root
        if missing > 0:
            return [Expansion(parent=ROOT, num_rollouts=missing)]
        if at_root:
            return []
        known, news = self._memory.recall(tree)
        self._catch_up(tree, known, news)
        waiting = {expansion.parent for expansion in pending}
        return [
            Expansion(parent=search.middle, num_rollouts=search.missing)
            for _, search in sorted(known.open.items())
            if search.middle is not None and search.middle not in waiting
        ]

    def _catch_up(self, tree: Tree, known: _Known, news: Sequence[int]) -> None:
        """Advances the searches that have new leaves."""
        if known.whole is None:
            known.whole = trials_at_root(tree)
        for leaf in {tree.leaf_of(tree.path(one)[1].id) for one in news}:
            known.open.pop(leaf, None)
            if known.whole.passes and tree.passed(leaf) is False:
                search = self.bisect(tree, leaf, known.whole)
                if search.middle is not None:
                    known.open[leaf] = search

    def bisect(self, tree: Tree, leaf: int, whole: Trials) -> Bisection:
        """The search of a wrong whole rollout; `whole` has the outcomes of all whole rollouts.

        Raises ZeroDivisionError if none of them passed, because the search needs a pass rate.
        """
        num_whole = whole.passes + whole.fails
        # Integer arithmetic, so that an exact quotient is not rounded up.
        needed = -(-self.config.passes * num_whole // whole.passes)
        wanted = min(max(self.config.least, needed), self.config.most)
        # The last step of a failed rollout is wrong.
        steps = tree.rollout(leaf)[:-1]
        left, right = 0, len(steps) - 1
        middle = _first_middle(right, whole.passes / num_whole)
        while left <= right:
            own = tree.leaf_of(steps[middle].id)
            others = [c for c in tree.children(steps[middle].id) if tree.leaf_of(c) != own]
            if len(others) < wanted:
                return Bisection(
                    num_right=left,
                    first_error=None,
                    middle=steps[middle].id,
                    missing=wanted - len(others),
                )
            trials = Trials()
            for child in others:
                trials = trials.and_one(tree.passed(tree.leaf_of(child)))
            if trials == Trials():
                # No completion could be judged: this step stays unknown.
                return Bisection(num_right=left, first_error=None, middle=None)
            if 2 * trials.passes * num_whole >= whole.passes * (trials.passes + trials.fails):
                left = middle + 1
            else:
                right = middle - 1
            middle = (left + right) // 2
        return Bisection(num_right=left, first_error=left, middle=None)


def _first_middle(right: int, rate: float) -> int:
    """Index of the first step to test among steps 0 to `right`."""
    middle = right // 2
    if right >= _QUARTERED_FROM and rate < 0.3:
        return middle - right // 4
    if right >= _QUARTERED_FROM and rate >= 0.9:
        return middle + right // 4
    return middle
