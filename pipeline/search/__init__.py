"""Strategies decide where a tree grows next.

A strategy is a pure function of the tree and of what is still under way: no I/O, no clock, no state
of its own, so that it can go on from a stored tree. Its random choices come from `tree.seed`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.tree import Tree

STRATEGIES = {
    "best_of_n": "pipeline.search.best_of_n:BestOfN",
    "branching": "pipeline.search.branching:Branching",
}
"""What `strategy.use` can name; more come from entry points in the group `berry.strategies`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """Asks for `num_rollouts` new rollouts from one node."""

    parent: int
    num_rollouts: int


class Strategy(Protocol):
    """Built with its own `Config`."""

    def propose(self, tree: Tree, pending: Sequence[Expansion]) -> list[Expansion]:
        """What to sample next. Nothing, with nothing pending, ends the search.

        Asked at the start and again whenever an expansion has come back, its rollouts added and
        judged. `pending` is what was proposed before and has not come back.
        """
        ...
