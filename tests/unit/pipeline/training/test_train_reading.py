"""What `berry train` makes of rows of the view `steps`."""

import errno
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.datasets.views.steps import STEPS
from pipeline.errors import RunFailure
from pipeline.training import train
from pipeline.training.errors import TrainError
from pipeline.training.train import _read_responses, _Seen, train_reward_model
from reward_models.errors import RewardModelError
from reward_models.training.settings import TrainSettings

ROW: dict[str, Any] = {
    "problem_id": "p",
    "prompt_token_ids": [1],
    "steps": ["a", "b", "c"],
    "step_token_ids": [[2], [3, 4], [5]],
    "labels": [True, False, None],
    "soft_labels": [0.75, 0.0, None],
    "trials": [6, 2, 0],
    "started_trials": [4, 1, 0],
    "p_correct": [0.875, 0.25, 0.125],
    "num_shared": 0,
    "sampling_weight": 0.25,
    "status": "completed",
    "outcome": "fail",
    "label_source": "verifier",
}


def ignore(_: object) -> None:
    """Shows no progress."""


def write(folder: Path, rows: list[dict[str, Any]]) -> None:
    (folder / "data" / "steps").mkdir(parents=True)
    table = pa.Table.from_pylist([ROW | row for row in rows], schema=STEPS.schema)
    pq.write_table(table, folder / "data" / "steps" / "part-0000000.parquet")


def read(folder: Path, rows: list[dict[str, Any]], kind: Any, **options: Any) -> tuple[Any, _Seen]:
    write(folder, rows)
    seen = _Seen()
    found = list(_read_responses(folder, kind, TrainSettings(**options), seen))
    return [(one.targets, one.weights) for one in found], seen


@pytest.mark.parametrize(
    ("labels", "targets", "weights"),
    [
        ("hard", (1.0, 0.0, None), (1.0, 1.0, 1.0)),
        ("soft", (0.75, 0.0, None), (4.0, 1.0, 0.0)),
        ("p_correct", (0.875, 0.25, 0.125), (1.0, 1.0, 1.0)),
    ],
)
def test_a_prm_learns_the_labels_asked_for(
    tmp_path: Path, labels: str, targets: tuple[float | None, ...], weights: tuple[float, ...]
) -> None:
    (found,), _ = read(tmp_path, [{}], "prm", labels=labels, up_to_first_error=False)
    assert found == (targets, weights)


@pytest.mark.parametrize(
    ("labels", "row", "targets"),
    [
        ("hard", {}, (1.0, 0.0, None)),
        ("soft", {}, (0.75, 0.0, None)),
        ("p_correct", {}, (0.875, 0.25, None)),
        ("hard", {"labels": [True, True, False]}, (1.0, 1.0, 0.0)),
        ("hard", {"labels": [False, True, True]}, (0.0, None, None)),
        # An unknown step is not a wrong one.
        ("hard", {"labels": [True, None, True]}, (1.0, None, 1.0)),
        # Few that passed are some: the step may be right and the rest hard.
        ("soft", {"soft_labels": [0.25, 0.25, 0.0], "labels": [True, True, False]}, (0.25, 0.25, 0.0)),
        ("p_correct", {"p_correct": [0.5, None, 0.75]}, (0.5, None, 0.75)),
    ],
)
def test_a_prm_learns_up_to_the_first_wrong_step(
    tmp_path: Path, labels: str, row: dict[str, Any], targets: tuple[float | None, ...]
) -> None:
    ((found, _),), _ = read(tmp_path, [row], "prm", labels=labels)
    assert found == targets


def test_steps_that_an_earlier_response_has_are_learnt_once(tmp_path: Path) -> None:
    (first, second), _ = read(
        tmp_path, [{}, {"num_shared": 2}], "prm", labels="p_correct", up_to_first_error=False
    )
    assert first[0] == (0.875, 0.25, 0.125)
    assert second[0] == (None, None, 0.125)


