"""`critic` and `self_critic`: a language model's opinions as step scores.

A step's score is the fraction of opinions by which it and all earlier steps are right. Replies that are
not an opinion are ignored; without any opinion, the response stays unscored. Generative process reward
models: Zhao et al. (GenPRM, 2025, arXiv:2504.00891), Khalifa et al. (ThinkPRM, 2025, arXiv:2504.16828).
"""

import asyncio
from abc import abstractmethod
from collections.abc import Coroutine, Sequence
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipeline.critic.asking import TEMPLATE, Opinion, compose, read_opinion
from pipeline.engines import Engine, Instructable, Request, RequestRejected, Sampling
from pipeline.hashing import derive_seed, digest_text
from pipeline.tree import Finish
from reward_models import RewardModelBase, Score, Steps
from verifiers.chat_model import ChatModel, ChatModelConfig, NoReply

Answer = TypeVar("Answer")


class _Question(BaseModel):
    """The question to a critic."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    template: str = TEMPLATE
    """The question, with the placeholders {problem} and {steps}."""
    opinions: int = Field(default=1, ge=1)
    """Number of opinions on each response."""

    @field_validator("template")
    @classmethod
    def _shows_the_steps(cls, template: str) -> str:
        if "{steps}" not in template:
            raise ValueError("expected a text with the placeholder {steps}")
        return template


def _check_differ(opinions: int, temperature: float | None) -> None:
    """Raises ValueError if several opinions would be identical."""
    if opinions > 1 and temperature == 0:
        raise ValueError(
            f"expected a temperature over 0 with opinions={opinions}, got 0, which makes all opinions "
            "the same"
        )


class _Critic(RewardModelBase):
    """Base of both critics: a score is a fraction of opinions."""

    def __init__(self, config: _Question, name: str) -> None:
        self.question = config
        self.name = name
        self.revision = _digest(config)

    async def score(self, batch: Sequence[Steps]) -> list[Score]:
        """Steps of a response without a reply are None. Raises NoReply if no response has one."""
        found = await _answered([self._opinions(steps) for steps in batch])
        return [
            Score(
                model=self.name,
                revision=self.revision,
                values=_shares(opinions or [], len(steps.texts)),
            )
            for opinions, steps in zip(found, batch, strict=True)
        ]

    async def _opinions(self, steps: Steps) -> list[Opinion]:
        """The readable opinions on a response."""
        if not steps.texts:
            return []
        message, code = compose(self.question.template, steps.prompt, steps.texts)
        replies = await self._ask(message, self.question.opinions)
        read = (read_opinion(reply, code, len(steps.texts)) for reply in replies)
        return [opinion for opinion in read if opinion is not None]

    @abstractmethod
    async def _ask(self, message: str, number: int) -> list[str]:
        """Returns `number` replies, without truncated ones."""


class Critic(_Critic):
    """Asks any server with an OpenAI-compatible chat API."""

    class Config(ChatModelConfig, _Question):
        """The model, its server, and the question."""

        @model_validator(mode="after")
        def _differ(self) -> Self:
            _check_differ(self.opinions, self.temperature)
            return self

    def __init__(self, config: Config) -> None:
        super().__init__(config, config.model)
        self.config = config
        self._model = ChatModel(config)

    async def close(self) -> None:
        """Closes the connections; calling it twice is fine."""
        await self._model.close()

    async def _ask(self, message: str, number: int) -> list[str]:
        replies = await _answered([self._model.ask(message) for _ in range(number)])
        return [reply.text for reply in replies if reply is not None and not reply.was_cut_off]


class SelfCritic(_Critic):
    """Asks the run's own engine: the solver checks itself, and no other model is loaded.

    The questions share the engine with the search, but their tokens do not count as the run's.
    """

    reads_engine = Instructable

    class Config(_Question):
        """The question to the engine."""

        temperature: float = Field(default=0.0, ge=0)
        """Sampling temperature of opinions; 0 takes the most likely one."""
        max_tokens: int = Field(default=512, ge=1)
        """Maximum number of tokens in a reply."""

        @model_validator(mode="after")
        def _differ(self) -> Self:
            _check_differ(self.opinions, self.temperature)
            return self

    def __init__(self, config: Config, engine: Any) -> None:
        super().__init__(config, "self_critic")
        self.config = config
        self._engine: Engine = engine
        self._instruct: Instructable = engine
        self._sampling = Sampling(temperature=config.temperature, max_tokens=config.max_tokens)

    async def _ask(self, message: str, number: int) -> list[str]:
        request = Request(
            token_ids=self._instruct.encode_instruction(message).token_ids,
            num_rollouts=number,
            max_tokens=self.config.max_tokens,
            sampling=self._sampling,
            seed=derive_seed(0, message),
        )
        try:
            completions = await self._engine.generate(request)
        except RequestRejected:
            # The question is too long for the model: the response stays unscored.
            return []
        return [one.text for one in completions if one.finish is Finish.STOP]


async def _answered(asked: Sequence[Coroutine[Any, Any, Answer]]) -> list[Answer | None]:
    """Results of all questions, None for NoReply. Raises NoReply if all failed, and other errors.

    So an occasional failure of the server loses only the scores concerned.
    """
    answers = await asyncio.gather(*asked, return_exceptions=True)
    failures = [answer for answer in answers if isinstance(answer, BaseException)]
    for failure in failures:
        if not isinstance(failure, NoReply) or len(failures) == len(asked):
            raise failure
    return [None if isinstance(answer, BaseException) else answer for answer in answers]


def _shares(opinions: Sequence[Opinion], num_steps: int) -> tuple[float | None, ...]:
    if not opinions:
        return (None,) * num_steps
    return tuple(
        sum(opinion.holds_right(step) for opinion in opinions) / len(opinions)
        for step in range(num_steps)
    )


def _digest(config: BaseModel) -> str:
    """A hash of the config's values that can change the scores."""
    return digest_text(config.model_dump_json(), num_bytes=6)
