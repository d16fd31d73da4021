"""`best_of_n`: n independent rollouts of the whole problem.

Repeated sampling as in "Large Language Monkeys" (Brown et al., 2024, arXiv:2407.21787).
"""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from pipeline.search import Expansion
from pipeline.tree import ROOT, Tree


class BestOfN:
    """n rollouts from the root, and nothing else."""

    class Config(BaseModel):
        """How many."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        n: int = Field(default=8, ge=1)

    def __init__(self, config: Config) -> None:
        self.config = config

    @property
    def fixed_rollouts(self) -> int:
        """Whole rollouts that are sampled whatever comes back."""
        return self.config.n

    def propose(self, tree: Tree, pending: Sequence[Expansion]) -> list[Expansion]:
        """What is missing of n rollouts."""
        asked = len(tree.children(ROOT)) + sum(expansion.num_rollouts for expansion in pending)
        missing = self.config.n - asked
        return [Expansion(parent=ROOT, num_rollouts=missing)] if missing > 0 else []