def test_an_orm_learns_outcomes_of_complete_responses_alone(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"outcome": "pass"},
        {"outcome": "fail"},
        {"outcome": "abstain"},
        {"outcome": "error"},
        {"status": "truncated", "outcome": None},
        {"status": "pruned", "outcome": None},
    ]
    found, _ = read(tmp_path, rows, "orm")
    assert [targets for targets, _ in found] == [
        (None, None, last) for last in (1.0, 0.0, None, None, None, None)
    ]


def test_an_orm_weighs_responses_as_the_solver_would_have_sampled_them(tmp_path: Path) -> None:
    found, _ = read(tmp_path, [{"outcome": "pass", "sampling_weight": 0.125}], "orm")
    assert [weights for _, weights in found] == [(0.125, 0.125, 0.125)]


def test_votes_and_solved_problems_are_seen(tmp_path: Path) -> None:
    rows = [
        {},
        {"label_source": "majority"},
        {"problem_id": "q", "outcome": "pass"},
        {"problem_id": "q"},
    ]
    _, seen = read(tmp_path, rows, "orm")
    assert (seen.num_voted, seen.solved) == (1, {"q"})


@pytest.mark.parametrize(
    ("kind", "options", "learnt"),
    [
        ("prm", [], ["q", "q"]),
        ("prm", ["unsolved=true"], ["p", "q", "q"]),
        # A response that failed is wrong, however hard its problem.
        ("orm", [], ["p", "q", "q"]),
    ],
)
def test_a_prm_learns_of_solved_problems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Any, options: list[str], learnt: list[str]
) -> None:
    write(tmp_path, [{}, {"problem_id": "q", "outcome": "pass"}, {"problem_id": "q"}])
    assert given(tmp_path, monkeypatch, kind, options) == learnt


@pytest.mark.parametrize("kind", ["prm", "orm"])
def test_without_any_response_that_passed_nothing_is_trained(tmp_path: Path, kind: Any) -> None:
    """Whatever the labels are: chances of `right` under a half are not all 0."""
    write(tmp_path, [{}, {"problem_id": "q"}])
    with pytest.raises(TrainError, match="got 2 responses of which none passed"):
        train_reward_model(kind, [tmp_path], "base", tmp_path / "output", ["unsolved=true"], ignore)


@pytest.mark.parametrize("labels", ["hard", "soft"])
def test_labels_of_started_rollouts_need_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labels: str
) -> None:
    """A run of best_of_n: the outcomes of the responses label their last steps alone."""
    write(tmp_path, [{"outcome": "pass", "started_trials": [0, 0, 1]}])
    with pytest.raises(TrainError, match=f"labels={labels}: expected rollouts that start within"):
        train_reward_model("prm", [tmp_path], "base", tmp_path / "output", [f"labels={labels}"], ignore)
    assert given(tmp_path, monkeypatch, "prm", ["labels=p_correct"]) == ["p"]


def given(folder: Path, monkeypatch: pytest.MonkeyPatch, kind: Any, options: list[str]) -> list[str]:
    """The problems of the responses that training is given."""
    problems: list[str] = []

    def stop(_kind: str, _base: str, responses: list[Any], *_: Any, **__: Any) -> None:
        problems.extend(one.problem_id for one in responses)
        raise RewardModelError("enough")

    monkeypatch.setattr(train, "train", stop)
    monkeypatch.setattr(train, "locate", str)
    with pytest.raises(TrainError, match="enough"):
        train_reward_model(kind, [folder], "base", folder / "output", options, ignore)
    return problems


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), RunFailure),
        (Exception("Error while serializing: I/O error: No space left (os error 28)"), RunFailure),
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576"), RunFailure),
        (PermissionError(errno.EACCES, "Permission denied"), TrainError),
    ],
    ids=repr,
)
def test_a_model_that_cannot_be_written_is_one_line_whoever_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, expected: type[Exception]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    write(tmp_path, [{**ROW, "outcome": "pass"}, ROW])
    monkeypatch.setattr(train, "train", fail)
    monkeypatch.setattr(train, "locate", str)
    with pytest.raises(expected, match=r"--output .*: cannot be written \(.+\)"):
        train_reward_model("orm", [tmp_path], str(tmp_path), tmp_path / "output", [], ignore)
