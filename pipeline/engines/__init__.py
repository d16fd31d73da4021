"""Engines sample continuations of token-id prefixes.

`vllm.py` is the real one, `simulated.py` a public model of a solver for tests, scale, and machines
without a language model; `steps.py` cuts what they sample into steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipeline.chat import Chat, MessageMatch
from pipeline.errors import UserMistake
from pipeline.records import Problem
from pipeline.templates import Template
from pipeline.tree import Finish
from verifiers.mistakes import shown

ENGINES = {
    "vllm": "pipeline.engines.vllm:VllmEngine",
    "simulated": "pipeline.engines.simulated:SimulatedEngine",
}
"""What `engine.use` can name."""


class Sampling(BaseModel):
    """How tokens are drawn; the meanings are vLLM's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    temperature: float = Field(default=0.7, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    top_k: int = Field(default=0, ge=0)
    """0 considers every token."""
    max_tokens: int = Field(default=512, ge=1)
    """Most tokens of a whole response; a branch gets what its prefix has left of them."""
    stop: tuple[str, ...] = ()
    """Strings that end a response; its text ends before the string, its token ids after it."""


class PromptFormat(BaseModel):
    """How a problem becomes the prompt, before the model's chat template is applied, once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: str | None = None
    """The same for every problem: its braces are sent as they are."""
    template: str = "{problem}"
    """`{problem}` stands for the problem's text, `{name}` for another column (`templates.py`)."""

    @field_validator("system")
    @classmethod
    def _check_system(cls, system: str | None) -> str | None:
        if system is not None and Template(system).has_problem:
            raise ValueError(
                "expected a text that is the same for every problem, got one with {problem} in it, "
                "which belongs in prompt.template"
            )
        return system

    @field_validator("template")
    @classmethod
    def _check_template(cls, template: str) -> str:
        if not Template(template).has_problem:
            raise ValueError(
                "expected {problem} in it, which stands for the problem's text, got "
                f"{shown(template)}"
            )
        return template

    @property
    def parsed(self) -> Template:
        """The template, with its placeholders."""
        return Template(self.template)

    def render(self, problem: Problem) -> str:
        """The user's turn for this problem. Raises ValueError for a problem without what it takes."""
        return self.parsed.fill(problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A problem as the model reads it."""

    token_ids: tuple[int, ...]
    text: str
    chat: Chat
    """The turns that were sent; `Chat.plain(text)` where the model has no chat template."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Asks for `num_rollouts` continuations of one prefix."""

    token_ids: Sequence[int]
    """The exact prefix."""
    num_rollouts: int
    max_tokens: int
    sampling: Sampling
    seed: int
    """The same request with the same seed asks for the same tokens, where the engine can."""
    pause: tuple[str, ...] = ()
    """Strings with which a step ends: the completion ends with the token in which one does, as STEP,
    and has the whole token in its text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One sampled continuation."""

    token_ids: tuple[int, ...]
    """Every sampled id, a stop string's and the end token's included."""
    token_texts: tuple[str, ...]
    """The text each id adds, "" for special tokens and for parts of a character; same length."""
    text: str
    """The response's text: the token texts joined, cut before a stop string."""
    logprobs: tuple[float, ...] | None
    """Of each sampled id; None where the engine gives none."""
    finish: Finish
    num_cached_tokens: int | None = None
    """Of the prefix's tokens, those that were not computed for this completion but taken from the
    engine's prefix cache; None where the engine does not say."""


class EngineDied(Exception):
    """The engine is gone. The request may be sent again to a new one."""


class EngineStartError(UserMistake):
    """The engine cannot be started with this config; the message is for the user."""


class RequestRejected(Exception):
    """The engine works, but cannot serve this request, for example a prompt that is too long."""


class Engine(Protocol):
    """Samples continuations. Built with its own `Config`, a `PromptFormat` and the run's seed.

    Calls may overlap without bound; the engine batches them.
    """

    @property
    def model_version(self) -> str:
        """Names the weights; known once the engine has started."""
        ...

    async def start(self) -> None:
        """Loads the model. Raises EngineStartError."""
        ...

    def encode(self, problem: Problem) -> Prompt:
        """The problem's prompt; the only place where text becomes token ids."""
        ...

    async def generate(self, request: Request) -> list[Completion]:
        """`num_rollouts` completions. Raises EngineDied or RequestRejected."""
        ...

    async def close(self) -> None:
        """Frees the model; calling it twice is fine."""
        ...


@runtime_checkable
class Observable(Protocol):
    """What an engine may offer beside: how it runs, and what it samples before a request ends."""

    @property
    def notes(self) -> Sequence[str]:
        """What it chose for this machine and why, a line each; known once it has started."""
        ...

    @property
    def num_live_tokens(self) -> int:
        """Tokens sampled so far, those of requests under way included."""
        ...


@runtime_checkable
class MessageMatcher(Protocol):
    """What an engine whose model has a chat template can say besides; no engine has to."""

    def match_messages(
        self,
        chat: Chat,
        prompt_token_ids: Sequence[int],
        response: str,
        response_token_ids: Sequence[int],
    ) -> MessageMatch | None:
        """How the chat and the response, rendered by the template, compare with the sampled ids.

        None where the model has no chat template.
        """
        ...


@runtime_checkable
class Instructable(Protocol):
    """What an engine can do besides whose model follows instructions; no engine has to."""

    def encode_instruction(self, text: str) -> Prompt:
        """The text as the user's turn, without the run's system prompt and template."""
        ...
