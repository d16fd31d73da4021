"""`mcts`: Monte-Carlo tree search; each rollout starts where passes are likely or visits few.

    1. from the root, repeatedly go to the child with the greatest Q + U
    2. stop at a node that has fewer children than its visits allow (progressive widening, because a
       step has any number of continuations), or whose children are all ended responses
    3. sample a whole rollout from there; its verdict counts for every node on its path; go to 1

    Q = (passes + v) / (trials + w + 1)      v: the node's score, else its parent's pass rate, else 1/2
                                             w: pending rollouts below the node, counted as failures
    U = c_puct * P * sqrt(parent's N) / (1 + N)      N: visits, including pending ones
    P : a child's score divided by the sum over its siblings; an unscored child gets their mean score,
        and without any score all are equal
    children allowed: ceil(widening * N^widening_exponent)

With `in_flight` over 1, the search continues before all rollouts are finished, so the tree depends on
their order of arrival. A proposal visits only the nodes on its path and their children, regardless of
the size of the tree.

PUCT as in AlphaZero; process rewards in the search as in ReST-MCTS* (Zhang et al., 2024,
arXiv:2406.03816), verified rollouts through every step as in rStar-Math (Guan et al., 2025,
arXiv:2501.04519); progressive widening (Couetoux et al., 2011).
"""

import math
from collections import Counter
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from pipeline.search import Expansion
from pipeline.search.base import StrategyBase
from pipeline.tree import ROOT, Tree


class Mcts(StrategyBase):
    """Samples whole rollouts from the nodes that PUCT selects."""

    class Config(BaseModel):
        """Options of `mcts`; the letters refer to the module's formulas."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        rollouts: int = Field(default=32, ge=1)
        """Total number of rollouts."""
        in_flight: int = Field(default=1, ge=1)
        """Concurrent rollouts; over 1, the tree depends on their order of arrival."""
        c_puct: float = Field(default=1.0, ge=0)
        """Weight of rarely visited children."""
        widening: float = Field(default=2.0, gt=0)
        """Maximum number of children at a node's first visit, rounded up."""
        widening_exponent: float = Field(default=0.25, ge=0, le=1)
        """Exponent by which more visits allow more children."""

    def __init__(self, config: Config) -> None:
        self.config = config

    @property
    def fixed_rollouts(self) -> int:
        """1: the start of every later rollout depends on earlier outcomes."""
        return 1

    def propose(self, tree: Tree, pending: Sequence[Expansion]) -> list[Expansion]:
        """Fills up to `in_flight` rollouts; each selection counts the earlier ones as pending."""
        number = sum(expansion.num_rollouts for expansion in pending)
        left = self.config.rollouts - tree.num_rollouts - number
        view = _View(tree, self.config)
        for expansion in pending:
            view.send(expansion.parent, expansion.num_rollouts)
        proposals = []
        for _ in range(min(left, self.config.in_flight - number)):
            node = view.select()
            view.send(node, 1)
            proposals.append(Expansion(parent=node, num_rollouts=1))
        return proposals


class _View:
    """A tree with its pending rollouts."""

    def __init__(self, tree: Tree, config: Mcts.Config) -> None:
        self._tree = tree
        self._config = config
        self._below: Counter[int] = Counter()
        """Node -> pending rollouts from it and from nodes below it."""
        self._here: Counter[int] = Counter()
        """Node -> pending rollouts that start at it."""

    def send(self, node_id: int, num_rollouts: int) -> None:
        """Counts rollouts from the node as pending."""
        self._here[node_id] += num_rollouts
        current: int | None = node_id
        while current is not None:
            self._below[current] += num_rollouts
            current = self._tree.nodes[current].parent

    def select(self) -> int:
        """The start node of the next rollout."""
        node = ROOT
        while True:
            children = self._tree.children(node)
            visits = self._visits(node)
            allowed = self._allowed(visits)
            going_on = [child for child in children if self._tree.can_go_on(child)]
            if not going_on or len(children) + self._here[node] < allowed:
                return node
            node = self._best(node, going_on)

    def _allowed(self, visits: int) -> int:
        """Maximum number of children of a node with this many visits."""
        exact: float = self._config.widening * visits**self._config.widening_exponent
        # In floating point 1.1 * 10 is slightly over 11; it must not allow 12 children.
        return math.ceil(round(exact, 9))

    def _best(self, parent: int, children: Sequence[int]) -> int:
        """The child with the greatest Q + U; in a tie the first by slot."""
        priors = self._priors(children)
        explore = self._config.c_puct * math.sqrt(self._visits(parent))

        def value(child: int) -> tuple[float, int]:
            bonus = explore * priors[child] / (1 + self._visits(child))
            return self._quality(parent, child) + bonus, -self._tree.nodes[child].slot

        return max(children, key=value)

    def _quality(self, parent: int, child: int) -> float:
        stats = self._tree.stats[child]
        prior = self._tree.scores.get(child, self._tree.stats[parent].value)
        prior = 0.5 if prior is None else prior
        return (stats.passes + prior) / (stats.trials + self._below[child] + 1)

    def _priors(self, children: Sequence[int]) -> dict[int, float]:
        """P of each child."""
        scores = self._tree.scores
        known = [scores[child] for child in children if child in scores]
        # With fsum the result does not depend on the order of arrival.
        mean = math.fsum(known) / len(known) if known else 0.0
        if not mean:
            return dict.fromkeys(children, 1 / len(children))
        return {child: scores.get(child, mean) / (mean * len(children)) for child in children}

    def _visits(self, node_id: int) -> int:
        return self._tree.stats[node_id].visits + self._below[node_id]
