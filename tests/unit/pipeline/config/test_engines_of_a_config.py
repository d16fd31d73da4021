"""Several engines that share the problems of a run."""

from pathlib import Path

import pytest
import yaml

from pipeline.config import ConfigError, RunConfig, load_config
from tests.unit.pipeline.config.test_config import MINIMAL


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(MINIMAL))
    return path


ENGINES = "engines=[{use: simulated, error_rate: 0.1, share: 3}, {use: simulated, error_rate: 0.4}]"


def test_several_engines_share_the_problems(path: Path) -> None:
    config = load_config(path, ["engine=null", ENGINES])
    assert [part.options.error_rate for part in config.all_engines] == [0.1, 0.4]  # type: ignore[attr-defined]
    assert config.engine.options == config.engines[0].options
    chosen = [config.engine_index(f"p{number}") for number in range(400)]
    assert 60 < sum(chosen) < 140
    again = RunConfig.model_validate(config.resolved() | {"output": "out"})
    assert again.resolved() == config.resolved()
    assert [entry["share"] for entry in config.resolved()["engines"]] == [3.0, 1.0]
    assert config.digest() != load_config(path, ["engine=null", ENGINES.replace("3", "2")]).digest()


def test_one_engine_is_stored_as_before(path: Path) -> None:
    config = load_config(path, [])
    assert "engines" not in config.resolved()
    assert config.all_engines == (config.engine,)
    assert config.engine_index("any") == 0


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (["engine.error_rate=0.3", ENGINES], "either `engine` or `engines`, got both"),
        (["engine=null", ENGINES.replace("3", "0")], "share"),
        (["engine=null", ENGINES.replace("error_rate: 0.4", "eror_rate: 0.4")], "eror_rate"),
    ],
)
def test_engines_that_cannot_be_meant_are_refused(path: Path, given: list[str], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as told:
        load_config(path, given)
    assert "\n" not in str(told.value)


def test_every_engine_has_to_have_what_the_strategy_needs(path: Path) -> None:
    vllm = "{use: vllm, model: m}"
    given = ["engine=null", f"engines=[{vllm}, {{use: vllm, model: n, logprobs: false}}]"]
    with pytest.raises(ConfigError, match=r"gives log-probabilities, got engine.use=vllm"):
        load_config(path, [*given, "strategy.use=branching", "strategy.where=entropy"])
