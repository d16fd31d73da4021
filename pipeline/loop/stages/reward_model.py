"""`prm` and `orm`: train a reward model on the rounds' step labels, for the next round's search."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from pipeline.config.loading import check_config
from pipeline.config.messages import ConfigError, Origin
from pipeline.config.overrides import change
from pipeline.extras import require
from pipeline.loop.config import SET_BY_LOOP
from pipeline.loop.records import Scorer
from pipeline.loop.stages.search import check_searched
from pipeline.loop.work import DataOf, Done, Start, Work
from pipeline.training.errors import TrainError
from reward_models.manifest import TrainedModel
from reward_models.training.records import Kind
from reward_models.training.settings import TrainSettings


class RewardModelStage(BaseModel):
    """Options besides those of `berry train orm|prm`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: DataOf = "all"
    """Runs to train on: those of all rounds so far, or the last alone."""
    start: Start = "base"
    """Model to start from: the loop's base, the generator that the round began with, or the one that it
    has made so far."""
    serve: dict[str, Any] = {}
    """Options of the model in a run's `reward_models`, such as `{max_batch_tokens: 4096}`."""
    run: dict[str, Any] = {}
    """Keys of the run's config that change once the model is there, such as
    `{prune: {min_score: 0.5}}`."""
    weak: bool = False
    """Use the model even if berry warns about it: trained on little, or hardly better than chance."""


class _TrainRewardModel:
    """Common base of the two."""

    kind: ClassVar[Kind]

    class Config(RewardModelStage, TrainSettings):
        """The options of `berry train orm|prm`, and what becomes of the model."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def check(self, work: Work) -> None:
        """Raises TrainError without a model to start from, UserMistake without a run to train on,
        ConfigError for keys that no run has, and MissingPackage."""
        require("torch", "transformers", "accelerate", command="loop")
        if work.config.base is None:
            raise TrainError(
                "run.engine: expected an engine that loads a model to start from, got "
                f"use={work.run_config.engine.use}"
            )
        check_searched(work)
        _check_run(work, self.config.run)

    def run(self, work: Work) -> Done:
        """Trains, or goes on. Raises BerryError."""
        config = self.config
        base = work.start(config.start)
        assert base is not None  # `check` has seen to it
        given = config.model_dump(
            mode="json", include=config.model_fields_set - set(RewardModelStage.model_fields)
        )
        folder = work.train(self.kind, base, work.data(config.data), {"seed": work.seed, **given})
        trained = TrainedModel.read(folder)
        assert trained is not None
        figures: dict[str, Any] = {**trained.held_out, "responses": trained.num_responses}
        if trained.weakness is not None and not config.weak:
            return Done(figures=figures | {"left_out": trained.weakness})
        candidate = work.record.candidate
        scorers = {**candidate.scorers, work.name: self._scorer(folder)}
        return Done(figures=figures, candidate=candidate.model_copy(update={"scorers": scorers}))

    def _scorer(self, folder: Path) -> Scorer:
        section = {"use": self.kind, "model": str(folder.absolute()), **self.config.serve}
        return Scorer(section=section, run=self.config.run)


class TrainPrm(_TrainRewardModel):
    """A process reward model."""

    kind = "prm"


class TrainOrm(_TrainRewardModel):
    """An outcome reward model."""

    kind = "orm"


def _check_run(work: Work, keys: Mapping[str, Any]) -> None:
    """Checks the config of a run with the reward models that the loop trains and a stage's keys.

    Raises ConfigError.
    """
    where = f"stages: {work.name}.run"
    if ours := [key for key in keys if key in SET_BY_LOOP]:
        raise ConfigError(f"{where}.{ours[0]}: the loop sets it; remove it here")
    run = {**copy.deepcopy(work.config.run), "output": "unused"}
    trained = [one for one in work.config.stages if issubclass(one.cls, _TrainRewardModel)]
    sections = [
        {"use": one.cls.kind, "model": str(work.folder.path), **one.options.model_dump()["serve"]}
        for one in trained
    ]
    run["reward_models"] = [*(run.get("reward_models") or ()), *sections]
    change(run, keys)
    check_config(run, Origin(file=where))
