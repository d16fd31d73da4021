"""What a search asks of engine, verifiers and disk, in tokens, from a config and what is expected."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from pipeline.config import RunConfig
from pipeline.preflight.estimate import Cost, search_cost

_NUM_SIMULATED = 24
_STEPS = 3.5
"""Mean number of steps of the simulated solver's responses."""
_BYTES_PER_TOKEN = 4.5
"""Of `trees` on disk, measured by `python -m benchmarks heavy`."""


class Expected(BaseModel):
    """What is not in the config, and has to be guessed or taken from an earlier run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    problems: int = Field(default=1000, ge=1)
    """Problems of the run."""
    prompt_tokens: int = Field(default=200, ge=1)
    """Mean length of a prompt."""
    response_tokens: int = Field(default=500, ge=1)
    """Mean length of a whole response."""
    pass_rate: float = Field(default=0.5, gt=0, lt=1)
    """Fraction of whole responses that are right, for a problem of medium difficulty."""
    verdict_seconds: float = Field(default=0.002, ge=0)
    """Processor time of a verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchLoad:
    """What a run's search asks for, all problems together."""

    cost: Cost
    """Of a problem, in units of whole rollouts."""
    sampled: float
    """Tokens."""
    read_once: float
    """Tokens of prompts, if the engine keeps every prefix of a tree."""
    read_again: float
    """Tokens of prompts and prefixes, if it keeps none."""
    verdicts: float
    survivors: float
    disk_bytes: float


async def search_load(config: RunConfig, expected: Expected) -> SearchLoad:
    """Searches some problems of the simulated solver with the config's strategy and budget."""
    error_rate = 1 - expected.pass_rate ** (1 / _STEPS)
    cost = await search_cost(config, error_rate=error_rate, num_problems=_NUM_SIMULATED)
    number, length = expected.problems, expected.response_tokens
    sampled = number * cost.whole_rollouts * length
    if config.budget.tokens is not None:
        sampled = min(sampled, number * config.budget.tokens)
    return SearchLoad(
        cost=cost,
        sampled=sampled,
        read_once=number * expected.prompt_tokens,
        read_again=number * (cost.rollouts * expected.prompt_tokens + cost.prefixes * length),
        verdicts=number * cost.verdicts,
        survivors=number * cost.survivors,
        disk_bytes=sampled * _BYTES_PER_TOKEN,
    )
