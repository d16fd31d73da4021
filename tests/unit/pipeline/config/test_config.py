"""A config is checked before anything runs, and a mistake is one line."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from pipeline.config import ConfigError, load_config
from pipeline.engines.simulated import SimulatedEngine
from pipeline.engines.simulated_prm import SimulatedPrm
from pipeline.engines.vllm import VllmEngine
from pipeline.problems.files import FileSource
from tests.conftest import ROOT
from verifiers.catalog import VERIFIER
from verifiers.code import CodeVerifier
from verifiers.combine import AnyOf
from verifiers.exact import ExactVerifier

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
MINIMAL: dict[str, Any] = {
    "output": "out",
    "problems": {"use": "reasoning_gym", "task": "chain_sum", "size": 3},
    "engine": {"use": "simulated", "error_rate": 0.1},
    "strategy": {"use": "best_of_n", "rollouts": 2},
    "verifier": {"use": "exact"},
}
_SIMULATED_PRM = "reward_models=[{use: simulated}]"


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_config_takes_the_keys_of_the_command_line(config: Path) -> None:
    loaded = load_config(
        config,
        [
            "problems.path=file.jsonl",
            "problems.limit=7",
            "strategy.use=branching",
            "engine.use=vllm",
            "engine.model=some/model",
            "output=elsewhere",
            "seed=3",
        ],
    )
    problems, engine = loaded.problems.options, loaded.engine.options
    assert isinstance(problems, FileSource.Config)
    assert isinstance(engine, VllmEngine.Config)
    assert (problems.path, problems.limit) == (Path("file.jsonl"), 7)
    assert (engine.model, loaded.strategy.use) == ("some/model", "branching")
    assert (loaded.output, loaded.seed) == (Path("elsewhere"), 3)
    assert load_config(config, ["engine.use=simulated"]).engine.cls is SimulatedEngine
    assert load_config(config, ["strategy.use=best_of_n"]).strategy.use == "best_of_n"


def test_a_key_of_another_problem_source_switches_to_it_and_a_line_says_so(path: Path) -> None:
    loaded = load_config(path, ["problems.path=f.jsonl"])
    assert loaded.problems.use == "file"
    assert loaded.notes == (
        "problems.path: problems.use=file replaces reasoning_gym, which has no such key",
    )
    assert load_config(path, ["problems.use=file", "problems.path=f.jsonl"]).notes == ()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            "engine.model=m",
            "engine.model: unknown key of use=simulated; engine.use=vllm or vllm_server has it",
        ),
        ("strategy.points=3", "strategy.points: unknown key of use=best_of_n; strategy.use=branching"),
        ("verifier.checkers=3", "verifier.checkers: unknown key"),
    ],
)
def test_a_key_of_another_part_never_swaps_the_part(path: Path, given: str, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        load_config(path, [given])


def test_a_key_of_the_simulator_never_swaps_the_real_model_away(path: Path) -> None:
    written = yaml.safe_load(path.read_text()) | {"engine": {"use": "vllm", "model": "m"}}
    path.write_text(yaml.safe_dump(written))
    with pytest.raises(ConfigError, match=r"unknown key of use=vllm; engine\.use=simulated has it"):
        load_config(path, ["engine.error_rate=0.3"])


def test_a_strategys_keys_are_its_own(path: Path) -> None:
    """`rollouts` of the file's strategy is another thing in another strategy."""
    given = load_config(path, ["strategy.use=branching", "strategy.rollouts=3"])
    assert given.strategy.dump()["rollouts"] == 3
    written = yaml.safe_load(path.read_text()) | {"strategy": {"use": "branching", "rollouts": 3}}
    path.write_text(yaml.safe_dump(written))
    assert load_config(path).strategy.dump()["rollouts"] == 3
    assert load_config(path, ["strategy.use=branching"]).strategy.dump()["rollouts"] == 3
    assert load_config(path, ["strategy.use=mcts"]).strategy.dump()["rollouts"] == 32


def test_without_a_strategy_there_is_one_and_it_takes_keys(path: Path) -> None:
    written = yaml.safe_load(path.read_text())
    written.pop("strategy", None)
    path.write_text(yaml.safe_dump(written))
    assert load_config(path).strategy.use == "adaptive"
    assert load_config(path, ["strategy.probes=3"]).strategy.dump()["probes"] == 3


def test_what_stops_a_response_within_a_pause_is_refused(path: Path) -> None:
    """Step by step an engine would never see it whole."""
    beam = ["strategy.use=beam", "engine.use=simulated", "reward_models=[{use: simulated}]"]
    with pytest.raises(ConfigError, match="without line breaks"):
        load_config(path, [*beam, 'sampling.stop=["\\n\\nQuestion"]'])


