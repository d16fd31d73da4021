"""Strategies decide where a tree grows next.

A strategy is a pure function of the tree and of what is still under way: no I/O, no clock, no state
that matters, so that it can go on from a stored tree. Its random choices come from `tree.seed`. What it
has worked out about a tree it may keep in a `Memory`, which changes nothing but the time it takes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.tree import Tree

STRATEGIES = {
    "best_of_n": "pipeline.search.best_of_n:BestOfN",
    "survivors": "pipeline.search.survivors:Survivors",
    "branching": "pipeline.search.branching:Branching",
    "math_shepherd": "pipeline.search.math_shepherd:MathShepherd",
    "omega": "pipeline.search.omega:Omega",
    "epic": "pipeline.search.epic:Epic",
    "adaptive": "pipeline.search.adaptive:Adaptive",
    "beam": "pipeline.search.beam:Beam",
    "dvts": "pipeline.search.beam:Dvts",
    "mcts": "pipeline.search.mcts:Mcts",
}
"""What `strategy.use` can name; more come from entry points in the group `berry.strategies`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """Asks for `num_rollouts` new rollouts from one node."""

    parent: int
    num_rollouts: int
    num_steps: int | None = None
    """Steps after which a rollout pauses; None samples to its end."""
    max_tokens: int | None = None
    """Most tokens of each rollout, beside what is left of the response's limit."""
    max_nodes: int | None = None
    """Most nodes that each rollout becomes; what is left of it goes into the last."""


class Strategy(Protocol):
    """Built with its own `Config`.

    A class may say `needs_scores = True`, for nodes that a reward model has scored, and
    `needs_pauses = True`, for steps at whose ends an engine can pause: a config without is refused.

    It may have a property `fixed_rollouts`: how many whole rollouts it samples from the root before any
    outcome can change its mind. They have its first slots, and accuracies such as pass@k are of them
    alone; without it there are none.
    """

    def propose(self, tree: Tree, pending: Sequence[Expansion]) -> list[Expansion]:
        """What to sample next. Nothing, with nothing pending, ends the search.

        Asked at the start and again whenever an expansion has come back, its rollouts added and
        judged. `pending` is what was proposed before and has not come back.
        """
        ...
