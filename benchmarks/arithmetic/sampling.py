"""What a prefix is worth, by sampling from it many times: slow, and as exact as one pays for."""

import asyncio
from dataclasses import replace

from pipeline.engines import Engine, Request, Sampling
from pipeline.explore import Judge
from pipeline.hashing import derive_seed
from pipeline.records import Problem
from pipeline.tree import Finish
from verifiers import Outcome


async def pass_rate_by_sampling(
    engine: Engine,
    judge: Judge,
    problem: Problem,
    prefix: str,
    *,
    num_rollouts: int,
    sampling: Sampling,
    seed: int = 0,
) -> float:
    """Share of the continuations of a response's beginning that end in the right answer, 0 to 1.

    An unbiased estimate with a standard error of at most 0.5 / sqrt(num_rollouts). What is truncated,
    or has no answer, has not passed. The engine is to have this package's tokenizer, for which a text
    is its token ids, and a prompt format without anything behind the problem. Calls may overlap. Raises
    what the engine raises.
    """
    # A beginning ends anywhere, in white space too, which a problem's prompt does not.
    prompt = engine.encode(replace(problem, prompt=problem.prompt + prefix))
    completions = await engine.generate(
        Request(
            token_ids=prompt.token_ids,
            num_rollouts=num_rollouts,
            max_tokens=sampling.max_tokens - len(prefix),
            sampling=sampling,
            seed=derive_seed(seed, problem.id, prefix),
        )
    )
    complete = [completion for completion in completions if completion.finish is Finish.STOP]
    verdicts = await asyncio.gather(
        *(judge.verify(problem.prompt, prefix + each.text, problem.target) for each in complete)
    )
    return sum(verdict.outcome is Outcome.PASS for verdict in verdicts) / num_rollouts