@pytest.mark.parametrize(
    "engine", [["engine.use=simulated"], ["engine.use=vllm", "engine.model=m", "engine.logprobs=no"]]
)
def test_entropy_wants_an_engine_that_tells_it(path: Path, engine: list[str]) -> None:
    entropy = ["strategy.use=branching", "strategy.where=entropy"]
    with pytest.raises(ConfigError, match="expected an engine that gives log-probabilities"):
        load_config(path, [*entropy, *engine])
    assert (
        load_config(path, [*entropy, "engine.use=vllm", "engine.model=m"]).strategy.use == "branching"
    )


def test_a_class_that_proposes_nothing_is_no_strategy(path: Path) -> None:
    with pytest.raises(ConfigError, match="to be a strategy, with a method `propose`"):
        load_config(path, ["strategy.use=verifiers.exact:ExactVerifier"])


def test_the_order_of_overrides_does_not_matter(path: Path) -> None:
    given = ["strategy.rollouts=5", "strategy.use=best_of_n", "engine.model=m", "engine.use=vllm"]
    assert load_config(path, given) == load_config(path, given[::-1])


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        (["problem.limit=3"], "problem.limit: unknown key; did you mean problems.limit?"),
        (["strategy.m=3"], "strategy.m: unknown key"),
        (["strategy.rollouts=many"], "strategy.rollouts: expected a whole number, got 'many'"),
        (["strategy.rollouts=0"], "strategy.rollouts: expected a number of 1 or more, got 0"),
        (["strategy.use=best_of_m"], "did you mean best_of_n?"),
        (["strategy=best_of_n"], "strategy: expected `use: NAME` and options, got 'best_of_n'"),
        (["verifier.use=nowhere:Verifier"], "verifier.use: 'nowhere:Verifier' cannot be imported"),
        (["verifier.use=json:JSONDecoder"], "to be a class with a pydantic model `Config`"),
        (["verifier.use=verifiers.plugins:Kind"], "to be a class with a pydantic model `Config`"),
        (["verifier.use=pipeline.search.best_of_n:BestOfN"], "to have a method `verify(self, prompt"),
        (["verifier.processes=-1"], "verifier.processes: expected a number of 0 or more, got -1"),
        (["verifier.process_seconds=3"], "verifier: `process_seconds` only works with `processes`"),
        (["verifier.use=math", "verifier.processes=1"], "verifier: 'math' has processes of its own"),
        (["strategy.processes=1"], "strategy.processes: unknown key"),
        (["verifier.use=all_of"], "verifier.verifiers: is missing"),
        (["verifier.use=all_of", "verifier.verifiers=[]"], "verifier.verifiers: "),
        (["verifier.use=all_of", "verifier.verifiers=[{use: exakt}]"], "did you mean exact?"),
        (
            ["verifier.use=any_of", "verifier.verifiers=[{use: exact}, {use: exact, tolerance: 1}]"],
            "verifier.verifiers.1.tolerance: unknown key",
        ),
        (
            [
                "verifier.use=any_of",
                "verifier.verifiers=[{use: all_of, verifiers: [{use: exact}, {use: code, x: 1}]}]",
            ],
            "verifier.verifiers.0.verifiers.1.x: unknown key",
        ),
        (
            ["verifier.use=any_of", "verifier.verifiers=[{use: exact}]", "verifier.processes=2"],
            "verifier: `processes` belongs in the parts of 'any_of'",
        ),
        (["engine.use=simulated", "engine.model=m"], "engine.model: unknown key"),
        (["steps.at=regex"], "`pattern` is required with `at: regex`"),
        (
            ["strategy.use=beam"],
            "config.yaml and the command line: strategy.use=beam: expected a process reward model in",
        ),
        (
            ["strategy.use=dvts"],
            "strategy.use=dvts: expected a process reward model in `reward_models`",
        ),
        (
            ["strategy.use=dvts", _SIMULATED_PRM, "steps.at=tokens", "steps.tokens=9"],
            "strategy.use=dvts: expected `steps.at: newline` or `blank_line`",
        ),
        (
            ["strategy.use=beam", _SIMULATED_PRM, "steps.at=regex", r"steps.pattern=\n"],
            "an engine can pause after a step, got regex",
        ),
        (
            ["reward_models=[{use: simulate}]"],
            "reward_models.0.use: expected one of confidence, critic, orm, prm, self_critic, simulated",
        ),
        (
            ["reward_models=[{use: simulated, noise: 2}]"],
            "reward_models.0.noise: expected a number of 1 or less",
        ),
        (["reward_models=[{use: simulated, x: 2}]"], "reward_models.0.x: unknown key"),
        (["reward_models=[{use: exact}]"], "or module:Class, got 'exact'"),
        (
            ["reward_models=[{use: 'verifiers.exact:ExactVerifier'}]"],
            "to have a method `score(self, batch)`",
        ),
        (["reward_models.noise=1"], 'reward_models: expected a list, got {"noise": 1}'),
        (
            [_SIMULATED_PRM, "engine.use=vllm", "engine.model=m"],
            "reward_models.0.use=simulated: expected the engine that it reads (SimulatedEngine), "
            "got engine.use=vllm",
        ),
        (["seed.x=1"], 'seed: expected a whole number, got {"x": 1}'),
        (
            ["strategy.rollouts.x=1"],
            "strategy.rollouts.x: rollouts is a single value and has no keys below it",
        ),
        (["seed"], "seed: expected key=value"),
        (["seed=[1"], "the value is not YAML"),
        (["seed=-1"], "seed: expected a number of 0 or more, got -1"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(
    path: Path, overrides: list[str], complaint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("a: [", "is not YAML"),
        ("- 1", "expected keys and values, got [1]"),
        ("output: x", "problems: is missing"),
    ],
)
def test_a_file_that_is_no_config_is_named(path: Path, content: str, complaint: str) -> None:
    path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(path) in str(caught.value)
    assert complaint in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: cannot be read"):
        load_config(tmp_path / "nowhere.yaml")


