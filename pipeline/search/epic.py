"""`epic`: bisection of each wrong rollout, with as many completions of a step as its problem is hard.

    1. n0 rollouts of the whole problem; v, the share that pass, says how hard it is
    2. k = passes / v completions of a step, at least `least` and at most `most`: enough for some to
       pass if the step is right
    3. bisect each wrong rollout; a step is right so far if at least v / 2 of its completions pass
    4. the first step to look at lies a quarter of the rollout earlier than the middle where v is under
       0.3, since mistakes come early in hard problems, and as much later where v is 0.9 or more

A rollout that passed is taken to be right, and a problem of which none did is given up. EpicPRM (Sun et
al., 2025, arXiv:2503.02382), with its parameters; it also weighs completions by their perplexity and
takes those of two models.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field

from pipeline.first_error import Trials, trials_at_root
from pipeline.search import Expansion
from pipeline.search.memory import Memory
from pipeline.tree import ROOT, Tree

_QUARTERED_FROM = 4
"""Steps beside the first and the last from which on difficulty moves where a search begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bisection:
    """How far the search for a wrong rollout's first wrong step has come."""

    num_right: int
    """So many of its first steps are held to be right."""
    first_wrong: int | None
    """Index of the step that is held to be the first wrong one; None while it is not found."""
    middle: int | None
    """The node to sample from next; None if nothing is left to find out, or no way to."""
    missing: int = 0
    """Rollouts to start there."""


@dataclass(slots=True)
class _Known:
    """What is known of a tree whose whole rollouts are back."""

    whole: Trials | None = None
    """How they ended; None before they are looked at."""
    open: dict[int, Bisection] = field(default_factory=dict)
    """Leaf of a wrong whole rollout -> its search, while that goes on."""


class Epic:
    """Adaptive binary search for first wrong steps."""

    class Config(BaseModel):
        """The paper's parameters."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        rollouts: int = Field(default=8, ge=1)
        """n0: rollouts of the whole problem, whose steps are labelled."""
        passes: int = Field(default=10, ge=1)
        """Completions of a right step that are to pass, if they pass as often as whole rollouts."""
        least: int = Field(default=16, ge=1)
        """Completions of a step, where whole rollouts mostly pass."""
        most: int = Field(default=72, ge=1)
        """Completions of a step, where they hardly ever do."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._memory: Memory[_Known] = Memory(_Known)

    @property
    def fixed_rollouts(self) -> int:
        """Whole rollouts that are sampled whatever comes back."""
        return self.config.rollouts

    def propose(self, tree: Tree, pending: Sequence[Expansion]) -> list[Expansion]:
        """Whole rollouts, then the next completions of every wrong one that waits for none."""
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
        """Takes the searches a step further about whose rollouts there is news."""
        if known.whole is None:
            known.whole = trials_at_root(tree)
        for leaf in {tree.leaf_of(tree.path(one)[1].id) for one in news}:
            known.open.pop(leaf, None)
            if known.whole.passes and tree.passed(leaf) is False:
                search = self.bisect(tree, leaf, known.whole)
                if search.middle is not None:
                    known.open[leaf] = search

    def bisect(self, tree: Tree, leaf: int, whole: Trials) -> Bisection:
        """The search of a wrong whole rollout, where `whole` is how all of them ended.

        Raises ZeroDivisionError if none of them passed: then nothing can be told.
        """
        num_whole = whole.passes + whole.fails
        # In whole numbers, so that a quotient that is one is not rounded up.
        needed = -(-self.config.passes * num_whole // whole.passes)
        wanted = min(max(self.config.least, needed), self.config.most)
        # The last step of what failed is wrong.
        steps = tree.rollout(leaf)[:-1]
        left, right = 0, len(steps) - 1
        middle = _first_middle(right, whole.passes / num_whole)
        while left <= right:
            own = tree.leaf_of(steps[middle].id)
            others = [c for c in tree.children(steps[middle].id) if tree.leaf_of(c) != own]
            if len(others) < wanted:
                return Bisection(
                    num_right=left,
                    first_wrong=None,
                    middle=steps[middle].id,
                    missing=wanted - len(others),
                )
            trials = Trials()
            for child in others:
                trials = trials.and_one(tree.passed(tree.leaf_of(child)))
            if trials == Trials():
                # None of them could be judged: nothing is known of this step.
                return Bisection(num_right=left, first_wrong=None, middle=None)
            if 2 * trials.passes * num_whole >= whole.passes * (trials.passes + trials.fails):
                left = middle + 1
            else:
                right = middle - 1
            middle = (left + right) // 2
        return Bisection(num_right=left, first_wrong=left, middle=None)


def _first_middle(right: int, rate: float) -> int:
    """Index of the step where the search of steps 0 to `right` begins."""
    middle = right // 2
    if right >= _QUARTERED_FROM and rate < 0.3:
        return middle - right // 4
    if right >= _QUARTERED_FROM and rate >= 0.9:
        return middle + right // 4
    return middle
