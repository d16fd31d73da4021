"""Several engines side by side: which one explores which problem.

The choice follows from the run's seed, the problem's id and the shares alone, so a resumed run makes it
again. It is weighted rendezvous hashing (Schindelhauer and Schomaker, 2005): if a share grows or an
engine is added at the end, problems move to that engine only.
"""

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from pipeline.hashing import derive_seed
from verifiers.plugins import Part

_NUM_SEEDS = 2**63


class EngineShare(BaseModel):
    """What an entry of `engines` has besides the engine's own options."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    share: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """The engine's part of the problems, relative to the other engines' shares."""


def share_of(part: Part) -> float:
    """The share of an entry of `engines`."""
    assert isinstance(part.settings, EngineShare)
    return part.settings.share


def choose_engine(seed: int, problem_id: str, shares: Sequence[float]) -> int:
    """The index of the problem's engine; `shares` has a positive number for each engine."""
    draws = [
        (derive_seed("engine", seed, problem_id, index) + 1) / (_NUM_SEEDS + 1)
        for index in range(len(shares))
    ]
    costs = [-math.log(draw) / share for draw, share in zip(draws, shares, strict=True)]
    return costs.index(min(costs))
