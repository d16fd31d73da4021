"""What a round made: a file of the loop's folder for each, from which the loop goes on."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict


class Scorer(BaseModel):
    """A reward model of a bundle."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    section: dict[str, Any]
    """Its entry in a run's `reward_models`."""
    run: dict[str, Any] = {}
    """Keys of a run's config that come with it, such as `{prune: {min_score: 0.5}}`."""


class Bundle(BaseModel):
    """The models that search together."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    """`base`, or the round that made it, such as `round-2`."""
    generator: str | None
    """Folder or name of the generator; None for an engine that loads no model."""
    scorers: dict[str, Scorer] = {}
    """Name of the stage that trained it -> reward model."""
    evaluations: dict[str, str] = {}
    """Name of the stage that evaluated the generator -> the run folder of the evaluation."""


class StageRecord(BaseModel):
    """A stage that is done."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    use: str
    began: str
    """UTC, ISO 8601."""
    seconds: float
    """Wall time of the process that ended it; less than all of it if it was interrupted."""
    options: dict[str, Any] = {}
    """What it was asked for."""
    figures: dict[str, Any] = {}
    """What it reports."""
    problems: str | None = None
    """A file of new problems for the next round."""
    failed: str | None = None
    """Why an optional stage failed; None if it did not."""


class RoundRecord(BaseModel):
    """A round, complete or not."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    round: int
    """0 is what comes before the first round: the base is evaluated."""
    began_with: Bundle
    """What searched in this round."""
    candidate: Bundle
    """What the stages have made so far."""
    stages: tuple[StageRecord, ...] = ()
    promoted: bool | None = None
    """Whether the candidate takes over; None until that is decided."""
    why: str | None = None
    """The reason, in a sentence."""
    is_complete: bool = False

    @property
    def ends_with(self) -> Bundle:
        """What the next round begins with."""
        return self.candidate if self.promoted else self.began_with

    @property
    def seconds(self) -> float:
        """Wall time of all stages."""
        return sum(one.seconds for one in self.stages)

    def stage(self, name: str) -> StageRecord | None:
        """The stage of this name, if it is done."""
        return next((one for one in self.stages if one.name == name), None)

    def by_use(self, use: str) -> Iterator[StageRecord]:
        """The stages of a kind that are done and did not fail."""
        return (one for one in self.stages if one.use == use and one.failed is None)
