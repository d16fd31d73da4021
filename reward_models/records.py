"""What a reward model is asked and what it answers.

A score says how likely it is that a response whose steps so far are these ends well, from 0 to 1. A
process reward model (PRM) gives one for the end of each step, an outcome reward model (ORM) only for
the end of a complete response. Unscored is None and never 0: it says nothing about the step.
"""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """A response, or the beginning of one, in steps."""

    prompt: str
    """The problem's text, before any prompt template or chat template."""
    prompt_token_ids: tuple[int, ...]
    """What the solver was given, templates and all, in its own tokens."""
    texts: tuple[str, ...]
    """One for each step; joined they are the response so far."""
    token_ids: tuple[tuple[int, ...], ...]
    """The very ids that were sampled, of each step."""
    logprobs: tuple[float | None, ...] = ()
    """Of each step the sum of its tokens' log-probabilities when they were sampled; None where unknown,
    and nothing at all for text that nobody sampled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a model says of one `Steps`."""

    model: str
    revision: str
    values: tuple[float | None, ...]
    """For each step, of all up to its end, in [0, 1]; None where the model does not say."""


class RewardModel(Protocol):
    """Scores steps. Built with its own pydantic `Config`.

    It may have `start(self)`, called before anything is scored, and `close(self)`, for which twice
    is fine; each may be `async def`. A class that says `scores_outcomes = True` is an ORM: it is asked
    about complete responses alone, and gives None for every step but the last.
    """

    @property
    def name(self) -> str:
        """Which model it is."""
        ...

    @property
    def revision(self) -> str:
        """Changes whenever the scores may."""
        ...

    def score(self, batch: Sequence[Steps]) -> Sequence[Score] | Awaitable[Sequence[Score]]:
        """One score for each item, in order; `async def`, or plain: that runs in a thread.

        A coroutine is called again while earlier calls are under way, each time with the rollouts of
        one expansion; what computes in batches should put them together. A plain function has one call
        at a time. Whatever it raises leaves the batch unscored.
        """
        ...
