"""Engines sample continuations of token-id prefixes.

`vllm.py` is the real engine, `vllm_server` the same over HTTP, `simulated.py` a simulated solver for
tests, scale, and machines without a language model; `rollouts/steps.py` splits completions into steps.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
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
    "vllm_server": "pipeline.engines.vllm_server:VllmServerEngine",
    "simulated": "pipeline.engines.simulated:SimulatedEngine",
}
"""Values of `engine.use`."""

_CHANGE = " > "
"""Between the versions of a rollout during which the weights changed."""


class Sampling(BaseModel):
    """How tokens are sampled; the keys mean the same as in vLLM."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    temperature: float = Field(default=0.7, ge=0)
    """Sampling temperature; 0 always takes the most likely token."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Sample only from the most likely tokens that together have this probability."""
    top_k: int = Field(default=0, ge=0)
    """Sample only from this many most likely tokens; 0 considers all tokens."""
    max_tokens: int = Field(default=512, ge=1)
    """Maximum number of tokens in a whole response, including a branch's prefix."""
    stop: tuple[str, ...] = ()
    """Strings that end a response; its text ends before the string, its token ids after it."""


class PromptFormat(BaseModel):
    """How a problem becomes a prompt, before the model's chat template is applied once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: str | None = None
    """System prompt, the same for every problem; its braces are sent unchanged."""
    template: str = "{problem}"
    """Template of the user's turn: `{problem}` is the problem's text, `{name}` the column of that
    name."""

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
                "expected a template with {problem}, the place of the problem's text, got "
                f"{shown(template)}"
            )
        return template

    @property
    def parsed(self) -> Template:
        """The parsed template."""
        return Template(self.template)

    def render(self, problem: Problem) -> str:
        """The user's turn for this problem. Raises ValueError for a problem without a required
        column."""
        return self.parsed.fill(problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A problem as the model reads it."""

    token_ids: tuple[int, ...]
    text: str
    chat: Chat
    """The turns sent to the model; `Chat.plain(text)` if the model has no chat template."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request for `num_rollouts` continuations of one prefix."""

    token_ids: Sequence[int]
    """The exact prefix."""
    num_rollouts: int
    max_tokens: int
    sampling: Sampling
    seed: int
    """The same request with the same seed gives the same tokens, if the engine supports it."""
    pause: tuple[str, ...] = ()
    """Strings that end a step: the completion ends with the token in which such a string ends, as
    STEP, and its text includes the whole token."""
    tree: int | None = None
    """Identifies the tree, whose requests share a prefix: an engine of several servers sends them all
    to the same one. None if the request belongs to no tree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One sampled continuation."""

    token_ids: tuple[int, ...]
    """Every sampled id, including those of a stop string and the end token."""
    token_texts: tuple[str, ...]
    """The text of each id, "" for special tokens and for parts of a character; same length."""
    text: str
    """The response's text: the token texts joined, cut before a stop string."""
    logprobs: tuple[float, ...] | None
    """Log-probability of each sampled id; None if the engine gives none."""
    finish: Finish
    num_cached_tokens: int | None = None
    """Number of the prefix's tokens taken from the engine's prefix cache instead of being computed;
    None if the engine does not report it."""
    model_version: str | None = None
    """The weights that sampled it, as `join_versions` writes them if they changed midway; None if the
    engine's weights never change: then the engine's `model_version` holds."""


def join_versions(versions: Iterable[str | None]) -> str | None:
    """The versions of one rollout's tokens in order, such as `A > B`; repeats are one."""
    known = [one for version in versions if version is not None for one in version.split(_CHANGE)]
    return _CHANGE.join(version for version, _ in groupby(known)) or None


class EngineDied(Exception):
    """The engine died. The request may be sent to a new engine."""


class EngineStartError(UserMistake):
    """The engine cannot start with this config; the message is for the user."""


class RequestRejected(Exception):
    """The engine works, but cannot serve this request, for example a prompt that is too long."""


