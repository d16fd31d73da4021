"""Attributes of a user's class have defaults, and one of a wrong type is refused in one line."""

from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import BaseModel

from pipeline.config import KINDS
from pipeline.dispatch.scoring import read_reward_model
from pipeline.engines.border import EngineTraits, read_engine
from pipeline.engines.simulated import SimulatedEngine
from pipeline.engines.vllm import VllmEngine
from pipeline.search.beam import Beam
from pipeline.search.border import StrategyTraits, fixed_rollouts, read_strategy
from pipeline.search.branching import Branching
from verifiers.plugins import Part


class Plain(BaseModel, extra="forbid"):
    """Options that say nothing."""


class OwnStrategy:
    Config = Plain

    def __init__(self, config: Plain) -> None:
        self.config = config

    def propose(self, tree: object, pending: Sequence[object]) -> list[Any]:
        return []


class OwnEngine:
    Config = Plain

    async def start(self) -> None:
        """Nobody asks."""

    def encode(self, problem: object) -> None:
        """Nobody asks."""

    async def generate(self, request: object) -> None:
        """Nobody asks."""

    async def close(self) -> None:
        """Nobody asks."""


class OwnModel:
    Config = Plain

    def score(self, batch: Sequence[object]) -> list[Any]:
        return []


class ScoresByWord(OwnStrategy):
    needs_scores = "yes"


class PausesByNumber(OwnStrategy):
    needs_pauses = 1


class LogprobsByWord(OwnStrategy):
    class Config(Plain):
        @property
        def needs_logprobs(self) -> str:
            return "some"


class GivesSome(OwnEngine):
    class Config(Plain):
        gives_logprobs: str = "some"


class HalfAGpu(OwnEngine):
    class Config(Plain):
        @property
        def num_gpus(self) -> float:
            return 0.5


class OutcomesByWord(OwnModel):
    scores_outcomes = "True"


class LogprobsOfModelByNumber(OwnModel):
    needs_logprobs = 0


class ReadsByName(OwnModel):
    reads_engine = "vllm"


def part(kind: str, cls: type[Any], **options: Any) -> Part:
    return KINDS[kind].part({"use": f"{cls.__module__}:{cls.__qualname__}", **options})


def test_a_class_that_says_nothing_has_the_defaults() -> None:
    needs = read_strategy(part("strategy", OwnStrategy))
    assert needs == StrategyTraits(needs_scores=False, needs_pauses=False, needs_logprobs=False)
    assert fixed_rollouts(part("strategy", OwnStrategy).build()) is None
    assert read_engine(part("engine", OwnEngine)) == EngineTraits(gives_logprobs=True, num_gpus=0)
    model = read_reward_model(part("reward_models", OwnModel))
    assert not model.scores_outcomes
    assert not model.needs_logprobs
    assert (model.reads_engine, model.tokenizer_digest) == (None, None)


def test_options_decide_where_they_are_asked() -> None:
    assert read_strategy(part("strategy", Branching, where="entropy")).needs_logprobs
    assert not read_strategy(part("strategy", Branching)).needs_logprobs
    assert read_strategy(part("strategy", Beam)).needs_scores
    assert read_strategy(part("strategy", Beam)).needs_pauses
    assert not read_engine(part("engine", SimulatedEngine)).gives_logprobs
    vllm = part("engine", VllmEngine, model="m", logprobs=False, options={"tensor_parallel_size": 2})
    assert read_engine(vllm) == EngineTraits(gives_logprobs=False, num_gpus=2)
    assert read_engine(part("engine", VllmEngine, model="m")).num_gpus == 1


def test_every_reward_model_of_ours_says_what_it_needs() -> None:
    def traits(use: str, **options: Any) -> Any:
        return read_reward_model(KINDS["reward_models"].part({"use": use, **options}))

    assert traits("orm", model="m").scores_outcomes
    assert not traits("prm", model="m").scores_outcomes
    assert traits("prm", model="m").tokenizer_digest is not None
    assert traits("confidence").needs_logprobs
    assert traits("simulated").reads_engine is SimulatedEngine
    assert traits("self_critic").reads_engine is not None
    assert traits("critic", model="m", base_url="http://x/v1").reads_engine is None


@pytest.mark.parametrize(
    ("kind", "cls", "complaint"),
    [
        ("strategy", ScoresByWord, "to have `needs_scores`, True or False, got 'yes'"),
        ("strategy", PausesByNumber, "to have `needs_pauses`, True or False, got 1"),
        ("strategy", LogprobsByWord, "to have `needs_logprobs`, True or False, got 'some'"),
        ("strategy", OwnModel, "to be a strategy, with a method `propose`"),
        ("engine", GivesSome, "to have `gives_logprobs`, True or False, got 'some'"),
        ("engine", HalfAGpu, "to have `num_gpus`, a whole number of 0 or more, got 0.5"),
        ("reward_models", OutcomesByWord, "to have `scores_outcomes`, True or False, got 'True'"),
        ("reward_models", LogprobsOfModelByNumber, "to have `needs_logprobs`, True or False, got 0"),
        ("reward_models", ReadsByName, "to have `reads_engine`, a class of engines, got 'vllm'"),
        ("reward_models", OwnStrategy, "to have a method `score(self, batch)`"),
    ],
)
def test_an_attribute_of_a_wrong_type_is_one_line_that_names_the_class(
    kind: str, cls: type[Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match="expected") as refused:
        part(kind, cls)
    assert f"{cls.__module__}:{cls.__qualname__}" in str(refused.value)
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)
