"""Old names of keys are still taken, with one line that says the new one."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from pipeline.cli.app import berry
from pipeline.config import (
    ConfigError,
    check_section,
    load_config,
    read_labels,
    read_rules,
    read_settings,
)
from pipeline.config.renamed import _KEYS, _SETTINGS, rename_keys, renamed
from pipeline.files.publishing import FolderError
from pipeline.labels.step_labels import LabelConfig
from reward_models.manifest import TrainedModel
from reward_models.training.settings import TrainSettings
from verifiers.catalog import VERIFIER

MINIMAL: dict[str, Any] = {
    "output": "out",
    "problems": {"use": "reasoning_gym", "task": "chain_sum"},
    "engine": {"use": "simulated"},
    "strategy": {"use": "best_of_n"},
    "reward_models": [{"use": "simulated"}],
    "verifier": {"use": "math"},
}
VALUES: dict[str, Any] = {
    "branch_pruning.every": 2,
    "branch_pruning.explore": 0.25,
    "branch_pruning.keep": 0.5,
    "branch_pruning.under": 0.25,
    "labels.majority.minimum_responses": 3,
    "labels.majority.minimum_share": 0.75,
    "labels.majority.workers": 2,
    "problems_per_part": 5,
    "prune.near_duplicates": 0.75,
    "sandbox.workers": 3,
    "strategy.n": 5,
    "verifier.workers": 2,
}


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """The warnings that are logged, whoever has configured the loggers before."""
    found: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    logger = logging.getLogger("pipeline.config.renamed")
    keep = Keep()
    logger.addHandler(keep)
    yield found
    logger.removeHandler(keep)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(MINIMAL))
    return path


def at(config: dict[str, Any], key: str) -> Any:
    found: Any = config
    for name in key.split("."):
        found = found[name]
    return found


def dump(path: Path, *overrides: str) -> dict[str, Any]:
    """The config as plain values, a part's options included."""
    # Pruning needs one of its two rules.
    loaded = load_config(path, ["branch_pruning.min_score=0.125", *overrides])
    parts = {
        name: {"use": part.use, **part.options.model_dump(mode="json")}
        for name, part in (("strategy", loaded.strategy), ("verifier", loaded.verifier))
    }
    return {**loaded.model_dump(mode="json"), **parts}


def test_every_old_name_is_tried() -> None:
    assert VALUES.keys() == _KEYS.keys()


@pytest.mark.parametrize(("old", "new"), _KEYS.items(), ids=str)
def test_the_command_line_takes_the_old_name(path: Path, lines: list[str], old: str, new: str) -> None:
    assert at(dump(path, f"{old}={VALUES[old]}"), new) == VALUES[old]
    assert lines.count(f"{old} is now called {new}; the old name still works") == 1


@pytest.mark.parametrize(("old", "new"), _KEYS.items(), ids=str)
def test_a_file_may_have_the_old_name_and_the_command_line_goes_before_it(
    path: Path, lines: list[str], old: str, new: str
) -> None:
    raw = yaml.safe_load(path.read_text())
    section = raw
    *above, last = old.split(".")
    for name in above:
        section = section.setdefault(name, {})
    section[last] = VALUES[old]
    path.write_text(yaml.safe_dump(raw))
    if old != "branch_pruning.under":  # `dump` itself sets that one
        assert at(dump(path), new) == VALUES[old]
    assert at(dump(path, f"{new}={VALUES[old]}"), new) == VALUES[old]


def test_another_part_keeps_its_key_of_that_name(lines: list[str]) -> None:
    raw = {"strategy": {"use": "mine:Own", "n": 6}}
    rename_keys(raw)
    assert raw == {"strategy": {"use": "mine:Own", "n": 6}}
    assert renamed(["strategy", "n"], 6, raw) == ["strategy", "n"]
    assert not lines


def test_verifiers_inside_verifiers_take_the_old_name(path: Path, lines: list[str]) -> None:
    parts = "[{use: exact}, {use: any_of, verifiers: [{use: math, workers: 2}]}]"
    raw = yaml.safe_load(path.read_text()) | {
        "verifier": {"use": "all_of", "verifiers": yaml.safe_load(parts)}
    }
    path.write_text(yaml.safe_dump(raw))
    loaded = load_config(path)
    (math,) = [part for part in loaded.verifier.nested() if part.use == "math"]
    assert math.options.model_dump()["check_processes"] == 2
    place = "verifier.verifiers.1.verifiers.0.workers"
    assert lines == [f"{place} is now called check_processes; the old name still works"]


