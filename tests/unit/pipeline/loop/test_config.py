"""The config of a loop: how it is composed, and mistakes in it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.config import ConfigError
from pipeline.loop.config import load_loop

_RUN = """\
output: runs/one
seed: 3
problems: {use: reasoning_gym, task: chain_sum, size: 20, options: {min_terms: 2}}
engine: {use: vllm, model: base-model, max_model_len: 512}
strategy: {use: branching, rollouts: 8}
verifier: {use: math}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the config of a run."""
    (tmp_path / "run.yaml").write_text(_RUN)
    return tmp_path


def _load(folder: Path, *overrides: str, **config: Any) -> Any:
    path = folder / "loop.yaml"
    path.write_text(yaml.safe_dump({"output": str(folder / "out"), **config}))
    return load_loop(path, overrides)[0]


def test_the_section_run_may_be_a_file(folder: Path) -> None:
    config = _load(folder, run=str(folder / "run.yaml"))
    assert config.run["strategy"] == {"use": "branching", "rollouts": 8}
    assert config.base == "base-model"
    assert "output" not in config.run
    assert [config.name_of(one) for one in config.stages] == [
        "search", "prm", "policy", "evaluate", "gate",
    ]  # fmt: skip


def test_keys_of_the_section_change_those_of_the_file(folder: Path) -> None:
    run = {
        "config": str(folder / "run.yaml"),
        "problems": {"size": 99, "options": {"max_terms": 4}},
        "strategy": {"use": "best_of_n", "rollouts": 4},
    }
    config = _load(folder, "run.engine.model=other", run=run)
    assert config.run["problems"]["options"] == {"min_terms": 2, "max_terms": 4}
    assert config.run["problems"]["size"] == 99
    assert config.run["strategy"] == {"use": "best_of_n", "rollouts": 4}
    assert config.base == "other"


def test_the_command_line_reaches_stages_by_number(folder: Path) -> None:
    stages = [{"use": "search"}, {"use": "policy"}]
    config = _load(folder, "stages.1.epochs=3", "rounds=7", run=str(folder / "run.yaml"), stages=stages)
    assert config.stages[1].options.epochs == 3
    assert config.rounds == 7


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("stages.1.name=x", "stages.1.name: expected the number of one of the 1 entries of stages"),
        ("stages.search.name=x", "entries of stages, counted from 0, got 'search'"),
        ("rounds.x=1", "rounds.x: has no keys below it"),
    ],
)
def test_a_key_below_nothing_is_refused(folder: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        _load(folder, override, run=str(folder / "run.yaml"), stages=[{"use": "search"}], rounds=1)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "run: expected the config of the loop's runs, got none"),
        ({"problems": {"use": "file"}}, "got none; `berry run` takes the config of a single run"),
        ({"run": None}, "run: expected the config of a run, got null"),
        ({"run": "RUN", "rounds": 0}, "rounds: expected"),
        ({"run": {"config": "RUN", "output": "x"}}, "run.output: the loop sets it"),
        ({"run": {"config": "RUN", "strategy": {"rolouts": 2}}}, "rolouts"),
        ({"run": {"config": 3}}, "run.config: expected the file of a run's config, got 3"),
        ({"run": "missing.yaml"}, "missing.yaml: cannot be read"),
        ({"run": "RUN", "stages": [{"use": "serach"}]}, "did you mean search?"),
        ({"run": "RUN", "stages": [{"use": "policy", "epoch": 2}]}, "epoch"),
        ({"run": "RUN", "stages": [{"use": "policy"}] * 2}, "got 'policy' twice; set `name`"),
        ({"run": "RUN", "stages": []}, "stages: expected"),
        ({"run": "RUN", "evaluation": {"held_out": 0}}, "evaluation.held_out: expected"),
        ({"run": "RUN", "stages": [{"use": "pathlib:Path"}]}, "pydantic model `Config`"),
        ({"run": "RUN", "gpus": "both"}, "gpus: expected"),
        ({"run": {"config": "RUN", "engines": [{"use": "simulated"}], "engine": None}}, "engines"),
    ],
)
def test_mistakes_are_one_line(folder: Path, config: dict[str, Any], message: str) -> None:
    text = yaml.safe_dump(config).replace("RUN", str(folder / "run.yaml"))
    with pytest.raises(ConfigError) as error:
        _load(folder, **yaml.safe_load(text))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_output_is_a_folder_of_this_machine(folder: Path) -> None:
    with pytest.raises(ConfigError, match="output: expected a folder of this machine"):
        _load(folder, "output=s3://bucket/x", run=str(folder / "run.yaml"))


def test_the_shipped_loops_are_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.conftest import ROOT

    monkeypatch.chdir(ROOT)
    found = sorted((ROOT / "configs" / "loops").glob("*.yaml"))
    assert found
    for path in found:
        config, run_config = load_loop(path)
        assert config.base == run_config.engine.options.model_dump()["model"]


def test_a_file_named_on_the_command_line_can_have_keys_after_it(folder: Path) -> None:
    config = _load(folder, f"run={folder / 'run.yaml'}", "run.engine.model=other", run="none.yaml")
    assert config.base == "other"


@pytest.mark.parametrize("name", ["models", "Rounds", "logs", "configs", "round", "round-1"])
def test_stages_are_not_named_like_the_folders_of_the_loop(folder: Path, name: str) -> None:
    stages = [{"use": "search"}, {"use": "evaluate", "name": name}]
    with pytest.raises(ConfigError, match=f"the loop's own folders, got '{name}'"):
        _load(folder, run=str(folder / "run.yaml"), stages=stages)


@pytest.mark.parametrize("key", ["output", "seed", "problems"])
def test_evaluations_are_of_the_problems_and_in_the_folder_that_the_loop_says(
    folder: Path, key: str
) -> None:
    with pytest.raises(ConfigError, match=f"evaluation.run: {key}: the loop sets it"):
        _load(folder, run=str(folder / "run.yaml"), evaluation={"run": {key: 1}})
