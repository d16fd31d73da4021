"""Records that reward models take and return.

A score is the probability, from 0 to 1, that a response with these steps so far ends well. A process
reward model (PRM) gives one for the end of each step, an outcome reward model (ORM) only for the end of
a complete response. Unscored is None and never 0, because it says nothing about the step.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """A response, or the beginning of one, in steps."""

    prompt: str
    """The problem's text, before any prompt template or chat template."""
    prompt_token_ids: tuple[int, ...]
    """The solver's whole prompt, templates included, in its own tokens."""
    texts: tuple[str, ...]
    """One per step; joined they are the response so far."""
    token_ids: tuple[tuple[int, ...], ...]
    """The sampled ids of each step."""
    logprobs: tuple[float | None, ...] = ()
    """For each step, the sum of its tokens' log-probabilities at sampling; None if unknown. Empty for
    text that was not sampled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A model's scores for one `Steps`."""

    model: str
    revision: str
    values: tuple[float | None, ...]
    """For each step, the score of the response up to its end, in [0, 1]; None if unscored."""


class RewardModel(Protocol):
    """Scores steps. Built from its own pydantic `Config`.

    It may have `start(self)`, called before anything is scored, and `close(self)`, which may be called
    twice; each may be `async def`. A class with `scores_outcomes = True` is an ORM: it gets only
    complete responses, and gives None for every step but the last. `RewardModelBase` lists all
    attributes that a class can declare.
    """

    @property
    def name(self) -> str:
        """Name of the model."""
        ...

    @property
    def revision(self) -> str:
        """Changes whenever the scores may change."""
        ...

    def score(self, batch: Sequence[Steps]) -> Sequence[Score] | Awaitable[Sequence[Score]]:
        """One score for each item, in order; `async def`, or a plain function, which runs in a thread.

        A coroutine is called again while earlier calls are running, each time with the rollouts of one
        expansion; a model that computes in batches should merge them. A plain function gets one call at
        a time. If it raises, the batch stays unscored.
        """
        ...


class RewardModelBase(ABC):
    """Base class for reward models, with the defaults of their optional attributes.

    A reward model need not extend it: the pipeline reads the same attributes of any class.
    """

    name: str
    """Name of the model."""
    revision: str
    """Changes whenever the scores may change."""
    scores_outcomes: ClassVar[bool] = False
    """Whether it is an outcome reward model; otherwise it is a process reward model."""
    needs_logprobs: ClassVar[bool] = False
    """Whether it uses the tokens' log-probabilities."""
    reads_engine: ClassVar[type[Any] | None] = None
    """Class of the run's engine, which the constructor takes; None if it needs none."""

    @abstractmethod
    def score(self, batch: Sequence[Steps]) -> Sequence[Score] | Awaitable[Sequence[Score]]:
        """One score for each item, in order; see `RewardModel.score`."""
