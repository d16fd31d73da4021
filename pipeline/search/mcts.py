"""`mcts`: Monte-Carlo tree search, each rollout from where passes are likely or little is known.

    1. from the root, go down to the child with the greatest Q + U
    2. stop at a node that has fewer children than its visits allow (progressive widening, since a
       step can go on in any number of ways), or that nothing but ended responses goes on from
    3. a whole rollout from there; its verdict counts for every node on its way; back to 1

    Q = (passes + v) / (trials + w + 1)      v: the node's score, else its parent's pass rate, else 1/2
                                             w: rollouts under way below the node, as if they failed
    U = c_puct * P * sqrt(parent's N) / (1 + N)      N: visits, those under way too
    P : a child's share of its siblings' scores; an unscored one has their mean, and where none is
        scored all are alike
    children allowed: ceil(widening * N^widening_exponent)

With `in_flight` over 1 it goes on before all rollouts are back, and the tree then depends on which
comes first. A proposal looks at the nodes on its way down and at their children, whatever the size of
the tree.

PUCT as in AlphaZero; process rewards in the search as in ReST-MCTS* (Zhang et al., 2024,
arXiv:2406.03816), verified rollouts through every step as in rStar-Math (Guan et al., 2025,
arXiv:2501.04519); progressive widening (Couetoux et al., 2011).
"""

import math
from collections import Counter
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from pipeline.search import Expansion
from pipeline.tree import ROOT, Finish, Tree


class Mcts:
    """Whole rollouts from the nodes that PUCT selects."""

    class Config(BaseModel):
        """The letters are those of the module's formulas."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        rollouts: int = Field(default=32, ge=1)
        """In all."""
        in_flight: int = Field(default=1, ge=1)
        """Rollouts under way at once; over 1 the tree depends on the order in which they come back."""
        c_puct: float = Field(default=1.0, ge=0)
        """Weight of children that were visited little."""
        widening: float = Field(default=2.0, gt=0)
        """Children that a node may have at its first visit, rounded up."""
        widening_exponent: float = Field(default=0.25, ge=0, le=1)
        """How quickly more visits allow more children."""

    def __init__(self, config: Config) -> None:
        self.config = config

    @property
    def fixed_rollouts(self) -> int:
        """The first rollout; where the others start depends on what came before."""
        return 1

    def propose(self, tree: Tree, pending: Sequence[Expansion]) -> list[Expansion]:
        """As many rollouts as may be under way, each selected with those before it under way."""
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
    """A tree, and the rollouts that are under way in it."""

    def __init__(self, tree: Tree, config: Mcts.Config) -> None:
        self._tree = tree
        self._config = config
        self._below: Counter[int] = Counter()
        """Node -> rollouts under way from it and from nodes below it."""
        self._here: Counter[int] = Counter()
        """Node -> rollouts under way that start at it."""

    def send(self, node_id: int, num_rollouts: int) -> None:
        """Counts rollouts as under way from the node."""
        self._here[node_id] += num_rollouts
        current: int | None = node_id
        while current is not None:
            self._below[current] += num_rollouts
            current = self._tree.nodes[current].parent

    def select(self) -> int:
        """The node that the next rollout starts at."""
        node = ROOT
        while True:
            children = self._tree.children(node)
            visits = self._visits(node)
            allowed = self._allowed(visits)
            going_on = [child for child in children if self._can_go_on(child)]
            if not going_on or len(children) + self._here[node] < allowed:
                return node
            node = self._best(node, going_on)

    def _allowed(self, visits: int) -> int:
        """Children that a node with so many visits may have."""
        exact: float = self._config.widening * visits**self._config.widening_exponent
        # 1.1 * 10 is a little over 11 in floating point, and not 12 children.
        return math.ceil(round(exact, 9))

    def _best(self, parent: int, children: Sequence[int]) -> int:
        """The child with the greatest Q + U; the first by slot of several."""
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
        # fsum, so that the order in which children came leaves no trace.
        mean = math.fsum(known) / len(known) if known else 0.0
        if not mean:
            return dict.fromkeys(children, 1 / len(children))
        return {child: scores.get(child, mean) / (mean * len(children)) for child in children}

    def _visits(self, node_id: int) -> int:
        return self._tree.stats[node_id].visits + self._below[node_id]

    def _can_go_on(self, node_id: int) -> bool:
        return self._tree.nodes[node_id].finish in (None, Finish.STEP)
