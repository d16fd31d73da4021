"""Counts what an engine samples and what it reads for that, also for problems still under way."""

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.engines import Completion, Engine, Prompt, Request
from pipeline.records import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What sampling took; usages add up."""

    num_tokens: int = 0
    """Sampled."""
    num_prompt_tokens: int = 0
    """Prefix tokens, once for every sampled sequence: what would be computed if none were shared."""
    num_cached_tokens: int | None = 0
    """Of those, the ones that came from the prefix cache; None if that is unknown of any sequence."""

    def __add__(self, other: "Usage") -> "Usage":
        cached = (self.num_cached_tokens, other.num_cached_tokens)
        return Usage(
            num_tokens=self.num_tokens + other.num_tokens,
            num_prompt_tokens=self.num_prompt_tokens + other.num_prompt_tokens,
            num_cached_tokens=_sum_if_known(cached),
        )

    @classmethod
    def of(cls, request: Request, completions: Iterable[Completion]) -> "Usage":
        """Of one request that was answered."""
        # A greedy rollout that is asked for several times is sampled once and is one object.
        sampled = {id(completion): completion for completion in completions}.values()
        return cls(
            num_tokens=sum(len(completion.token_ids) for completion in sampled),
            num_prompt_tokens=len(request.token_ids) * len(sampled),
            num_cached_tokens=_sum_if_known(completion.num_cached_tokens for completion in sampled),
        )


class MeteredEngine:
    """An `Engine` around another one."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.usage = Usage()
        """So far."""

    @property
    def model_version(self) -> str:
        """The inner engine's."""
        return self._engine.model_version

    async def start(self) -> None:
        """Starts the inner engine."""
        await self._engine.start()

    async def close(self) -> None:
        """Closes the inner engine."""
        await self._engine.close()

    def encode(self, problem: Problem) -> Prompt:
        """As the inner engine does."""
        return self._engine.encode(problem)

    async def generate(self, request: Request) -> list[Completion]:
        """As the inner engine does, counted."""
        completions = await self._engine.generate(request)
        self.usage += Usage.of(request, completions)
        return completions


def _sum_if_known(values: Iterable[int | None]) -> int | None:
    total = 0
    for value in values:
        if value is None:
            return None
        total += value
    return total
