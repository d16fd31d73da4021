"""`policy`: train the generator on what the rounds found."""

import sys
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pipeline.extras import require
from pipeline.loop.stages.search import check_searched
from pipeline.loop.work import DataOf, Done, Start, Work
from pipeline.training.errors import TrainError
from pipeline.training.policy.manifest import Manifest
from pipeline.training.policy.settings import PolicySettings


class PolicyStage(BaseModel):
    """Options besides those of `berry train policy`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: DataOf = "all"
    """Runs to train on: those of all rounds so far, or the last alone."""
    start: Start = "base"
    """Model to start from: the loop's base, the generator that the round began with, or the one that it
    has made so far."""
    processes: int = Field(default=1, ge=1)
    """Processes that train together, a GPU each, started by `accelerate launch`."""


class TrainPolicy:
    """Trains the candidate's generator with `berry train policy`."""

    class Config(PolicyStage, PolicySettings):
        """The options of `berry train policy`; the loop measures the model itself."""

        held_out: float = Field(default=0.0, ge=0, lt=1)
        """Fraction of the rounds' problems on which the loss is measured instead of trained."""
        eval_rollouts: int = Field(default=0, ge=0)
        """Rollouts for each of these problems; the stage `evaluate` measures without them."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def check(self, work: Work) -> None:
        """Raises TrainError without a model to train, UserMistake without a run to train on, and
        MissingPackage."""
        require("torch", "transformers", "accelerate", "trl", command="loop")
        if work.config.base is None:
            raise TrainError(
                f"run.engine: expected an engine that loads a model to train, got "
                f"use={work.run_config.engine.use}"
            )
        check_searched(work)

    def run(self, work: Work) -> Done:
        """Trains, or goes on. Raises BerryError."""
        config = self.config
        base = work.start(config.start)
        assert base is not None  # `check` has seen to it
        given = config.model_dump(
            mode="json", include=config.model_fields_set - set(PolicyStage.model_fields)
        )
        own = {"seed": work.seed, "held_out": config.held_out, "eval_rollouts": config.eval_rollouts}
        folder = work.train(
            "policy", base, work.data(config.data), own | given, _launcher(config.processes)
        )
        manifest = Manifest.read(folder)
        assert manifest is not None
        assert manifest.result is not None
        result = manifest.result
        return Done(
            figures={
                "method": manifest.request.settings["method"],
                "base": base,
                "data": list(manifest.request.data),
                "examples": result.num_examples,
                "problems": result.num_problems,
                "tokens": result.num_tokens,
                "steps": result.num_steps,
                "loss": result.figure("loss"),
            },
            candidate=work.record.candidate.model_copy(
                update={"generator": str(folder.absolute()), "evaluations": {}}
            ),
        )


def _launcher(processes: int) -> Sequence[str]:
    if processes == 1:
        return ()
    accelerate: list[Any] = [sys.executable, "-m", "accelerate.commands.launch"]
    return [*accelerate, "--num_processes", str(processes)]
