"""Scores new steps with reward models.

Every failure leaves steps unscored, which is None and never 0, and becomes a warning: a model that
raises, returns a wrong number of scores, or returns values outside 0 to 1, such as NaN. If several
models score a step, its score is the mean of the known values.
"""

import asyncio
import math
import numbers
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from pipeline.dispatch.own_code import OwnThread
from pipeline.errors import named
from pipeline.tree import ROOT, Node, Step, Tree
from reward_models import RewardModel, Score, Steps
from verifiers.attributes import attribute, flag, method
from verifiers.mistakes import shown
from verifiers.plugins import Kind, Part

REWARD_MODELS = {
    "prm": "reward_models.serving.model:Prm",
    "orm": "reward_models.serving.model:Orm",
    "confidence": "reward_models.confidence:Confidence",
    "critic": "pipeline.critic.critics:Critic",
    "self_critic": "pipeline.critic.critics:SelfCritic",
    "simulated": "pipeline.engines.simulated_prm:SimulatedPrm",
}
"""Values of `use` in a section of `reward_models`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardModelTraits:
    """The declared requirements of a reward model's class."""

    scores_outcomes: bool
    """True for an outcome reward model, False for a process reward model."""
    needs_logprobs: bool
    """Whether it uses the tokens' log-probabilities."""
    reads_engine: type[Any] | None
    """Engine class that the model is built with; None if it needs no engine."""
    tokenizer_digest: Callable[[BaseModel], str | None] | None
    """Returns the digest of the tokenizer whose ids the model reads; None for a model that reads
    text."""


def check_part(part: Part) -> None:
    """Raises ValueError for a class that is not a reward model, or an attribute of a wrong type."""
    if method(part.cls, "score") is None:
        raise ValueError(f"expected {part.use!r} to have a method `score(self, batch)`")
    read_reward_model(part)


def read_reward_model(part: Part) -> RewardModelTraits:
    """Reads the class's attributes. Raises ValueError for a wrong type."""
    wanted = attribute(part.cls, "reads_engine")
    try:
        if wanted is not None and not isinstance(wanted, type):
            raise ValueError(f"`reads_engine`, a class of engines, got {wanted!r:.100}")
        return RewardModelTraits(
            scores_outcomes=flag(part.cls, "scores_outcomes"),
            needs_logprobs=flag(part.cls, "needs_logprobs"),
            reads_engine=wanted,
            tokenizer_digest=method(part.cls, "tokenizer_digest"),
        )
    except ValueError as e:
        raise ValueError(f"expected {part.use!r} to have {e}") from e


def steps_of(prompt: str, tree: Tree, steps: Sequence[Node | Step]) -> Steps:
    """The input of a reward model for a response, or the beginning of one, with these steps."""
    return Steps(
        prompt=prompt,
        prompt_token_ids=tree.nodes[ROOT].token_ids,
        texts=tuple(step.text for step in steps),
        token_ids=tuple(step.token_ids for step in steps),
        logprobs=tuple(step.logprob for step in steps),
    )


REWARD_MODEL = Kind("berry.reward_models", REWARD_MODELS, check=check_part)


class ScoringFailed(Exception):
    """A reward model in another process gave no scores; the message comes from `describe_failure`."""


def describe_failure(error: Exception) -> str:
    """Describes the error in one short line."""
    if isinstance(error, ScoringFailed):
        return str(error)
    return named(error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Scores of a batch."""

    values: list[list[float | None]]
    """One list for each item, with a value or None for each step."""
    warnings: tuple[str, ...] = ()
    """Reasons for unscored steps."""
    scored_by: tuple[str, ...] = ()
    """Names and revisions of the models that gave scores."""


@dataclass(slots=True)
class ScoringNotes:
    """Collected warnings and model names for one problem."""

    warnings: set[str] = field(default_factory=set)
    scored_by: set[str] = field(default_factory=set)

    def add(self, scored: Scored) -> None:
        """Adds the notes of one batch."""
        self.warnings.update(scored.warnings)
        self.scored_by.update(scored.scored_by)


class ModelScorer:
    """Scores with one or several reward models."""

    def __init__(self, models: Sequence[RewardModel], *, outcomes: bool = False) -> None:
        """With `outcomes`, items are complete responses and only their last step needs a score."""
        self._models = [(model, OwnThread()) for model in models]
        self._outcomes = outcomes

    async def start(self) -> None:
        """Starts the models. Raises their errors."""
        for model, thread in self._models:
            if (start := method(model, "start")) is not None:
                await thread.call(start)

    async def close(self) -> None:
        """Closes the models that have a `close`."""
        for model, thread in self._models:
            if (close := method(model, "close")) is not None:
                await thread.call(close)
            thread.close()

    async def score(self, batch: Sequence[Steps]) -> Scored:
        """Scores every item's steps; errors of a model do not raise."""
        answers = await asyncio.gather(*(self._ask(*one, batch) for one in self._models))
        values = [
            [_mean(known) for known in zip(*of_item, strict=True)]
            for of_item in zip(*(answer.values for answer in answers), strict=True)
        ]
        return Scored(
            values=values,
            warnings=tuple(w for answer in answers for w in answer.warnings),
            scored_by=tuple(model for answer in answers for model in answer.scored_by),
        )

    async def _ask(self, model: RewardModel, thread: OwnThread, batch: Sequence[Steps]) -> Scored:
        """One model's scores."""
        name = attribute(model, "name", type(model).__name__)
        unscored: list[list[float | None]] = [[None] * len(steps.texts) for steps in batch]
        try:
            scores = list(await thread.call(model.score, batch))
            if len(scores) != len(batch):
                raise ValueError(f"expected {len(batch)} scores, got {len(scores)}")
            values = [_values(score, steps) for score, steps in zip(scores, batch, strict=True)]
        except Exception as e:  # noqa: BLE001 - a model may be third-party code
            return Scored(values=unscored, warnings=(f"reward model {name}: {describe_failure(e)}",))
        first = -1 if self._outcomes else 0
        unknown = any(value is None for of_item in values for value in of_item[first:])
        return Scored(
            values=values,
            warnings=(f"reward model {name}: steps without a score",) if unknown else (),
            scored_by=tuple(
                {
                    f"{score.model} {score.revision}": None
                    for score, of_item in zip(scores, values, strict=True)
                    if any(value is not None for value in of_item)
                }
            ),
        )


def _values(score: Score, steps: Steps) -> list[float | None]:
    if not isinstance(score, Score):
        raise TypeError(f"expected a Score for each item, got {shown(score)}")
    if len(score.values) != len(steps.texts):
        raise ValueError(f"expected scores of {len(steps.texts)} steps, got {len(score.values)}")
    return [_known(value) for value in score.values]


def _known(value: float | None) -> float | None:
    """The value as a 32-bit float, as in a stored tree; None if unknown. Raises TypeError."""
    if not (value is None or isinstance(value, numbers.Real)):
        raise TypeError(f"expected values from 0 to 1, or None, got {shown(value)}")
    if value is None or not 0 <= value <= 1:
        return None
    return as_float32(value)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return as_float32(math.fsum(known) / len(known)) if known else None


def as_float32(value: float) -> float:
    """The value rounded to 32 bits, as in a stored tree."""
    (rounded,) = struct.unpack("f", struct.pack("f", value))
    return float(rounded)
