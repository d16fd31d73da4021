"""`confidence`: scores each step by the solver's own confidence, at no cost.

A step's score is the geometric mean of the probabilities with which its tokens were sampled: the
exponential of their mean log-probability. A model tends to be confident where it is right. DeepConf (Fu
et al., 2025, arXiv:2508.15260) stops and weights responses by the lowest confidence of any stretch;
with `aggregate: min` that is the least confident step.

The score contains no information about correctness: a solver that is confident of its mistakes gets
high scores for them.
"""

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from reward_models.records import RewardModelBase, Score, Steps


class Confidence(RewardModelBase):
    """Scores steps by the log-probabilities of their tokens."""

    name, revision = "confidence", "1"
    needs_logprobs = True

    class Config(BaseModel):
        """No options."""

        model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, config: Config) -> None:
        self.config = config

    def score(self, batch: Sequence[Steps]) -> list[Score]:
        """One score per response; None for every step of a response without log-probabilities."""
        return [
            Score(model=self.name, revision=self.revision, values=tuple(_sureness(steps)))
            for steps in batch
        ]


def _sureness(steps: Steps) -> list[float | None]:
    if not steps.logprobs:
        return [None] * len(steps.texts)
    return [
        None if logprob is None or not ids else min(1.0, math.exp(logprob / len(ids)))
        for logprob, ids in zip(steps.logprobs, steps.token_ids, strict=True)
    ]
