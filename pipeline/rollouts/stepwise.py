"""Samples step by step: a request pauses after a step and continues on demand.

A request pauses at the strings that end steps. To continue, it is sent again with its whole prefix,
which the engine has in its cache. If the engine respects the seed, the samples do not depend on the
number of steps per call.
"""

import asyncio
from dataclasses import dataclass, replace

from pipeline.engines import Completion, Engine, Request, join_versions
from pipeline.hashing import derive_seed
from pipeline.tree import Finish


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """An unfinished or finished continuation."""

    index: int
    """Its index within the request."""
    completion: Completion
    """Finished as STEP if it can continue."""
    num_steps: int
    """Number of steps; blank text is not a step."""
    turn: int = 0
    """Number of times it was sent again."""

    @property
    def can_go_on(self) -> bool:
        """Whether it has not ended."""
        return self.completion.finish is Finish.STEP


async def begin(engine: Engine, request: Request) -> list[Paused]:
    """Samples the request's continuations up to their first pause.

    Raises EngineDied or RequestRejected, and ValueError for a request without strings to pause at.
    """
    if not request.pause:
        raise ValueError("expected strings at which a step ends, got none")
    return [
        _paused(request, index, one, num_steps=_num_steps(one))
        for index, one in enumerate(await engine.generate(request))
    ]


async def go_on(engine: Engine, request: Request, paused: Paused, num_steps: int) -> Paused:
    """Continues up to `num_steps` steps in total, fewer if the response ends earlier.

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
    """Samples `request.num_rollouts` completions of `num_steps` steps, fewer if the response ends
    earlier.

    Raises the errors of `begin`.
    """
    begun = await begin(engine, request)
    ended = await asyncio.gather(*(go_on(engine, request, one, num_steps) for one in begun))
    return [one.completion for one in ended]


def _paused(
    request: Request, index: int, completion: Completion, *, num_steps: int, turn: int = 0
) -> Paused:
    """A continuation; if it pauses with no tokens left, it cannot continue."""
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
        model_version=join_versions((one.model_version, other.model_version)),
    )
