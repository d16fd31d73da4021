"""Counts the tokens that an engine samples and reads, including those for unfinished problems."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pipeline.engines import Completion, Engine, Observable, Prompt, Request
from pipeline.engines.border import check_completions, check_prompt
from pipeline.records import Problem
from pipeline.tree import Finish


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens and rollouts of an engine; usages add up."""

    num_tokens: int = 0
    """Tokens sampled in answered requests."""
    num_unanswered_tokens: int = 0
    """Tokens sampled for aborted requests, and for unfinished ones if the engine reports them."""
    num_rollouts: int = 0
    """Finished rollouts, including those of unfinished problems."""
    num_prompt_tokens: int = 0
    """Prefix tokens, once for every sampled sequence, as if no prefix were shared."""
    num_cached_tokens: int | None = 0
    """Prefix tokens taken from the prefix cache; None if unknown for any sequence."""

    @property
    def num_live_tokens(self) -> int:
        """Tokens sampled, including those of unfinished requests."""
        return self.num_tokens + self.num_unanswered_tokens

    def __add__(self, other: "Usage") -> "Usage":
        cached = (self.num_cached_tokens, other.num_cached_tokens)
        return Usage(
            num_tokens=self.num_tokens + other.num_tokens,
            num_unanswered_tokens=self.num_unanswered_tokens + other.num_unanswered_tokens,
            num_rollouts=self.num_rollouts + other.num_rollouts,
            num_prompt_tokens=self.num_prompt_tokens + other.num_prompt_tokens,
            num_cached_tokens=_sum_if_known(cached),
        )

    @classmethod
    def of(cls, request: Request, completions: Iterable[Completion]) -> "Usage":
        """The usage of one answered request."""
        # A greedy rollout requested several times is sampled once and is one object.
        given = list(completions)
        sampled = {id(completion): completion for completion in given}.values()
        return cls(
            num_tokens=sum(len(completion.token_ids) for completion in sampled),
            num_rollouts=sum(completion.finish is not Finish.STEP for completion in given),
            num_prompt_tokens=len(request.token_ids) * len(sampled),
            num_cached_tokens=_sum_if_known(completion.num_cached_tokens for completion in sampled),
        )


class MeteredEngine:
    """An `Engine` around another one."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._usage = Usage()

    @property
    def usage(self) -> Usage:
        """Usage so far."""
        if not isinstance(self._engine, Observable):
            return self._usage
        unanswered = max(0, self._engine.num_live_tokens - self._usage.num_tokens)
        return replace(self._usage, num_unanswered_tokens=unanswered)

    @property
    def notes(self) -> tuple[str, ...]:
        """The inner engine's notes."""
        return tuple(self._engine.notes) if isinstance(self._engine, Observable) else ()

    @property
    def model_version(self) -> str:
        """The inner engine's version."""
        return self._engine.model_version

    async def start(self) -> None:
        """Starts the inner engine."""
        await self._engine.start()

    async def close(self) -> None:
        """Closes the inner engine."""
        await self._engine.close()

    def encode(self, problem: Problem) -> Prompt:
        """Encodes with the inner engine."""
        return check_prompt(self._engine.encode(problem))

    async def generate(self, request: Request) -> list[Completion]:
        """Samples with the inner engine and counts the tokens."""
        completions = check_completions(request, await self._engine.generate(request))
        self._usage += Usage.of(request, completions)
        return completions


def _sum_if_known(values: Iterable[int | None]) -> int | None:
    total = 0
    for value in values:
        if value is None:
            return None
        total += value
    return total
