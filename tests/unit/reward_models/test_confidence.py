"""`confidence` scores a step by how probable its tokens were when they were sampled."""

import math
from pathlib import Path

import pytest

from pipeline.config import ConfigError, load_config
from pipeline.dispatch.scoring import steps_of
from pipeline.tree import Finish, Rollout, Step, Tree
from reward_models import Steps
from reward_models.confidence import Confidence


def values(steps: Steps) -> tuple[float | None, ...]:
    (score,) = Confidence(Confidence.Config()).score([steps])
    return score.values


def response(*steps: tuple[int, float | None]) -> Steps:
    """Steps with this many tokens and this log-probability each."""
    tree = Tree([1], "ask")
    made = tuple(
        Step(token_ids=tuple(range(number)), text="x", logprob=logprob) for number, logprob in steps
    )
    leaf = tree.add(0, 0, Rollout(steps=made, finish=Finish.STOP, model_version=""))
    return steps_of("ask", tree, tree.path(leaf)[1:])


def test_a_score_is_the_geometric_mean_of_the_tokens_probabilities() -> None:
    assert values(response((2, math.log(0.25 * 0.81)), (1, 0.0))) == pytest.approx((0.45, 1.0))


def test_long_steps_are_no_less_sure_than_short_ones() -> None:
    assert values(response((10, 10 * math.log(0.9)))) == pytest.approx(
        values(response((1, math.log(0.9))))
    )


def test_text_that_was_not_sampled_is_unscored() -> None:
    unknown, known = values(response((2, None), (1, -1.0)))
    assert unknown is None
    assert known == pytest.approx(math.exp(-1))
    text = Steps(prompt="ask", prompt_token_ids=(1,), texts=("a", "b"), token_ids=((1,), (2,)))
    assert values(text) == (None, None)


def test_an_engine_without_log_probabilities_is_refused() -> None:
    with pytest.raises(ConfigError, match="confidence: expected an engine that gives"):
        load_config(Path("configs/simulated.yaml"), ["reward_models=[{use: confidence}]"])
