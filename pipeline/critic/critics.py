"""`critic` and `self_critic`: a language model's opinions as scores of steps.

A step's score is the share of opinions that hold it and all steps before it to be right. Replies that
are no opinion are left out; without any the response stays unscored. A generative process reward model:
Zhao et al. (GenPRM, 2025, arXiv:2504.00891), Khalifa et al. (ThinkPRM, 2025, arXiv:2504.16828).
"""

import asyncio
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Sequence
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipeline.critic.asking import TEMPLATE, Opinion, compose, read_opinion
from pipeline.engines import Engine, Instructable, Request, RequestRejected, Sampling
from pipeline.seeds import derive_seed
from pipeline.tree import Finish
from reward_models import Score, Steps
from verifiers.chat_model import ChatModel, ChatModelConfig, NoReply

Answer = TypeVar("Answer")


class _Question(BaseModel):
    """How a critic is asked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    template: str = TEMPLATE
    """The question, with the places {problem} and {steps}."""
    opinions: int = Field(default=1, ge=1)
    """How many are asked for of each response."""

    @field_validator("template")
    @classmethod
    def _shows_the_steps(cls, template: str) -> str:
        if "{steps}" not in template:
            raise ValueError("expected a text with the place {steps} in it")
        return template

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if self.opinions > 1 and getattr(self, "temperature", None) == 0:
            raise ValueError(
                f"expected a temperature over 0 beside opinions={self.opinions}, got 0: with it all "
                "opinions are alike"
            )
        return self


class _Critic(ABC):
    """What both kinds share: a score is a share of opinions."""

    def __init__(self, config: _Question, name: str) -> None:
        self.question = config
        self.name = name
        self.revision = _digest(config)

    async def score(self, batch: Sequence[Steps]) -> list[Score]:
        """Of a response without a reply all steps are None. Raises NoReply if no response has one."""
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
        """Those that could be read."""
        if not steps.texts:
            return []
        message, code = compose(self.question.template, steps.prompt, steps.texts)
        replies = await self._ask(message, self.question.opinions)
        read = (read_opinion(reply, code, len(steps.texts)) for reply in replies)
        return [opinion for opinion in read if opinion is not None]

    @abstractmethod
    async def _ask(self, message: str, number: int) -> list[str]:
        """So many replies, less those that were cut off."""


class Critic(_Critic):
    """Asks any server that speaks OpenAI's chat protocol."""

    class Config(ChatModelConfig, _Question):
        """Which model, where, and how it is asked."""

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
    """Asks the run's own engine, so that the solver checks itself and no other model is loaded.

    What it samples shares the engine with the search; its tokens are not counted among the run's.
    """

    reads_engine = Instructable
    """It is built with the run's engine, which has to take instructions."""

    class Config(_Question):
        """How the engine is asked."""

        temperature: float = Field(default=0.0, ge=0)
        max_tokens: int = Field(default=512, ge=1)
        """Longest reply."""

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
            # The response is too long to be asked about: it stays unscored.
            return []
        return [one.text for one in completions if one.finish is Finish.STOP]


async def _answered(asked: Sequence[Coroutine[Any, Any, Answer]]) -> list[Answer | None]:
    """What each came to, None for NoReply. Raises NoReply if all did, and whatever else one raises.

    So a server that fails now and then takes only those scores that it has failed on.
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
    """Changes whenever the scores may, as far as the config says."""
    return hashlib.blake2b(config.model_dump_json().encode(), digest_size=6).hexdigest()