@pytest.mark.parametrize(
    ("verifier", "overrides"),
    [
        ("{use: by_kind, default: {use: math, workers: 2}}", []),
        ("{use: by_kind, kinds: {math: {use: math, workers: 2}}}", []),
        ("{use: by_kind, default: {use: math}}", ["verifier.default.workers=2"]),
        ("{use: by_kind, default: {use: math, check_processes: 4}}", ["verifier.default.workers=2"]),
        ("{use: exact}", ["verifier={use: all_of, verifiers: [{use: math, workers: 2}]}"]),
        ("{use: all_of}", ["verifier.verifiers=[{use: math, workers: 2}]"]),
        ("{use: exact}", ["verifier={use: math, workers: 2}"]),
    ],
)
def test_an_old_name_works_at_any_depth_in_the_file_and_on_the_command_line(
    path: Path, lines: list[str], verifier: str, overrides: list[str]
) -> None:
    raw = yaml.safe_load(path.read_text()) | {"verifier": yaml.safe_load(verifier)}
    path.write_text(yaml.safe_dump(raw))
    loaded = load_config(path, overrides)
    (math,) = [part for part in loaded.verifier.nested() if part.use == "math"]
    assert math.options.model_dump()["check_processes"] == 2
    (line,) = lines
    assert "workers is now called " in line


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("strategy={use: best_of_n, n: 5}", "strategy.rollouts", 5),
        ("sandbox={workers: 3}", "sandbox.processes", 3),
        ("labels.majority={minimum_share: 0.75}", "labels.majority.min_fraction", 0.75),
    ],
)
def test_a_whole_section_on_the_command_line_may_have_old_names(
    path: Path, lines: list[str], override: str, key: str, value: object
) -> None:
    assert at(dump(path, override), key) == value
    (line,) = lines
    assert line.endswith(f" is now called {key}; the old name still works")


def test_inner_verifiers_of_berry_verify_take_the_old_name(lines: list[str]) -> None:
    part = check_section(VERIFIER, "by_kind", ["default={use: math, workers: 2}"])
    (math,) = [one for one in part.nested() if one.use == "math"]
    assert math.options.model_dump()["check_processes"] == 2
    assert lines == ["default.workers is now called check_processes; the old name still works"]


@pytest.mark.parametrize("option", ["use=exact", "use.x=3"])
def test_a_verifier_named_twice_is_a_mistake(option: str) -> None:
    with pytest.raises(ConfigError, match="expected an option of math, which is already named"):
        check_section(VERIFIER, "math", [option])


@pytest.mark.parametrize(
    ("options", "old", "new"),
    [
        (["--workers", "2"], "--workers", "--processes"),
        (["--last-number"], "--last-number", "--extract last"),
    ],
)
def test_berry_verify_takes_old_options(
    tmp_path: Path, lines: list[str], options: list[str], old: str, new: str
) -> None:
    (tmp_path / "rows.jsonl").write_text('{"gold": "4", "response": "The answer is 4."}\n')
    files = ["--input", str(tmp_path / "rows.jsonl"), "--output", str(tmp_path / "verdicts.jsonl")]
    done = CliRunner().invoke(berry, ["verify", "math", *files, *options], catch_exceptions=False)
    assert done.exit_code == 0
    assert lines == [f"{old} is now called {new}; the old name still works"]


def test_berry_eval_takes_the_old_name_of_the_labels(lines: list[str]) -> None:
    done = CliRunner().invoke(berry, ["eval", "nowhere", "--against", "right"])
    assert isinstance(done.exception, FolderError)  # it came past the option
    assert lines == ["--against right is now called --against p_correct; the old name still works"]


def test_the_rules_of_an_export_take_old_names_inside_a_value(lines: list[str]) -> None:
    rules = read_rules({}, ["labels.majority={minimum_share: 0.75}"])
    assert rules.labels.majority.min_fraction == 0.75
    assert len(lines) == 1


