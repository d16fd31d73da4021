"""`berry train`: trains a reward model on the step labels of runs.

It reads the view `steps` from the committed parts of run folders, or from folders written by `berry
export`. A step shared by several responses is used once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.config import read_settings
from pipeline.datasets.views.columns import LabelSource
from pipeline.engines.models import ModelError, locate
from pipeline.problems.variants.making import originals_of
from pipeline.training.errors import AlreadyTrained, TrainError, output_explained
from pipeline.training.rows import view_rows
from reward_models.errors import RewardModelError
from reward_models.manifest import TrainedModel
from reward_models.training.examples import Labelled
from reward_models.training.records import Advance, Kind, Trained
from reward_models.training.settings import TrainSettings
from reward_models.training.train import train

_COLUMNS = [
    "problem_id",
    "meta",
    "prompt_token_ids",
    "steps",
    "step_token_ids",
    "status",
    "outcome",
    "label_source",
]
_ORM_COLUMNS = ["sampling_weight"]
_OLD_NAMES = {"p_correct": "right"}
_PRM_COLUMNS = ["labels", "soft_labels", "started_trials", "p_correct", "num_shared"]


@dataclass(slots=True)
class _Seen:
    """Facts collected while reading the responses."""

    solved: set[str] = field(default_factory=set)
    """Ids of problems with a response that passed."""
    num_voted: int = 0
    """Number of responses labelled by a majority vote."""
    any_started: bool = False
    """Whether any rollout started within a response, in the data of a PRM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """A trained model and facts about its data."""

    trained: Trained
    output: Path
    num_unsolved: int
    """Number of responses excluded because no response to their problem passed."""
    num_voted: int
    """Number of responses labelled by a majority vote."""


def train_reward_model(
    kind: Kind,
    folders: Sequence[Path],
    base: str,
    output: Path,
    options: Sequence[str],
    advance: Callable[[Advance], None],
) -> TrainingResult:
    """Trains a model, writes it to `output`, and calls `advance` after each step.

    Raises AlreadyTrained, TrainError, FolderError and ConfigError.
    """
    settings = read_settings(TrainSettings, options)
    if (there := _read_trained(output)) is not None:
        raise AlreadyTrained(f"{output} already holds a trained {there.kind}; nothing was done")
    seen = _Seen()
    found = [one for folder in folders for one in _read_responses(folder, kind, settings, seen)]
    if found and not seen.solved:
        raise TrainError(
            f"--data: expected positive and negative labels, got {len(found)} responses of which none "
            "passed; use easier problems or more rollouts"
        )
    if found and kind == "prm" and settings.labels != "p_correct" and not seen.any_started:
        raise TrainError(
            f"labels={settings.labels}: expected rollouts that start within responses, got "
            f"{len(found)} responses without any; runs with strategy.use=math_shepherd start rollouts "
            "at every step, branching, omega, epic and adaptive at some; labels=p_correct needs none"
        )
    responses = found
    if kind == "prm" and not settings.unsolved:
        responses = [one for one in found if one.problem_id in seen.solved]
    try:
        with output_explained(output):
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
    return TrainingResult(
        trained=trained,
        output=output,
        num_unsolved=len(found) - len(responses),
        num_voted=seen.num_voted,
    )


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
    for row in view_rows(folder, "steps", columns, _OLD_NAMES):
        seen.num_voted += row["label_source"] == LabelSource.MAJORITY
        if row["outcome"] == "pass":
            seen.solved.add(row["problem_id"])
        if kind == "prm":
            seen.any_started |= any(row["started_trials"][:-1])
            yield _prm_labels(row, settings)
        else:
            yield _orm_labels(row)


def _prm_labels(row: dict[str, Any], settings: TrainSettings) -> Labelled:
    """Targets for the steps that no earlier response of the problem shares."""
    targets, weights = _targets(row, settings.labels)
    learnt = range(
        row["num_shared"],
        _num_up_to_first_error(row, settings.labels) if settings.up_to_first_error else len(targets),
    )
    return _labelled(
        row,
        targets=[target if step in learnt else None for step, target in enumerate(targets)],
        weights=weights,
    )


def _num_up_to_first_error(row: dict[str, Any], labels: str) -> int:
    """Number of steps up to and including the first wrong one."""
    if labels == "p_correct":
        fine = [None if p is None else p >= 0.5 for p in row["p_correct"]]
    else:
        fine = row["labels"]
    return fine.index(False) + 1 if False in fine else len(fine)


def _targets(row: dict[str, Any], labels: str) -> tuple[list[float | None], list[float]]:
    """Target and weight of each step."""
    if labels == "soft":
        return row["soft_labels"], [float(trials) for trials in row["started_trials"]]
    known = row["p_correct"] if labels == "p_correct" else row["labels"]
    return [None if one is None else float(one) for one in known], [1.0] * len(known)


def _orm_labels(row: dict[str, Any]) -> Labelled:
    """The target of a complete response that passed or failed, at its last step.

    Its weight is the probability of sampling its prefix. A search for mistakes starts most rollouts
    from wrong prefixes; without the weight, an ORM would learn that most responses are wrong.
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
        originals=originals_of(row["problem_id"], row["meta"]),
    )
