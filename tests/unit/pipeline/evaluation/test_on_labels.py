"""Scores on responses that people have labelled: files, figures, and what users get wrong."""

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pydantic import BaseModel

from pipeline.cli.app import berry
from pipeline.errors import UserMistake
from pipeline.evaluation.command import read_model
from pipeline.evaluation.labelled import LabelledError, read_labelled
from pipeline.evaluation.on_labels import AskedOnLabels, OnLabels, evaluate_on_labels
from pipeline.evaluation.trained import read_trained
from reward_models import Score, Steps
from tests.conftest import SHARED_DATA

ROW = {
    "id": "a",
    "generator": "a column that is ignored",
    "problem": "1 + 2?",
    "steps": ["1 + 2 = 4", "so 4"],
    "label": 0,
    "final_answer_correct": False,
    "scores": [0.2, 0.9],
}


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def ask(*files: Path, **changes: Any) -> AskedOnLabels:
    asked = {"prm": None, "scores": "scores", "threshold": 0.5, "aggregate": "min", "seed": 0}
    return AskedOnLabels(files=files, **{**asked, **changes})


def figures(*files: Path, **changes: Any) -> dict[str, OnLabels]:
    return {one.of: one for one in evaluate_on_labels(ask(*files, **changes)).figures}


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(berry, ["eval", *map(str, arguments)])


def made_up(number: int, noise: float, subset: str) -> list[dict[str, object]]:
    """Responses to problems, half of them with a wrong step; scores that know it, but for the noise."""
    random = Random(number)
    rows: list[dict[str, object]] = []
    for index in range(number):
        num_steps = random.randint(2, 6)
        first = random.randrange(num_steps) if index % 2 else -1
        truth = [float(first < 0 or place < first) for place in range(num_steps)]
        scores = [(1 - noise) * one + noise * random.random() for one in truth]
        steps = [f"step {place}" for place in range(num_steps)]
        rows.append({**ROW, "problem": f"{index}?", "steps": steps, "label": first, "scores": scores})
        rows[-1] |= {"subset": subset, "final_answer_correct": index % 5 != 1}
    return rows


def test_perfect_scores_find_every_error_and_useless_ones_none(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", *made_up(40, 0.0, "good"), *made_up(40, 1.0, "useless"))
    found = figures(path)
    assert list(found) == ["all", "good", "useless"]
    good, useless = found["good"], found["useless"]
    assert (good.first_errors.f1, good.steps.auc) == (1, 1)
    assert good.by_chance == pytest.approx(0.2, abs=0.05)
    assert useless.steps.auc == pytest.approx(0.5, abs=0.2)
    assert useless.best.f1 is not None
    assert useless.best.f1 < 0.6
    low, high = found["all"].first_errors.intervals["f1"] or (0, 0)
    assert low < (found["all"].first_errors.f1 or 0) < high
    assert good.flawed is not None
    assert (good.flawed.number, good.flawed.num_flawed) == (32, 16)
    assert (good.flawed.found, good.flawed.auc) == (1, 1)


def test_steps_behind_the_first_error_count_for_nothing(tmp_path: Path) -> None:
    right = {**ROW, "label": -1, "steps": ["a", "b"], "scores": [0.9, 0.8]}
    wrong = {**ROW, "label": 0, "steps": ["a", "b", "c"], "scores": [0.1, 1.0, 1.0]}
    found = figures(write(tmp_path / "a.jsonl", right, wrong))["all"]
    assert found.steps.number == 3
    assert found.steps.auc == 1


def test_unscored_responses_are_left_out_and_counted(tmp_path: Path) -> None:
    found = evaluate_on_labels(ask(write(tmp_path / "a.jsonl", ROW, {**ROW, "scores": None})))
    assert found.num_unscored == 1
    assert found.figures[0].first_errors.num_wrong == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"label": 2}, "label: expected -1 or a step from 0 to 1, got 2"),
        ({"label": True}, "label: expected -1 or a step from 0 to 1, got true"),
        ({"label": None}, "label: expected -1 or a step from 0 to 1, got null"),
        ({"label": -1.0}, "label: expected -1 or a step from 0 to 1, got -1.0"),
        ({"subset": {"a": 1}}, 'subset: expected a text, got {"a": 1}'),
        ({"steps": ["a", "\ud800"]}, "steps: expected text without lone surrogates, got '\\ud800'"),
        ({"steps": []}, "steps: expected a list of one text or more, got []"),
        ({"steps": "a"}, "steps: expected a list of one text or more, got 'a'"),
        ({"problem": 3}, "problem: expected a text, got 3"),
        (
            {"final_answer_correct": "yes"},
            "final_answer_correct: expected true, false or null, got 'yes'",
        ),
        ({"scores": [0.1]}, "scores: expected 2 scores, one for each step, got 1"),
        ({"scores": [0.1, 1.1]}, "scores: expected scores from 0 to 1, got 1.1"),
        ({"scores": [0.1, 10**400]}, f"scores: expected scores from 0 to 1, got 1{'0' * 56}..."),
        ({"scores": [0.1, float("nan")]}, "scores: expected scores from 0 to 1, got NaN"),
        ({"scores": [0.1, None]}, "scores: expected scores from 0 to 1, got null"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, change: dict[str, object], told: str) -> None:
    path = write(tmp_path / "a.jsonl", ROW, {**ROW, **change})
    with pytest.raises(LabelledError) as caught:
        list(read_labelled(path, "scores"))
    assert str(caught.value) == f"{path}, line 2: {told}"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "OUT: expected a run folder or --on FILE, got neither"),
        (("--on", "a.csv"), "a.csv: expected a .jsonl or .parquet file"),
        (("--on", "none.jsonl"), "none.jsonl: No such file or directory"),
        (("--on", "a.jsonl", "--n", "4"), "--n: cannot be used with --on FILE"),
        (("--on", "a.jsonl", "--with", "prm"), "--with: cannot be used with --on FILE"),
        (("--on", "a.jsonl", "--against", "soft"), "--against: cannot be used with --on FILE"),
        (("out", "--on", "a.jsonl"), "OUT: expected none with --on FILE, got out"),
        (("out", "--scores", "s"), "--scores: needs --on FILE"),
        (
            ("--on", "a.jsonl", "--prm", "self_critic"),
            "--prm self_critic: expected a model that needs no engine",
        ),
        (("--on", "a.jsonl", "half=3"), "half=3: expected --prm with it"),
        (
            ("--on", "a.jsonl", "--prm", "x:Y", "--scores", "s"),
            "--scores s: expected either it or --prm x:Y",
        ),
    ],
)
def test_what_users_get_wrong_is_one_line(arguments: Sequence[str], told: str) -> None:
    found = invoke(*arguments)
    assert isinstance(found.exception, UserMistake)
    assert str(found.exception).startswith(told)


