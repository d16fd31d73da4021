"""`survivors`: whole rollouts as long as the next one is likely to bring a new survivor.

    1. one rollout of the whole problem at a time
    2. the chance that the next one brings a survivor which is not there yet: that it passes, times, if
       any has passed, that its text is new
    3. on to 1 while that chance is at least `least_first`, or `least_more` once there is a survivor,
       and fewer than `most` are there

So a problem whose first two rollouts fail is left, one that has a single right response costs two or
three, and what is saved goes to other problems. It is a stopping rule with the same prices for all
problems of a run: the survivors that a rollout has to be expected to bring. Lower prices solve more
problems of a given set, for more tokens each.

The chance to pass has a Beta prior, which a set's known pass rate can replace; a rollout that is cut
off, or whose verdict is neither PASS nor FAIL, brings no survivor and counts as one that did not pass.
Of s that passed d were distinct, the first one always: the next one is new with d / (s + 1), the mean
under a uniform prior.
"""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.search import Expansion
from pipeline.tree import ROOT, Tree


class Survivors:
    """As many survivors for the tokens as it can, of as many problems."""

    class Config(BaseModel):
        """When to leave a problem."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        most: int = Field(default=3, ge=1)
        """Distinct responses that passed, after which the problem is left."""
        least_first: float = Field(default=0.2, gt=0, lt=1)
        """Chance of a first survivor under which the problem is left."""
        least_more: float = Field(default=0.3, gt=0, lt=1)
        """Chance of one more under which it is left."""
        prior_passes: float = Field(default=0.5, gt=0)
        """With `prior_fails` the Beta prior of a problem's pass rate; their sum is the weight that it
        has, in rollouts."""
        prior_fails: float = Field(default=0.5, gt=0)

        @model_validator(mode="after")
        def _check_first(self) -> "Survivors.Config":
            mean = self.prior_passes / (self.prior_passes + self.prior_fails)
            if mean < self.least_first:
                raise ValueError(
                    f"expected `least_first` to be at most the prior's mean of {mean:.3f}, over which "
                    f"nothing is sampled, got {self.least_first}"
                )
            return self

    def __init__(self, config: Config) -> None:
        self.config = config

    @property
    def fixed_rollouts(self) -> int:
        """Whole rollouts that are sampled whatever comes back: the first one alone."""
        return 1

    def propose(self, tree: Tree, pending: Sequence[Expansion]) -> list[Expansion]:
        """One more whole rollout, if it is worth it."""
        if pending:
            return []
        passed = [leaf for child in tree.children(ROOT) if tree.passed(leaf := tree.leaf_of(child))]
        # As pruning tells duplicates.
        num_distinct = len({" ".join(tree.response(leaf).split()) for leaf in passed})
        least = self.config.least_more if passed else self.config.least_first
        chance = self._chance(len(tree.children(ROOT)), len(passed), num_distinct)
        if num_distinct >= self.config.most or chance < least:
            return []
        return [Expansion(parent=ROOT, num_rollouts=1)]

    def _chance(self, num_rollouts: int, num_passed: int, num_distinct: int) -> float:
        """Of a new survivor by the next rollout."""
        prior_passes, prior_fails = self.config.prior_passes, self.config.prior_fails
        passes = (prior_passes + num_passed) / (prior_passes + prior_fails + num_rollouts)
        return passes * num_distinct / (num_passed + 1) if num_passed else passes
