"""Rollouts of a given number of steps, with the simulated solver."""

import pytest

from pipeline.engines import PromptFormat, Request, Sampling
from pipeline.engines.simulated import SimulatedEngine
from pipeline.rollouts.steps import StepConfig, StepSplitter
from pipeline.rollouts.stepwise import begin, generate_steps, go_on
from pipeline.tree import Finish
from tests.conftest import make_problem

ENGINE = SimulatedEngine(SimulatedEngine.Config(min_steps=4, max_steps=4), PromptFormat())
SPLITTER = StepSplitter(StepConfig())


def request(max_tokens: int = 400) -> Request:
    return Request(
        token_ids=ENGINE.encode(make_problem()).token_ids,
        num_rollouts=3,
        max_tokens=max_tokens,
        sampling=Sampling(max_tokens=400),
        seed=5,
        pause=SPLITTER.pauses,
    )


async def test_a_rollout_of_two_versions_names_both() -> None:
    engine = SimulatedEngine(SimulatedEngine.Config(min_steps=4, max_steps=4), PromptFormat())
    old = engine.model_version
    paused = await begin(engine, request())
    new = await engine.update_weights("error_rate=0.5")
    gone_on = [await go_on(engine, request(), one, 3) for one in paused]
    assert {one.completion.model_version for one in paused} == {old}
    assert {one.completion.model_version for one in gone_on} == {f"{old} > {new}"}


@pytest.mark.parametrize("num_steps", [1, 2, 4])
async def test_a_rollout_pauses_after_its_steps(num_steps: int) -> None:
    completions = await generate_steps(ENGINE, request(), num_steps)
    assert len(completions) == 3
    for completion in completions:
        assert completion.finish is Finish.STEP
        assert completion.text.endswith("\n")
        assert len(SPLITTER.split(completion)) == num_steps


async def test_a_rollout_that_ends_before_is_complete() -> None:
    for completion in await generate_steps(ENGINE, request(), 9):
        assert completion.finish is Finish.STOP
        assert len(SPLITTER.split(completion)) == 5


@pytest.mark.parametrize("num_steps", [1, 3])
async def test_one_that_pauses_where_its_tokens_are_used_up_is_cut_off(num_steps: int) -> None:
    (first, *_) = await generate_steps(ENGINE, request(), num_steps)
    limit = len(first.token_ids)
    (same, *_) = await generate_steps(ENGINE, request(max_tokens=limit), num_steps)
    assert same.token_ids == first.token_ids
    assert same.finish is Finish.LENGTH
    (more, *_) = await generate_steps(ENGINE, request(max_tokens=limit + 1), num_steps)
    assert more.finish is Finish.STEP


async def test_without_strings_to_pause_at_it_is_refused() -> None:
    whole = Request(token_ids=[1], num_rollouts=1, max_tokens=9, sampling=Sampling(), seed=1)
    with pytest.raises(ValueError, match="strings at which a step ends"):
        await generate_steps(ENGINE, whole, 1)
