"""The simulated solver is what it says: deterministic, and as good as its stated pass rate."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engines import Completion, PromptFormat, Request, Sampling
from pipeline.engines.simulated import SimulatedEngine, _Task
from pipeline.rollouts.steps import StepConfig, StepSplitter
from tests.conftest import make_problem
from verifiers.answers import extract_answer

NUM_ROLLOUTS = 4000


async def sample(
    engine: SimulatedEngine, ids: tuple[int, ...], num_rollouts: int, seed: int = 1
) -> list[Completion]:
    return await engine.generate(
        Request(
            token_ids=ids,
            num_rollouts=num_rollouts,
            max_tokens=1000,
            sampling=Sampling(max_tokens=1000),
            seed=seed,
        )
    )


@pytest.mark.parametrize("error_rate", [0.0, 0.1, 0.4, 1.0])
@pytest.mark.parametrize("num_steps", [0, 1, 2])
async def test_the_true_pass_rate_is_what_sampling_finds(error_rate: float, num_steps: int) -> None:
    config = SimulatedEngine.Config(error_rate=error_rate, recovery_rate=0.1, min_steps=3)
    engine = SimulatedEngine(config, PromptFormat())
    ids = engine.encode(make_problem(answer="5")).token_ids
    (first,) = await sample(engine, ids, 1)
    for step in StepSplitter(StepConfig()).split(first)[:num_steps]:
        ids += step.token_ids
    rollouts = await sample(engine, ids, NUM_ROLLOUTS)
    passes = sum(extract_answer(rollout.text) == "5" for rollout in rollouts)
    # Four standard deviations of a binomial share, at its widest.
    assert passes / NUM_ROLLOUTS == pytest.approx(
        engine.true_pass_rate(ids), abs=4 * 0.5 / NUM_ROLLOUTS**0.5
    )


async def test_true_steps_agree_with_the_final_answer() -> None:
    engine = SimulatedEngine(SimulatedEngine.Config(error_rate=0.3), PromptFormat())
    prompt = engine.encode(make_problem(answer="5")).token_ids
    for rollout in await sample(engine, prompt, 200):
        steps = engine.true_steps([*prompt, *rollout.token_ids[:-1]])
        assert steps
        assert steps[-1] == (extract_answer(rollout.text) == "5")


@settings(max_examples=30)
@given(st.text(min_size=1), st.text(min_size=1), st.integers(0, 2**62))
async def test_the_same_request_gives_the_same_tokens(prompt: str, answer: str, seed: int) -> None:
    engine = SimulatedEngine(SimulatedEngine.Config(), PromptFormat())
    ids = engine.encode(make_problem(prompt, answer)).token_ids
    assert await sample(engine, ids, 3, seed) == await sample(engine, ids, 3, seed)
    for completion in await sample(engine, ids, 3, seed):
        assert bytes(completion.token_ids[:-1]).decode() == completion.text


async def test_a_prefix_of_another_engine_is_refused() -> None:
    engine = SimulatedEngine(SimulatedEngine.Config(), PromptFormat())
    with pytest.raises(ValueError, match="this engine's own"):
        await sample(engine, tuple(b"What is 2 + 3?"), 1)


@settings(max_examples=30)
@given(st.integers(0, 2**62), st.integers(0, 3), st.booleans())
async def test_scores_are_the_probabilities_with_which_it_samples(
    seed: int, num_steps: int, goes_wrong: bool
) -> None:
    """A whole response has the probabilities of its lines, but for the bytes that count as noise."""
    options = {"error_rate": 0.4 + 0.6 * goes_wrong, "recovery_rate": 0.3, "min_steps": 3}
    config = SimulatedEngine.Config.model_validate(options)
    engine = SimulatedEngine(config, PromptFormat())
    prompt = engine.encode(make_problem(answer="5")).token_ids
    (sampled,) = await sample(engine, prompt, 1, seed=seed)
    steps = [step.token_ids for step in StepSplitter(StepConfig()).split(sampled)]
    prefix, rest = [*prompt, *sum(steps[:num_steps], ())], sum(steps[num_steps:], ())
    scores = await engine.score_tokens(prefix, rest)
    expected = 0.0
    for number in range(num_steps, len(steps)):
        before = _Task.read([*prompt, *sum(steps[:number], ())], config)
        lines = before.next_lines()
        assert sum(weight for weight, _ in lines) == pytest.approx(1)
        expected += math.log(sum(weight for weight, line in lines if line == steps[number]))
    assert sum(scores) == pytest.approx(expected, abs=2e-3 * len(rest))


async def test_what_it_never_says_is_improbable_and_what_follows_is_not() -> None:
    engine = SimulatedEngine(SimulatedEngine.Config(), PromptFormat())
    prompt = engine.encode(make_problem(answer="5")).token_ids
    (sampled,) = await sample(engine, prompt, 1)
    said, odd = sampled.token_ids, engine.encode_text("Alas, no.\n")
    alone = await engine.score_tokens(prompt, said)
    after = await engine.score_tokens(prompt, [*odd, *said])
    assert max(after[: len(odd)]) < -5
    assert after[len(odd) :] == alone
