"""Samples a given number of steps instead of a whole response.

A request pauses at the strings by which steps end, and each continuation is sent again, prefix and all,
until it has its steps: the engine has the prefix in its cache.
"""

import asyncio
from dataclasses import replace

from pipeline.engines import Completion, Engine, Request
from pipeline.seeds import derive_seed
from pipeline.tree import Finish


async def generate_steps(engine: Engine, request: Request, num_steps: int) -> list[Completion]:
    """`request.num_rollouts` completions of `num_steps` steps, fewer where the response ends before.

    Those that can go on finish as STEP; one that pauses where its tokens are used up cannot. Raises
    EngineDied or RequestRejected, and ValueError for a request without strings to pause at.
    """
    if not request.pause:
        raise ValueError("expected strings at which a step ends, got none")
    begun = await engine.generate(request)
    return await asyncio.gather(
        *(_go_on(engine, request, index, num_steps, one) for index, one in enumerate(begun))
    )


async def _go_on(
    engine: Engine, request: Request, index: int, num_steps: int, completion: Completion
) -> Completion:
    """The completion with the steps that it lacks; a blank stretch is no step."""
    steps, turn = int(bool(completion.text.strip())), 0
    while completion.finish is Finish.STEP and steps < num_steps:
        turn += 1
        left = request.max_tokens - len(completion.token_ids)
        if left <= 0:
            break
        (more,) = await engine.generate(
            replace(
                request,
                token_ids=[*request.token_ids, *completion.token_ids],
                num_rollouts=1,
                max_tokens=left,
                seed=derive_seed(request.seed, index, turn),
            )
        )
        steps += bool(more.text.strip())
        completion = _join(completion, more)
    if completion.finish is Finish.STEP and len(completion.token_ids) >= request.max_tokens:
        return replace(completion, finish=Finish.LENGTH)
    return completion


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
