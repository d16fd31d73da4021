"""Samples step by step: a request pauses after a step, and goes on when it is told to.

A request pauses at the strings by which steps end, and each continuation is sent again, prefix and all:
the engine has the prefix in its cache. What is sampled does not depend on how many steps are asked for
at once, where the engine goes by its seed.
"""

import asyncio
from dataclasses import dataclass, replace

from pipeline.engines import Completion, Engine, Request
from pipeline.seeds import derive_seed
from pipeline.tree import Finish


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """A continuation so far."""

    index: int
    """Its place among those of its request."""
    completion: Completion
    """Finished as STEP if it can go on."""
    num_steps: int
    """A blank stretch is no step."""
    turn: int = 0
    """Times that it was sent again."""

    @property
    def can_go_on(self) -> bool:
        """Whether it has not ended."""
        return self.completion.finish is Finish.STEP


async def begin(engine: Engine, request: Request) -> list[Paused]:
    """The request's continuations, up to where each pauses first.

    Raises EngineDied or RequestRejected, and ValueError for a request without strings to pause at.
    """
    if not request.pause:
        raise ValueError("expected strings at which a step ends, got none")
    return [
        _paused(request, index, one, num_steps=_num_steps(one))
        for index, one in enumerate(await engine.generate(request))
    ]


async def go_on(engine: Engine, request: Request, paused: Paused, num_steps: int) -> Paused:
    """The continuation with so many steps in all, fewer where it ends before.

    Raises EngineDied or RequestRejected.
    """
    while paused.can_go_on and paused.num_steps < num_steps:
        so_far, turn = paused.completion, paused.turn + 1
        (more,) = await engine.generate(
            replace(
                request,
                token_ids=[*request.token_ids, *so_far.token_ids],
                num_rollouts=1,
                max_tokens=request.max_tokens - len(so_far.token_ids),
                seed=derive_seed(request.seed, paused.index, turn),
            )
        )
        steps = paused.num_steps + _num_steps(more)
        paused = _paused(request, paused.index, _join(so_far, more), num_steps=steps, turn=turn)
    return paused


async def generate_steps(engine: Engine, request: Request, num_steps: int) -> list[Completion]:
    """`request.num_rollouts` completions of `num_steps` steps, fewer where the response ends before.

    Raises what `begin` does.
    """
    begun = await begin(engine, request)
    ended = await asyncio.gather(*(go_on(engine, request, one, num_steps) for one in begun))
    return [one.completion for one in ended]


def _paused(
    request: Request, index: int, completion: Completion, *, num_steps: int, turn: int = 0
) -> Paused:
    """One that pauses where its tokens are used up cannot go on."""
    if completion.finish is Finish.STEP and len(completion.token_ids) >= request.max_tokens:
        completion = replace(completion, finish=Finish.LENGTH)
    return Paused(index=index, completion=completion, num_steps=num_steps, turn=turn)


def _num_steps(completion: Completion) -> int:
    return int(bool(completion.text.strip()))


def _join(one: Completion, other: Completion) -> Completion:
    logprobs = None
    if one.logprobs is not None and other.logprobs is not None:
        logprobs = one.logprobs + other.logprobs
    return replace(
        other,
        token_ids=one.token_ids + other.token_ids,
        token_texts=one.token_texts + other.token_texts,
        text=one.text + other.text,
        logprobs=logprobs,
    )
