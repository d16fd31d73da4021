"""What a stage is, and the stages that berry has.

A stage is built with its own `Config`, and may be a user's own class: `use: my_module:MyStage`.
"""

from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from pipeline.loop.work import Done, Work
from verifiers.attributes import method
from verifiers.plugins import Kind, Part

STAGES = {
    "search": "pipeline.loop.stages.search:Search",
    "prm": "pipeline.loop.stages.reward_model:TrainPrm",
    "orm": "pipeline.loop.stages.reward_model:TrainOrm",
    "vary": "pipeline.loop.stages.vary:Vary",
    "policy": "pipeline.loop.stages.policy:TrainPolicy",
    "evaluate": "pipeline.loop.stages.evaluate:Evaluate",
    "gate": "pipeline.loop.stages.gate:Gate",
}
"""Values of `stages.use`."""
DEFAULT_STAGES = tuple({"use": use} for use in ("search", "prm", "policy", "evaluate", "gate"))


class StageSettings(BaseModel):
    """Keys that every stage takes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][\w-]*$")
    """Name in the loop's folder and reports; needed if two stages are of one kind."""
    optional: bool = False
    """If the stage fails, note it and go on."""
    environment: dict[str, str] = {}
    """Environment variables of the stage's commands, such as `{CUDA_VISIBLE_DEVICES: "0,1"}`."""


class Stage(Protocol):
    """A part of a round."""

    def run(self, work: Work) -> Done:
        """Does the stage's work, or what is left of it after an interruption.

        Raises BerryError, which ends the loop with its line; what is done stays.
        """
        ...

    # Optional:
    #
    # check(self, work: Work) -> None
    #     Raises BerryError for options that cannot be right, before any stage has done anything.
    #
    # decides: ClassVar[bool] = True
    #     The stage decides about the candidate: if it fails, nothing takes over.
    #
    # prepare(self, work: Work) -> Done | None
    #     What is to be done or checked once, before the first round.


def check_stage(part: Part) -> None:
    """Raises ValueError for a class that is not a stage."""
    if method(part.cls, "run") is None:
        raise ValueError(f"expected {part.use!r} to be a stage, with a method `run(self, work)`")


STAGE = Kind("berry.stages", STAGES, settings=StageSettings, check=check_stage)
