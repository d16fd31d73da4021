"""`training.json` in the folder of a trained policy: what was asked for, and what came of it.

It is written when the training begins, again when the model is complete, and after each measurement, so
that a training that is repeated knows what is done.
"""

import json
import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.training.errors import TrainError
from reward_models.evaluation.bootstrap import Interval, bootstrap, mean_of

FILE = "training.json"


class Request(BaseModel):
    """What was asked for; a training goes on only with the same."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    base: str
    data: tuple[str, ...]
    """Paths of the runs and exported folders."""
    examples: str
    """A hash of all training and held-out examples."""
    settings: dict[str, Any]
    processes: int = 1


class Result(BaseModel):
    """A complete training."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    num_examples: int
    num_tokens: int
    """Tokens in the loss, in one pass over the data."""
    num_problems: int
    num_held_out_examples: int
    num_too_long: int
    num_empty: int
    num_steps: int
    train_problems: tuple[str, ...]
    """Ids of the training problems, sorted."""
    log: tuple[dict[str, Any], ...]
    """The trainer's figures: each has `step`, and `loss` or `held_out_loss`."""
    versions: dict[str, str | None]

    def figure(self, name: str, *, first: bool = False) -> float | None:
        """The first or last value of a figure; None if there is none."""
        values = [float(one[name]) for one in self.log if name in one]
        return (values[0] if first else values[-1]) if values else None


class Accuracy(BaseModel):
    """pass@k of one k."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    k: int
    value: float
    low: float | None
    high: float | None
    """95% interval over problems; None for one problem."""


class Measurement(BaseModel):
    """What the model of a step could do."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    step: int
    """0 is the base."""
    accuracies: tuple[Accuracy, ...]
    per_problem: dict[str, float]
    """Problem id -> fraction of its rollouts that are right."""
    num_left_out: int
    """Problems without all rollouts, or without a known outcome."""
    seconds: float

    def at(self, k: int) -> Accuracy | None:
        """The accuracy of one k."""
        return next((one for one in self.accuracies if one.k == k), None)


def change_of_pass_at_1(
    before: Measurement, after: Measurement
) -> tuple[float, Interval | None] | None:
    """The mean change of pass@1 on the problems that both have, and its 95% interval over problems.

    None if they have none in common; no interval for a single problem.
    """
    shared = sorted(before.per_problem.keys() & after.per_problem.keys())
    if not shared:
        return None
    changes = [after.per_problem[one] - before.per_problem[one] for one in shared]
    return sum(changes) / len(changes), bootstrap(mean_of(changes), shared)


class Manifest(BaseModel):
    """The file's content."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    kind: str = "policy"
    request: Request
    result: Result | None = None
    """None until the model is complete."""
    evaluated: str | None = None
    """A hash of the ids of the problems that are measured with; None if there are none."""
    measurements: tuple[Measurement, ...] = ()

    def measured(self, step: int) -> Measurement | None:
        """The measurement of a step, if there is one."""
        return next((one for one in self.measurements if one.step == step), None)

    def write(self, folder: Path) -> None:
        """Writes the file, whole or not at all. Raises OSError."""
        # Processes that train together all write it when they begin.
        aside = folder / f".{FILE}-{os.getpid()}"
        aside.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
        aside.replace(folder / FILE)

    @classmethod
    def read(cls, folder: Path) -> "Manifest | None":
        """The folder's manifest; None without one.

        Raises TrainError for a file that is not a policy's, and OSError.
        """
        path = folder / FILE
        try:
            return cls.model_validate(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, ValidationError) as e:
            raise TrainError(
                f"--output {folder}: expected a new folder or one of `berry train policy`, found a "
                f"{FILE} of something else"
            ) from e


def claim(output: Path, request: Request) -> Manifest:
    """The manifest of a training that begins or goes on in a folder.

    Raises TrainError for a folder with other contents, and OSError.
    """
    there = Manifest.read(output)
    if there is not None:
        before, now = there.request.model_dump(), request.model_dump()
        if different := [key for key in now if now[key] != before[key]]:
            names = {"examples": "rows of the data"}
            what = ", ".join(names.get(key, key) for key in different)
            raise TrainError(
                f"--output {output}: expected the same {what} as when the training there began, got "
                "different ones; name a new folder"
            )
        return there
    if output.is_dir() and (others := sorted(p.name for p in output.iterdir() if p.name[0] != ".")):
        raise TrainError(f"--output {output}: expected an empty or new folder, found {others[0]}")
    output.mkdir(parents=True, exist_ok=True)
    made = Manifest(request=request)
    made.write(output)
    return made