def test_the_code_verifier_gets_the_sandbox_settings(path: Path) -> None:
    loaded = load_config(path, ["verifier.use=code", "sandbox.processes=3"])
    verifier = loaded.build_verifier()
    assert isinstance(verifier, CodeVerifier)
    assert verifier._runs.sandbox.config.processes == 3


def test_a_part_inside_another_gets_the_sandbox_settings(path: Path) -> None:
    overrides = ["verifier.use=any_of", "verifier.verifiers=[{use: exact}, {use: code}]"]
    verifier = load_config(path, [*overrides, "sandbox.processes=3"]).build_verifier()
    assert isinstance(verifier, AnyOf)
    code = verifier._parts[1].border._verifier
    assert isinstance(code, CodeVerifier)
    assert code._runs.sandbox.config.processes == 3


def test_settings_that_a_config_has_too_are_refused() -> None:
    class Greedy(ExactVerifier):
        class Config(BaseModel):
            processes: int = 1

    with pytest.raises(ValueError, match="`Config` without 'processes'"):
        VERIFIER._take_settings(Greedy, {})


def test_a_reward_model_gets_the_engine_that_it_looks_into(path: Path) -> None:
    config = load_config(
        path, ["strategy.use=beam", "reward_models=[{use: simulated, noise: 0.5}, {use: simulated}]"]
    )
    engine = config.engine.build(config.prompt, config.seed)
    one, other = (config.build_reward_model(index, engine) for index in range(2))
    assert isinstance(one, SimulatedPrm)
    assert isinstance(other, SimulatedPrm)
    assert (one.config.noise, other.config.noise) == (0.5, 0.1)
    assert one._engine is engine
    assert config.resolved()["reward_models"][1] == {"use": "simulated", "noise": 0.1}
    assert [part.use for part in config.parts()][-2:] == ["simulated", "simulated"]
    assert config.digest() != load_config(path, ["strategy.use=beam", _SIMULATED_PRM]).digest()


def test_any_strategy_can_have_its_steps_scored(path: Path) -> None:
    assert load_config(path, [_SIMULATED_PRM, "strategy.use=best_of_n"]).reward_models
    assert not load_config(path, ["strategy.use=mcts"]).reward_models


def test_the_configs_that_come_with_berry_are_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("configs/simulated.yaml")
    assert load_config(path).engine.cls is SimulatedEngine
    for missing in ("configs/none.yaml", "elsewhere/simulated.yaml", "simulated.yaml"):
        with pytest.raises(ConfigError, match=f"{missing}: cannot be read"):
            load_config(Path(missing))
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(MINIMAL | {"seed": 9}))
    assert load_config(path).seed == 9


@pytest.mark.parametrize("given", ["0", "7", "0.0", "0.25", "1.0", "null"])
def test_a_limit_of_failed_problems_is_a_number_or_a_fraction(path: Path, given: str) -> None:
    limit = load_config(path, [f"cluster.max_failed_problems={given}"]).cluster.max_failed_problems
    assert (limit, type(limit)) == (yaml.safe_load(given), type(yaml.safe_load(given)))


@pytest.mark.parametrize("given", ["-1", "-0.5", "1.5", ".nan", ".inf", "x", "true", "[]"])
def test_what_is_no_limit_of_failed_problems_says_what_is(path: Path, given: str) -> None:
    said = r"max_failed_problems: expected a number of problems, such as 10, a fraction of them"
    with pytest.raises(ConfigError, match=said):
        load_config(path, [f"cluster.max_failed_problems={given}"])
