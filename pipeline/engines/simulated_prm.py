"""A reward model for the simulated solver, with adjustable accuracy.

It uses the true pass rate of a prefix, which is unknown for a real solver. Its errors are
deterministic: they depend on a hash of the prefix.
"""

import hashlib
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from pipeline.engines.simulated import END_TOKEN, SimulatedEngine
from reward_models import RewardModelBase, Score, Steps


class SimulatedPrm(RewardModelBase):
    """A `RewardModel`: (1 - noise) times the true pass rate, plus noise times a number in [0, 1)."""

    reads_engine = SimulatedEngine

    class Config(BaseModel):
        """Accuracy of the model."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        noise: float = Field(default=0.1, ge=0, le=1)
        """Fraction of a score that is random; 1 makes all scores random."""

    def __init__(self, config: Config, engine: SimulatedEngine) -> None:
        self.config = config
        self.name = "simulated"
        self.revision = "1"
        self._engine = engine

    async def score(self, batch: Sequence[Steps]) -> list[Score]:
        """Raises ValueError for a prompt that is not the simulated solver's."""
        return [
            Score(model=self.name, revision=self.revision, values=tuple(self._values(steps)))
            for steps in batch
        ]

    def _values(self, steps: Steps) -> list[float]:
        values, prefix = [], list(steps.prompt_token_ids)
        for ids in steps.token_ids:
            prefix += [token for token in ids if token != END_TOKEN]
            true = self._engine.true_pass_rate(prefix)
            values.append((1 - self.config.noise) * true + self.config.noise * _random(prefix))
        return values


def _random(prefix: Sequence[int]) -> float:
    """A number in [0, 1) that depends only on the prefix."""
    digest = hashlib.blake2b(bytes(prefix), digest_size=7).digest()
    return float(int.from_bytes(digest) / 2**56)
