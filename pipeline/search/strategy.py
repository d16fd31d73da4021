"""Strategies decide where a tree grows next.

A strategy is a pure function of the tree and its pending expansions. It uses no I/O, no clock and no
state of its own, so it can continue from a stored tree. Its random choices derive from `tree.seed`. It
may cache results about a tree in a `Memory`, which must not change its proposals.
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
"""Values of `strategy.use`; entry points in the group `berry.strategies` add more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """A request for `num_rollouts` new rollouts from one node."""

    parent: int
    num_rollouts: int
    num_steps: int | None = None
    """Steps after which a rollout pauses; None samples to its end."""
    max_tokens: int | None = None
    """Maximum number of tokens of each rollout, in addition to the response's own limit."""
    max_nodes: int | None = None
    """Maximum number of nodes for each rollout; the last node takes the rest."""


class Strategy(Protocol):
    """Decides where a tree grows next; built with its own `Config`.

    A class may set `needs_scores = True` if it needs nodes scored by a reward model, and
    `needs_pauses = True` if it needs steps after which an engine can pause. A config that does not
    provide them is rejected. An optional property `fixed_rollouts` is the number of whole rollouts that
    it samples from the root regardless of outcomes. These have the first slots, and accuracies such as
    pass@k use only them; without the property there are no such accuracies. `base.py` has a base class
    with defaults for all of these.
    """

    def propose(self, tree: Tree, pending: Sequence[Expansion]) -> list[Expansion]:
        """The next expansions. The search ends when none is proposed and none is pending.

        Called at the start and whenever an expansion has finished and its rollouts are added and
        judged. `pending` are the proposed expansions that have not finished.
        """
        ...
