"""`survivors`: samples whole rollouts as long as the next is likely to add a new survivor.

    1. sample one rollout of the whole problem at a time
    2. estimate the probability that the next rollout adds a new survivor: the probability that it
       passes, multiplied, if any has passed, by the probability that its text is new
    3. go to 1 while this probability is at least `least_first`, or `least_more` once there is a
       survivor, and there are fewer than `most` survivors

So the search leaves a problem whose first two rollouts fail; a problem with a single right response
costs two or three rollouts; the tokens saved go to other problems. The stopping rule has the same
price for all problems of a run: the expected number of survivors per rollout. Lower prices solve more
problems of a given set, for more tokens each.

The pass rate has a Beta prior, which can be set to a problem set's known pass rate. A rollout that is
truncated, or whose verdict is neither PASS nor FAIL, adds no survivor and counts as not passed. If d
of s passed rollouts were distinct, the first always being so, the next is new with probability d / (s
+ 1), the mean under a uniform prior.
"""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.search import Expansion
from pipeline.search.base import StrategyBase
from pipeline.tree import ROOT, Tree


class Survivors(StrategyBase):
    """Maximises survivors per token, over many problems."""

    class Config(BaseModel):
        """Options of `survivors`."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        most: int = Field(default=3, ge=1)
        """Distinct passed responses after which the search leaves the problem."""
        least_first: float = Field(default=0.2, gt=0, lt=1)
        """Least probability of a first survivor at which the search continues."""
        least_more: float = Field(default=0.3, gt=0, lt=1)
        """Least probability of another survivor at which the search continues."""
        prior_passes: float = Field(default=0.5, gt=0)
        """Prior passes: with `prior_fails` the Beta prior of a problem's pass rate. Their sum is the
        prior's weight in rollouts."""
        prior_fails: float = Field(default=0.5, gt=0)
        """Prior fails: the number of failed rollouts assumed before a problem's first."""

        @model_validator(mode="after")
        def _check_first(self) -> "Survivors.Config":
            mean = self.prior_passes / (self.prior_passes + self.prior_fails)
            if mean < self.least_first:
                raise ValueError(
                    f"expected `least_first` to be at most the prior's mean of {mean:.3f}, "
                    f"because above it nothing is sampled, got {self.least_first}"
                )
            return self

    def __init__(self, config: Config) -> None:
        self.config = config

    @property
    def fixed_rollouts(self) -> int:
        """1: only the first rollout is sampled regardless of outcomes."""
        return 1

    def propose(self, tree: Tree, pending: Sequence[Expansion]) -> list[Expansion]:
        """One more whole rollout, if it is worth its tokens."""
        if pending:
            return []
        passed = [leaf for child in tree.children(ROOT) if tree.passed(leaf := tree.leaf_of(child))]
        # The same comparison as pruning uses for duplicates.
        num_distinct = len({" ".join(tree.response(leaf).split()) for leaf in passed})
        least = self.config.least_more if passed else self.config.least_first
        probability = self._probability(len(tree.children(ROOT)), len(passed), num_distinct)
        if num_distinct >= self.config.most or probability < least:
            return []
        return [Expansion(parent=ROOT, num_rollouts=1)]

    def _probability(self, num_rollouts: int, num_passed: int, num_distinct: int) -> float:
        """Probability that the next rollout adds a new survivor."""
        prior_passes, prior_fails = self.config.prior_passes, self.config.prior_fails
        passes = (prior_passes + num_passed) / (prior_passes + prior_fails + num_rollouts)
        return passes * num_distinct / (num_passed + 1) if num_passed else passes
