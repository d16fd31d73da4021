"""Asks reward models what they make of new steps.

Whatever fails on the way leaves steps unscored, which is None and never 0, and is told as a warning: a
model that raises, one that answers another number of scores than it was asked for, and values that are
no share of 1, NaN among them. Where several models score a step its score is their mean, of those that
know.
"""

import asyncio
import math
import numbers
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.errors import named
from pipeline.own_code import OwnThread
from pipeline.tree import ROOT, Node, Step, Tree
from reward_models import RewardModel, Score, Steps
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
"""What `use` can name in a section of `reward_models`."""


def check_part(part: Part) -> None:
    """Raises ValueError for a class that is no reward model."""
    if not callable(getattr(part.cls, "score", None)):
        raise ValueError(f"expected {part.use!r} to have a method `score(self, batch)`")


def steps_of(prompt: str, tree: Tree, steps: Sequence[Node | Step]) -> Steps:
    """The tree's response of these steps, or its beginning, as a reward model is asked about it."""
    return Steps(
        prompt=prompt,
        prompt_token_ids=tree.nodes[ROOT].token_ids,
        texts=tuple(step.text for step in steps),
        token_ids=tuple(step.token_ids for step in steps),
        logprobs=tuple(step.logprob for step in steps),
    )


def scores_outcomes(part: Part) -> bool:
    """Whether it is an outcome reward model; else a process reward model."""
    return bool(getattr(part.cls, "scores_outcomes", False))


REWARD_MODEL = Kind("berry.reward_models", REWARD_MODELS, check=check_part)


class ScoringFailed(Exception):
    """A reward model in another process gave no scores; the message is `describe_failure` of why."""


def describe_failure(error: Exception) -> str:
    """One short line."""
    if isinstance(error, ScoringFailed):
        return str(error)
    return named(error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What is known of a batch."""

    values: list[list[float | None]]
    """For each item, for each of its steps."""
    warnings: tuple[str, ...] = ()
    """Why steps are unscored."""
    scored_by: tuple[str, ...] = ()
    """Names and revisions of the models that gave scores."""


@dataclass(slots=True)
class Heard:
    """What reward models said beside scores, of one problem."""

    warnings: set[str] = field(default_factory=set)
    scored_by: set[str] = field(default_factory=set)

    def add(self, scored: Scored) -> None:
        """Takes note of one more batch."""
        self.warnings.update(scored.warnings)
        self.scored_by.update(scored.scored_by)


class ModelScorer:
    """Scores with one reward model or several."""

    def __init__(self, models: Sequence[RewardModel], *, outcomes: bool = False) -> None:
        """`outcomes` asks for complete responses alone: of each only the last step needs a score."""
        self._models = [(model, OwnThread()) for model in models]
        self._outcomes = outcomes

    async def start(self) -> None:
        """Lets the models get ready. Raises what they do."""
        for model, thread in self._models:
            if (start := getattr(model, "start", None)) is not None:
                await thread.call(start)

    async def close(self) -> None:
        """Closes the models that have anything to close."""
        for model, thread in self._models:
            if (close := getattr(model, "close", None)) is not None:
                await thread.call(close)
            thread.close()

    async def score(self, batch: Sequence[Steps]) -> Scored:
        """The scores of every item's steps; never raises for what a model does."""
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
        name = getattr(model, "name", type(model).__name__)
        unscored: list[list[float | None]] = [[None] * len(steps.texts) for steps in batch]
        try:
            scores = list(await thread.call(model.score, batch))
            if len(scores) != len(batch):
                raise ValueError(f"expected {len(batch)} scores, got {len(scores)}")
            values = [_values(score, steps) for score, steps in zip(scores, batch, strict=True)]
        except Exception as e:  # noqa: BLE001 - a model may be anybody's
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
    """The value if it is one, as a 32-bit float: a stored tree has the very same."""
    if not (value is None or isinstance(value, numbers.Real)):
        raise TypeError(f"expected values from 0 to 1, or None, got {shown(value)}")
    if value is None or not 0 <= value <= 1:
        return None
    return as_float32(value)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return as_float32(math.fsum(known) / len(known)) if known else None


def as_float32(value: float) -> float:
    """The value as a stored tree has it."""
    (rounded,) = struct.unpack("f", struct.pack("f", value))
    return float(rounded)
