"""`confidence`: how sure the solver itself was of each step, at no cost.

A step's score is the geometric mean of the probabilities with which its tokens were sampled: the
exponential of their mean log-probability. Where a model knows what it does, it is sure. DeepConf (Fu et
al., 2025, arXiv:2508.15260) ends and weighs responses so, by the lowest confidence of any stretch; with
`aggregate: min` that is the least sure step.

It knows nothing of what is right: a solver that is sure of its mistakes deceives it.
"""

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from reward_models.records import Score, Steps


class Confidence:
    """Scores steps by the log-probabilities of their tokens."""

    name, revision = "confidence", "1"
    needs_logprobs = True

    class Config(BaseModel):
        """It has no options."""

        model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, config: Config) -> None:
        self.config = config

    def score(self, batch: Sequence[Steps]) -> list[Score]:
        """None for every step of a response without log-probabilities."""
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
