"""`best_of_n`: samples n independent rollouts of the whole problem.

Repeated sampling as in "Large Language Monkeys" (Brown et al., 2024, arXiv:2407.21787).
"""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from pipeline.search import Expansion
from pipeline.search.base import StrategyBase
from pipeline.tree import ROOT, Tree

_TOGETHER = 8
"""Rollouts of one expansion. They wait for each other, and join the tree, whose state is stored at
intervals, together; many small expansions cost more."""


class BestOfN(StrategyBase):
    """Samples n rollouts from the root."""

    class Config(BaseModel):
        """Options of `best_of_n`."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        rollouts: int = Field(default=8, ge=1)
        """Whole rollouts of each problem."""

    def __init__(self, config: Config) -> None:
        self.config = config

    @property
    def fixed_rollouts(self) -> int:
        """Number of whole rollouts, sampled regardless of outcomes."""
        return self.config.rollouts

    def propose(self, tree: Tree, pending: Sequence[Expansion]) -> list[Expansion]:
        """The rollouts missing from n."""
        asked = len(tree.children(ROOT)) + sum(expansion.num_rollouts for expansion in pending)
        missing = range(asked, self.config.rollouts, _TOGETHER)
        return [
            Expansion(parent=ROOT, num_rollouts=min(_TOGETHER, self.config.rollouts - first))
            for first in missing
        ]