def test_a_file_without_rows_or_columns_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n\n")
    with pytest.raises(LabelledError, match="expected at least one labelled response, got none"):
        figures(path)
    with pytest.raises(
        LabelledError, match=r"expected a column of labels, one of label, .*got no columns"
    ):
        figures(write(path, {}))
    bare = {key: value for key, value in ROW.items() if key != "scores"}
    with pytest.raises(LabelledError, match="got no such column; --prm MODEL scores the steps"):
        figures(write(path, bare))


@pytest.mark.parametrize("value", ["nan", "-0.1", "1.5", "x"])
def test_a_threshold_is_a_share(value: str) -> None:
    found = invoke("--on", "a.jsonl", "--threshold", value)
    assert found.exit_code == 2
    assert f"expected a number from 0 to 1, got '{value}'" in found.output


def test_a_servers_name_for_a_model_is_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "served").write_text("a file that happens to be called so")
    monkeypatch.chdir(tmp_path)
    part = read_model("prm", "critic", ["model=served", "base_url=http://localhost:9/v1"])
    assert read_trained(part) is None


def test_a_subset_is_no_markup(tmp_path: Path) -> None:
    rows = {**ROW, "subset": "[red]a[/red]"}, {**ROW, "subset": "[/b]"}
    shown = invoke("--on", write(tmp_path / "a.jsonl", *rows))
    assert shown.exception is None
    assert "[red]a[/red]" in shown.output
    assert "[/b]" in shown.output


def test_what_was_left_out_is_told_beside_the_json(tmp_path: Path) -> None:
    found = invoke("--on", write(tmp_path / "a.jsonl", ROW, {**ROW, "scores": None}), "--json")
    assert json.loads(found.stdout)["first_errors"]["num_wrong"] == 1
    assert "left out   1 responses without a score" in found.stderr


def test_a_parquet_file_is_the_same(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = made_up(20, 0.5, "x")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert figures(tmp_path / "a.parquet") == figures(write(tmp_path / "a.jsonl", *rows))


class Wary:
    """Doubts every step with the word `wrong` in it; reads texts."""

    class Config(BaseModel, extra="forbid"):
        pass

    name, revision = "wary", "1"

    def __init__(self, config: object) -> None:
        self.config = config

    def score(self, batch: Sequence[Steps]) -> list[Score]:
        return [
            Score(
                model=self.name,
                revision=self.revision,
                values=tuple(0.1 if "wrong" in text else 0.9 for text in steps.texts),
            )
            for steps in batch
        ]


def test_a_model_of_ones_own_scores_them(tmp_path: Path) -> None:
    wrong = {**ROW, "steps": ["right", "wrong"], "label": 1}
    right = {**ROW, "steps": ["right"], "label": -1}
    path = write(tmp_path / "a.jsonl", wrong, right)
    found = invoke("--on", path, "--prm", f"{__name__}:Wary", "--json", "--output", tmp_path / "out")
    assert found.exception is None, found.output
    (row,) = map(json.loads, found.stdout.splitlines())
    assert (row["of"], row["first_errors"]["f1"], row["steps"]["auc"]) == ("all", 1, 1)
    (stored,) = map(json.loads, (tmp_path / "out" / "metrics.jsonl").read_text().splitlines())
    assert stored == {"figure": "on_labels", **row}
    assert (tmp_path / "out" / "thresholds.png").read_bytes().startswith(b"\x89PNG")
    shown = invoke("--on", path, "--prm", f"{__name__}:Wary").output
    for line in ("first error found", "left alone", "F1", "by chance", "AUC of steps"):
        assert line in shown


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="the labelled data are not beside the project")
@pytest.mark.parametrize(
    ("name", "number", "num_right", "num_flawed"),
    [
        ("mr_gsm8k_wrong590.jsonl", 590, 0, 19),
        ("bbm_multistep_arithmetic.jsonl", 300, 62, 1),
        ("bbm_logical_deduction.jsonl", 300, 6, 39),
    ],
)
def test_other_sets_are_read_in_their_own_columns(
    name: str, number: int, num_right: int, num_flawed: int
) -> None:
    rows = list(read_labelled(SHARED_DATA / name))
    assert len(rows) == number
    assert sum(one.first_error is None for one in rows) == num_right
    flawed = [one for one in rows if one.final_right and one.first_error is not None]
    assert len(flawed) == num_flawed
    assert all(one.first_error is None or one.first_error < len(one.steps) for one in rows)
