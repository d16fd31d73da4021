"""`branching`: Monte-Carlo rollouts from prefixes of rollouts.

n0 rollouts start at the problem. Along each of them m branch points are chosen, evenly spaced over
its steps, and k more rollouts start at every one; these are branched in turn, to depth d. A problem
gets n0 * (1 + mk + (mk)^2 + ... + (mk)^d) rollouts, fewer where a rollout has under m + 1 steps.
"""

from collections import Counter
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from pipeline.search import Expansion
from pipeline.tree import ROOT, Node, Tree


class Branching:
    """Branches along every rollout."""

    class Config(BaseModel):
        """The shape of the tree; the letters are those of the module's formula."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        rollouts: int = Field(default=4, ge=1)
        """n0: rollouts of the whole problem."""
        points: int = Field(default=2, ge=0)
        """m: branch points along each rollout."""
        branches: int = Field(default=2, ge=1)
        """k: rollouts more from each branch point."""
        depth: int = Field(default=1, ge=0)
        """d: how many times a trajectory may have branched; 0 is best_of_n."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def propose(self, tree: Tree, pending: Sequence[Expansion]) -> list[Expansion]:
        """What is missing at the root and at the branch points of the rollouts that are back."""
        under_way: Counter[int] = Counter()
        for expansion in pending:
            under_way[expansion.parent] += expansion.num_rollouts
        wanted = [(ROOT, self.config.rollouts)]
        for leaf in tree.leaves():
            path = tree.path(leaf)
            if _num_branchings(path) < self.config.depth:
                # Each point has one child already, the rollout that it lies on.
                wanted += [(point, 1 + self.config.branches) for point in self._points(path)]
        missing = ((node, n - len(tree.children(node)) - under_way[node]) for node, n in wanted)
        return [Expansion(parent=node, num_rollouts=n) for node, n in missing if n > 0]

    def _points(self, path: Sequence[Node]) -> list[int]:
        """Ids of the branch points on the rollout that ends the path, evenly spaced."""
        own = path[_own_start(path) : -1]
        count = min(self.config.points, len(own))
        return [own[(2 * i + 1) * len(own) // (2 * count)].id for i in range(count)]


def _own_start(path: Sequence[Node]) -> int:
    """Index of the first node that the path's last rollout sampled itself."""
    for index in range(len(path) - 1, 0, -1):
        if path[index].parent == ROOT or path[index].slot > 0:
            return index
    raise ValueError("expected a path that ends in a rollout, got the root alone")


def _num_branchings(path: Sequence[Node]) -> int:
    """How many of the path's rollouts start within another one."""
    return sum(node.slot > 0 and node.parent != ROOT for node in path)