class WeightsRefused(UserMistake):
    """The engine did not take other weights and goes on with those that it had; one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How busy an engine is now, and what it has done since its start. None is unknown."""

    num_running: int
    """Sequences in the batch."""
    num_waiting: int
    """Sequences that wait for room in the batch."""
    kv_used: float | None = None
    """Fraction of the key-value cache that running sequences hold; the fullest of several servers."""
    num_preempted: int | None = None
    """Sequences that lost their place in the cache and are computed again, since the start."""
    num_prompt_tokens: int | None = None
    """Prompt tokens read since the start."""
    num_cached_tokens: int | None = None
    """Those of them that came from the prefix cache."""
    num_sampled_tokens: int | None = None
    """Tokens sampled since the start."""


class Engine(Protocol):
    """Samples continuations. Built with its own `Config`, a `PromptFormat` and the run's seed.

    Calls may overlap without bound; the engine batches them.
    """

    @property
    def model_version(self) -> str:
        """Identifies the weights; known once the engine has started."""
        ...

    async def start(self) -> None:
        """Loads the model. Raises EngineStartError."""
        ...

    def encode(self, problem: Problem) -> Prompt:
        """Encodes the problem; the only place where text becomes token ids."""
        ...

    async def generate(self, request: Request) -> list[Completion]:
        """Samples `num_rollouts` completions. Raises EngineDied or RequestRejected."""
        ...

    async def close(self) -> None:
        """Frees the model; calling it twice is fine."""
        ...


@runtime_checkable
class Observable(Protocol):
    """Optional interface of an engine: its settings, and its progress before a request ends."""

    @property
    def notes(self) -> Sequence[str]:
        """Settings chosen for this machine with reasons, one line each; known after the start."""
        ...

    @property
    def num_live_tokens(self) -> int:
        """Tokens sampled so far, including those of unfinished requests."""
        ...


@runtime_checkable
class Updatable(Protocol):
    """Optional interface of an engine whose weights can change while it runs."""

    async def update_weights(self, model: str, *, keep: bool = False) -> str:
        """Loads other weights of the same architecture; returns the new `model_version`.

        Requests that arrive meanwhile wait; none is lost. Those under way finish on the old weights
        first, or, with `keep`, go on with the new ones where they are. Raises WeightsRefused; the
        engine then still has the old weights. Raises EngineDied if it has neither.
        """
        ...


@runtime_checkable
class ReportsLoad(Protocol):
    """Optional interface of an engine that knows how busy it is."""

    async def load(self) -> Load | None:
        """The engine's load; None before the first sample, or if it cannot be read now."""
        ...


@runtime_checkable
class EncodesText(Protocol):
    """Optional interface of an engine that can encode text other than a problem's prompt."""

    def encode_text(self, text: str) -> tuple[int, ...]:
        """The ids of a text inside a sequence: no chat template, nothing added to it."""
        ...


@runtime_checkable
class ScoresTokens(Protocol):
    """Optional interface of an engine that can say how likely given tokens are."""

    async def score_tokens(self, prefix: Sequence[int], token_ids: Sequence[int]) -> tuple[float, ...]:
        """Log-probability of each of `token_ids` after the prefix and those before it.

        They are the model's own: at temperature 1, without top_p and top_k. Raises EngineDied or
        RequestRejected.
        """
        ...


@runtime_checkable
class MessageMatcher(Protocol):
    """Optional interface of an engine whose model has a chat template."""

    def match_messages(
        self,
        chat: Chat,
        prompt_token_ids: Sequence[int],
        response: str,
        response_token_ids: Sequence[int],
    ) -> MessageMatch | None:
        """Compares the chat and the response, rendered by the template, with the sampled ids.

        None if the model has no chat template.
        """
        ...


@runtime_checkable
class OwnsTokenizer(Protocol):
    """Optional interface of an engine that can identify its tokenizer."""

    @property
    def tokenizer_digest(self) -> str:
        """A hash of the tokenizer's vocabulary, computed as in `reward_models.manifest`."""
        ...


@runtime_checkable
class Instructable(Protocol):
    """Optional interface of an engine whose model follows instructions."""

    def encode_instruction(self, text: str) -> Prompt:
        """The text as the user's turn, without the run's system prompt and template."""
        ...
