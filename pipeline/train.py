"""`berry train`: a reward model from the step labels of runs.

It reads the view `steps` of run folders, the committed parts alone, or of folders that `berry export`
has written. A step that several responses share is learnt from once.
"""

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.config import read_settings
from pipeline.datasets.columns import LabelSource
from pipeline.datasets.damage import open_part
from pipeline.datasets.folder import FolderError, RunFolder
from pipeline.engines.models import ModelError, locate
from pipeline.errors import UserMistake
from pipeline.progress import Bar, duration
from reward_models.errors import RewardModelError
from reward_models.trained import TrainedModel
from reward_models.training.examples import Labelled
from reward_models.training.records import Advance, Kind, Trained
from reward_models.training.settings import TrainSettings
from reward_models.training.train import train

_READ_ROWS = 256
_COLUMNS = [
    "problem_id",
    "prompt_token_ids",
    "steps",
    "step_token_ids",
    "status",
    "outcome",
    "label_source",
]
_ORM_COLUMNS = ["sampling_weight"]
_PRM_COLUMNS = ["labels", "soft_labels", "started_trials", "right", "num_shared"]


class TrainError(UserMistake):
    """What was asked for cannot be trained; the message is one line for the user."""


@dataclass(slots=True)
class _Seen:
    """What reading the responses has come upon."""

    solved: set[str] = field(default_factory=set)
    """Ids of problems with a response that passed."""
    num_voted: int = 0
    """Responses that are labelled by a majority vote."""
    any_started: bool = False
    """Whether any rollout started within a response, of a PRM's data."""


def train_reward_model(
    kind: Kind, folders: Sequence[Path], base: str, output: Path, options: Sequence[str]
) -> str:
    """Trains into `output`, showing progress; what came of it, in a few lines for the user.

    Of several processes that train together the first alone has anything to say.
    Raises TrainError, FolderError and ConfigError.
    """
    settings = read_settings(TrainSettings, options)
    if (there := _read_trained(output)) is not None:
        return f"{output} holds a trained {there.kind} already; nothing was done"
    seen = _Seen()
    found = [one for folder in folders for one in _read_responses(folder, kind, settings, seen)]
    if found and not seen.solved:
        raise TrainError(
            f"--data: expected positive and negative labels, got {len(found)} responses none of which "
            "passed; easier problems or more rollouts give some that do"
        )
    if found and kind == "prm" and settings.labels != "right" and not seen.any_started:
        raise TrainError(
            f"labels={settings.labels}: expected rollouts that start within responses, got "
            f"{len(found)} responses without any; runs of strategy.use=math_shepherd start some at "
            "every step, of branching, omega, epic and adaptive at some; labels=right needs none"
        )
    responses = found
    if kind == "prm" and not settings.unsolved:
        responses = [one for one in found if one.problem_id in seen.solved]
    with Bar("training") as bar:

        def advance(now: Advance) -> None:
            bar.update(now.step, now.total, {name: f"{v:.3f}" for name, v in now.figures.items()})

        try:
            trained = train(
                kind,
                locate(base),
                responses,
                output,
                settings,
                data=f"{len(responses)} responses of {', '.join(map(str, folders))}",
                advance=advance,
            )
        except (RewardModelError, ModelError) as e:
            raise TrainError(str(e)) from e
        except OSError as e:
            raise TrainError(f"--output {output}: cannot be written ({e.strerror or e})") from e
        seconds = bar.seconds
    if not trained.is_first:
        return ""
    return _describe(trained, output, seconds, len(found) - len(responses), seen.num_voted)


def _read_trained(output: Path) -> TrainedModel | None:
    try:
        return TrainedModel.read(output)
    except ValueError as e:
        raise TrainError(f"--output {e}") from e


def _read_responses(
    folder: Path, kind: Kind, settings: TrainSettings, seen: _Seen
) -> Iterator[Labelled]:
    """The labelled responses of one folder."""
    columns = [*_COLUMNS, *(_PRM_COLUMNS if kind == "prm" else _ORM_COLUMNS)]
    for path in _files(folder):
        try:
            with pq.ParquetFile(path) as file:
                if missing := sorted(set(columns) - set(file.schema_arrow.names)):
                    raise TrainError(
                        f"{path}: expected the columns of the view `steps`, got none named {missing[0]}"
                        f"; `berry export {folder} --as steps` makes it anew"
                    )
                for batch in file.iter_batches(_READ_ROWS, columns=columns):
                    for row in batch.to_pylist():
                        seen.num_voted += row["label_source"] == LabelSource.MAJORITY
                        if row["outcome"] == "pass":
                            seen.solved.add(row["problem_id"])
                        if kind == "prm":
                            seen.any_started |= any(row["started_trials"][:-1])
                            yield _prm_labels(row, settings)
                        else:
                            yield _orm_labels(row)
        except (OSError, ValueError) as e:
            raise TrainError(
                f"{path}: is damaged; `berry export --as steps` of its run makes it again"
            ) from e


