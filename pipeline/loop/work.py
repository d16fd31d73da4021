"""What a stage is, what it is given, and what it gives back."""

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from pipeline.config import RunConfig
from pipeline.hashing import derive_seed
from pipeline.loop.commands import Commands
from pipeline.loop.config import LoopConfig
from pipeline.loop.folder import LoopFolder
from pipeline.loop.records import Bundle, RoundRecord

DataOf = Literal["all", "last"]
Start = Literal["base", "current", "candidate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a stage has made."""

    figures: Mapping[str, Any] = field(default_factory=dict)
    """Names and JSON values, for the reports."""
    candidate: Bundle | None = None
    """The candidate as it is now; None if the stage does not change it."""
    problems: Path | None = None
    """A file of new problems for the next round, with the columns of `problems.preset=plain`."""
    promoted: bool | None = None
    """Whether the candidate takes over; None from a stage that does not decide."""
    why: str | None = None
    """The reason of that, in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A round as a stage sees it."""

    name: str
    """Name of the stage."""
    folder: LoopFolder
    config: LoopConfig
    run_config: RunConfig
    """The config of the runs, checked; `config.run` has it as it was written."""
    before: Sequence[RoundRecord]
    """The earlier rounds, from round 0."""
    record: RoundRecord
    """This round so far."""
    commands: Commands
    """Runs berry's own commands."""
    tell: Callable[[str], None]
    """Shows a line to the user."""

    @property
    def round(self) -> int:
        """Number of the round, from 1; 0 while stages prepare."""
        return self.record.round

    @property
    def seed(self) -> int:
        """A seed for this round, of 31 bits."""
        return derive_seed("loop", self.config.seed, self.round) >> 32

    @property
    def model_folder(self) -> Path:
        """Where a stage that trains writes its model."""
        return self.folder.model_folder(self.round, self.name)

    def data(self, of: DataOf = "all") -> list[Path]:
        """The run folders to train on: of all rounds so far, or of this one alone."""
        first = 1 if of == "all" else self.round
        return [self.folder.run_folder(number) for number in range(first, self.round + 1)]

    def start(self, start: Start) -> str | None:
        """The generator that a training starts from: the loop's base, what the round began with, or
        what it has made so far."""
        if start == "base":
            return self.config.base
        bundle = self.record.candidate if start == "candidate" else self.record.began_with
        return bundle.generator

    def run_of(self, output: Path, generator: str | None) -> dict[str, Any]:
        """The config of a run with this generator, to be changed by the stage."""
        run: dict[str, Any] = copy.deepcopy(self.config.run)
        run |= {"output": str(output), "seed": self.seed}
        if generator is not None:
            run["engine"]["model"] = generator
        return run

    def train(
        self,
        kind: str,
        base: str,
        data: Sequence[Path],
        options: Mapping[str, Any],
        launcher: Sequence[str] = (),
    ) -> Path:
        """Trains with `berry train`, or goes on; returns the model's folder.

        Raises BerryError with the command's line if it fails.
        """
        output = self.model_folder
        arguments = ["train", kind, "--data", *map(str, data), "--base", base, "--output", str(output)]
        arguments += [f"{key}={json.dumps(value)}" for key, value in options.items()]
        self.commands.berry(arguments, self.folder.log(self.round, self.name), launcher)
        return output


class Stage(Protocol):
    """A part of a round, built with its own `Config`."""

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
