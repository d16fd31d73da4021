"""`self_critic` and `confidence` on the real engine, about a response of its own."""

import pytest

from pipeline.critic.critics import SelfCritic
from pipeline.dispatch.scoring import steps_of
from pipeline.engines import Request, Sampling
from pipeline.engines.vllm import VllmEngine
from pipeline.rollouts.steps import StepConfig, StepSplitter
from pipeline.tree import ROOT, Rollout, Tree
from reward_models import Steps
from reward_models.confidence import Confidence
from tests.conftest import make_problem

OPINIONS = 4


async def own_response(engine: VllmEngine) -> Steps:
    """What the engine answers to a sum."""
    prompt = engine.encode(make_problem("What is 2 + 3? Think step by step.", "5"))
    (completion,) = await engine.generate(
        Request(
            token_ids=prompt.token_ids,
            num_rollouts=1,
            max_tokens=64,
            sampling=Sampling(temperature=0.7, max_tokens=64),
            seed=1,
        )
    )
    tree = Tree(prompt.token_ids, prompt.text)
    steps = StepSplitter(StepConfig()).split(completion)
    leaf = tree.add(ROOT, 0, Rollout(steps=steps, finish=completion.finish, model_version=""))
    return steps_of("What is 2 + 3?", tree, tree.path(leaf)[1:])


@pytest.mark.engine
@pytest.mark.asyncio(loop_scope="session")
async def test_the_engine_is_sure_of_each_step_to_some_degree(real_engine: VllmEngine) -> None:
    response = await own_response(real_engine)
    (score,) = Confidence(Confidence.Config()).score([response])
    assert len(score.values) == len(response.texts)
    assert all(value is not None and 0 < value <= 1 for value in score.values)


@pytest.mark.engine
@pytest.mark.asyncio(loop_scope="session")
async def test_the_engine_can_be_asked_about_its_own_steps(real_engine: VllmEngine) -> None:
    response = await own_response(real_engine)
    critic = SelfCritic(
        SelfCritic.Config(opinions=OPINIONS, temperature=0.7, max_tokens=96), real_engine
    )
    (score,) = await critic.score([response])
    # A model this small seldom keeps to the form; what it then says is no opinion, and no score.
    assert len(score.values) == len(response.texts)
    shares = [value for value in score.values if value is not None]
    assert len(shares) in (0, len(response.texts))
    assert shares == sorted(shares, reverse=True)
    assert all(0 <= share <= 1 for share in shares)