def _files(folder: Path) -> list[Path]:
    """The files of the view `steps`: a run's committed ones, or all of an exported folder."""
    if (folder / "run.json").is_file():
        run = RunFolder.read(folder)
        for index in sorted(run.parts):
            open_part(run, "steps", index).close()
        found = [run.part_path("steps", index) for index in sorted(run.parts)]
    else:
        found = sorted((folder / "data" / "steps").glob("part-*.parquet"))
    if not found:
        raise FolderError(
            f"--data {folder}: expected a run with a committed part, or a folder of "
            "`berry export --as steps`, found neither"
        )
    return found


def _prm_labels(row: dict[str, Any], settings: TrainSettings) -> Labelled:
    """A target for each step to learn from that no earlier response of the problem has as well."""
    targets, weights = _targets(row, settings.labels)
    learnt = range(
        row["num_shared"], _until_wrong(row, settings.labels) if settings.until_wrong else len(targets)
    )
    return _labelled(
        row,
        targets=[target if step in learnt else None for step, target in enumerate(targets)],
        weights=weights,
    )


def _until_wrong(row: dict[str, Any], labels: str) -> int:
    """How many steps there are up to the first wrong one, and with it."""
    if labels == "right":
        fine = [None if chance is None else chance >= 0.5 for chance in row["right"]]
    else:
        fine = row["labels"]
    return fine.index(False) + 1 if False in fine else len(fine)


def _targets(row: dict[str, Any], labels: str) -> tuple[list[float | None], list[float]]:
    """Of each step, and how much each counts."""
    if labels == "soft":
        return row["soft_labels"], [float(trials) for trials in row["started_trials"]]
    known = row["right"] if labels == "right" else row["labels"]
    return [None if one is None else float(one) for one in known], [1.0] * len(known)


def _orm_labels(row: dict[str, Any]) -> Labelled:
    """A target for the last step of a complete response that passed or failed.

    It counts as much as its prefix was likely to be sampled: a search that looks for mistakes starts
    most rollouts from wrong prefixes, and an ORM of theirs alone would take most responses for wrong.
    """
    target = {"pass": 1.0, "fail": 0.0}.get(row["outcome"])
    if row["status"] != "completed":
        target = None
    before: list[float | None] = [None] * (len(row["steps"]) - 1)
    weights = [row["sampling_weight"]] * len(row["steps"])
    return _labelled(row, targets=[*before, target], weights=weights)


def _labelled(
    row: dict[str, Any], *, targets: Sequence[float | None], weights: Sequence[float]
) -> Labelled:
    return Labelled(
        problem_id=row["problem_id"],
        prompt_token_ids=tuple(row["prompt_token_ids"]),
        step_token_ids=tuple(map(tuple, row["step_token_ids"])),
        texts=tuple(row["steps"]),
        targets=tuple(targets),
        weights=tuple(weights),
    )


def _describe(trained: Trained, output: Path, seconds: float, num_unsolved: int, num_voted: int) -> str:
    """What to tell the user: on what it was trained, how good it is, and what to do with it."""
    model = trained.model
    weakness = model.weakness
    # In YAML a path with a comma or the like needs quotes.
    path = str(output) if re.fullmatch(r"[\w./-]+", str(output)) else json.dumps(str(output))
    section = f"reward_models=[{{use: {model.kind}, model: {path}}}]"
    figures = [
        f"{name.replace('_', ' ')} {'unknown' if value is None else f'{value:.3f}'}"
        for name, value in model.held_out.items()
    ]
    resumed = f", going on from step {trained.resumed_at}" if trained.resumed_at else ""
    left_out = [
        f"{trained.num_too_long} too long",
        f"{trained.num_unlabelled} without labels of their own",
        *([f"{num_unsolved} to problems without any that passed"] if num_unsolved else []),
    ]
    voted = f"; {num_voted} of all are labelled by majority votes" if num_voted else ""
    return "\n".join(
        [
            f"{model.kind:<10} {output}, from {model.base}, in {duration(seconds)}{resumed}",
            f"{'trained on':<10} {trained.num_train} responses to {len(model.train_problems)} "
            f"problems; left out: {', '.join(left_out)}{voted}",
            f"{'held out':<10} {trained.num_held_out} responses to {trained.num_held_out_problems} "
            f"problems: {', '.join(figures)}",
            *([f"{'warning':<10} {weakness}: do not prune by it yet"] if weakness else []),
            "",
            "next:",
            f"  berry eval OUT --with {model.kind},majority,oracle --{model.kind} "
            f"{shlex.quote(str(output))}",
            f"  berry run CONFIG {shlex.quote(section)}",
        ]
    )