@pytest.mark.parametrize("use", ["[math]", "{a: 1}", "null", "7"])
def test_a_use_of_a_wrong_type_next_to_an_old_name_is_one_line(path: Path, use: str) -> None:
    path.write_text(path.read_text() + f"\nverifier: {{use: {use}, workers: 2}}\n")
    with pytest.raises(ConfigError, match=r"verifier"):
        load_config(path)


def test_an_old_key_fills_an_empty_section(path: Path) -> None:
    path.write_text(path.read_text() + "\nproblems_per_part: 5\ndataset:\n")
    assert load_config(path).dataset.problems_per_part == 5


def test_an_old_key_next_to_a_value_instead_of_a_section_is_one_line(path: Path) -> None:
    path.write_text(path.read_text() + "\nproblems_per_part: 5\ndataset: 3\n")
    with pytest.raises(ConfigError, match=r"dataset: expected .*, got 3"):
        load_config(path)


def test_the_command_line_fills_a_section_without_a_value(path: Path) -> None:
    path.write_text(path.read_text() + "\nbranch_pruning:\nprune: null\n")
    loaded = load_config(path, ["branch_pruning.min_score=0.25", "prune.max_per_problem=2"])
    assert loaded.branch_pruning is not None
    assert loaded.branch_pruning.min_score == 0.25
    assert loaded.prune.max_per_problem == 2


def test_a_damaged_section_of_a_stored_run_is_one_line() -> None:
    with pytest.raises(ConfigError, match=r"prune: expected"):
        read_rules({"prune": None})


def test_a_mistake_in_the_value_names_the_new_key(path: Path, lines: list[str]) -> None:
    with pytest.raises(Exception, match=r"on the command line: dataset.problems_per_part: expected"):
        load_config(path, ["problems_per_part=0"])


@pytest.mark.parametrize(("old", "new"), _SETTINGS.items())
def test_training_takes_the_old_names(lines: list[str], old: str, new: str) -> None:
    value = {"accumulate": 4, "until_wrong": False}[old]
    assert getattr(read_settings(TrainSettings, [f"{old}={value}"]), new) == value
    assert f"{old} is now called {new}; the old name still works" in lines


def test_training_takes_the_old_name_of_the_labels(lines: list[str]) -> None:
    assert read_settings(TrainSettings, ["labels=right"]).labels == "p_correct"
    assert any("labels=p_correct" in line for line in lines)


def test_a_verifiers_options_take_the_old_name(lines: list[str]) -> None:
    part = check_section(VERIFIER, "math", ["workers=2"])
    assert part.options.model_dump()["check_processes"] == 2
    assert "workers is now called check_processes; the old name still works" in lines


def test_the_rules_of_a_stored_run_are_read_without_a_word(lines: list[str]) -> None:
    stored = {"prune": {"near_duplicates": 0.5}, "labels": {"majority": {"minimum_share": 0.75}}}
    rules = read_rules(stored)
    assert rules.prune.max_similarity == 0.5
    assert rules.labels.majority.min_fraction == 0.75
    assert stored["labels"] == {"majority": {"minimum_share": 0.75}}
    assert not lines


def test_a_model_that_an_earlier_version_trained_is_read(tmp_path: Path) -> None:
    (tmp_path / "berry_reward_model.json").write_text(
        '{"kind": "prm", "labels": "right", "until_wrong": true, "base": "b", "tokenizer": "t",'
        ' "train_problems": []}'
    )
    model = TrainedModel.read(tmp_path)
    assert model is not None
    assert (model.labels, model.up_to_first_error) == ("p_correct", True)


def test_labels_of_a_run_of_another_version_are_read_without_its_unknown_keys() -> None:
    stored = {"interval": 0.9, "gone": 1, "majority": {"use": "plain", "workers": 2, "gone": {"a": 1}}}
    found = read_labels({"labels": stored, "prune": {"gone": 1}})
    assert (found.interval, found.majority.use, found.majority.check_processes) == (0.9, "plain", 2)
    assert "gone" in stored
    assert read_labels({}) == LabelConfig()


@pytest.mark.parametrize("stored", [{"interval": 2}, [1], {"gone": 1, "interval": "x"}])
def test_labels_that_cannot_be_read_are_one_line(stored: object) -> None:
    with pytest.raises(ConfigError, match=r"expected"):
        read_labels({"labels": stored})
