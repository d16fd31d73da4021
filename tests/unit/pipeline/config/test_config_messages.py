"""Whose mistake it is, which key, and in whose words: plain ones for every field there is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from pipeline.config import KINDS, ConfigError, RunConfig, check_section, load_config
from pipeline.config.messages import explain
from reward_models.training.settings import TrainSettings
from tests.unit.pipeline.config.test_config import MINIMAL
from verifiers.code.targets import Asserts, Calls, StdinStdout
from verifiers.formal.targets import FormalTarget
from verifiers.mistakes import first_mistake, sentence
from verifiers.plugins import Part

PYDANTICS_WORDS = (
    "nput should",
    "nput is",
    "should be",
    "valid",
    "unable to parse",
    "field required",
    "not permitted",
    "unexpected keyword",
    "Error",
    "Errno",
    "<class",
    "pydantic",
    "None",
    "another kind of value",
)
"""None of these may be read by a user, whatever the mistake."""
WRONG: tuple[Any, ...] = (
    None,
    True,
    "",
    "abc",
    " ",
    -1,
    -1.5,
    0,
    2**70,
    1e400,
    float("nan"),
    [],
    [[]],
    ["x", 3],
    {},
    {"x": 1},
    {"use": "nothing_of_this_name"},
    [{"use": "exact"}, {"x": {"y": 1}}],
    "\ud800",
)


def models() -> Iterator[Any]:
    """Everything that users write: the sections, and the options of every built-in part."""
    yield pytest.param(RunConfig, id="RunConfig")
    yield pytest.param(TrainSettings, id="TrainSettings")
    for target in (StdinStdout, Calls, Asserts, FormalTarget):
        yield pytest.param(target, id=target.__name__)
    for name, info in RunConfig.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield pytest.param(info.annotation, id=name)
    for section, kind in KINDS.items():
        for use in kind.builtin:
            yield pytest.param(kind.find(use).Config, id=f"{section}.{use}")


@pytest.mark.parametrize("model", list(models()))
def test_no_word_of_pydantics_reaches_the_user(model: type[BaseModel]) -> None:
    for wrong in WRONG:
        sections = [{key: wrong} for key in model.model_fields]
        for value in (wrong, *sections, *({**section, "unknown": 1} for section in sections)):
            try:
                model.model_validate(value)
            except ValidationError as e:
                for line in (explain(e, model, value), sentence(first_mistake(e))):
                    plain = line.replace(repr(wrong), "").replace("invalid", "")
                    assert not [word for word in PYDANTICS_WORDS if word in plain], line
                    assert "\n" not in line


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "my.yaml"
    path.write_text(
        "output: out\n"
        "problems:\n"
        "  use: reasoning_gym\n"
        "  task: chain_sum\n"
        "engine:\n"
        "  use: simulated\n"
        "  min_steps: 2\n"
        "verifier:\n"
        "  use: first_decisive\n"
        "  verifiers:\n"
        "  - use: exact\n"
        "  - use: math\n"
        "    check_processes: 1\n"
        "sampling:\n"
        "  top_p: 0.5\n"
    )
    return path


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("enginee.model=m", "enginee.model: unknown key; did you mean engine.model?"),
        ("enginee.modl=m", "enginee.modl: unknown key; did you mean engine.model?"),
        ("enginee=m", "enginee: unknown key; did you mean engine?"),
        (
            "sampling.temprature=1",
            "sampling.temprature: unknown key; did you mean sampling.temperature?",
        ),
        ("engine.error_rat=1", "engine.error_rat: unknown key; did you mean engine.error_rate?"),
        ("engine.usee=vllm", "engine.usee: unknown key; did you mean engine.use?"),
        ("temperature=1", "temperature: unknown key; did you mean sampling.temperature?"),
        ("engine.temperature=1", "engine.temperature: unknown key; did you mean sampling.temperature?"),
        (
            "labels.majority.min_fractio=1",
            "labels.majority.min_fractio: unknown key; did you mean labels.majority.min_fraction?",
        ),
        (
            "reward_models=[{use: simulated, noize: 1}]",
            "reward_models.0.noize: unknown key; did you mean reward_models.0.noise?",
        ),
        (
            "verifier.verifiers=[{use: exact, proceses: 1}]",
            "verifier.verifiers.0.proceses: unknown key; did you mean verifier.verifiers.0.processes?",
        ),
        ("prune.zzz=1", "prune.zzz: unknown key; expected one of "),
        ("seed=abc", "seed: expected a whole number, got 'abc'"),
        ("seed=", "seed: expected a whole number, got null"),
        ("verifier.use=exakt", "verifier.use: expected one of "),
        ("engine=3", "engine: expected `use: NAME` and options, got 3"),
        ("seed.x=1", 'seed: expected a whole number, got {"x": 1}'),
        ("seed", "seed: expected key=value"),
        ("seed=[1", 'seed=[1: the value is not YAML: line 1, column 3: a list that begins with "["'),
    ],
)
def test_a_key_of_the_command_line_is_blamed_on_it(path: Path, override: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(path, [override])
    assert str(caught.value).startswith(f"on the command line: {complaint}")
    assert path.name not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "line", "complaint"),
    [
        ("min_steps: 2", "min_steps: x", 7, "engine.min_steps: expected a whole number, got 'x'"),
        ("min_steps", "min_stepz", 7, "engine.min_stepz: unknown key; did you mean engine.min_steps?"),
        ("sampling", "smpling", 14, "smpling: unknown key; did you mean sampling?"),
        ("engine:", "engin:", 5, "engin: unknown key; did you mean engine?"),
        (
            "check_processes",
            "check_process",
            13,
            "verifier.verifiers.1.check_process: unknown key; did you mean",
        ),
        ("exact", "exakt", 11, "verifier.verifiers.0.use: expected one of"),
        ("simulated", "simulate", 6, "engine.use: expected one of simulated, vllm, vllm_server, or"),
        (
            "use: simulated",
            "model: m",
            5,
            'engine: expected `use: NAME` and options, got {"model": "m"',
        ),
    ],
)
def test_a_key_of_the_file_is_blamed_on_its_line(
    path: Path, old: str, new: str, line: int, complaint: str
) -> None:
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load_config(path, ["seed=1"])
    assert str(caught.value).startswith(f"{path}, line {line}: {complaint}")


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        (["engine.use=vllm"], "my.yaml and the command line: engine.model: is missing"),
        (["engine.max_steps=1"], "my.yaml, line 5 and the command line: engine: min_steps 2 is over"),
        (["strategy.use=beam"], "my.yaml and the command line: strategy.use=beam: expected a process"),
        (["problems=3"], "on the command line: problems: expected `use: NAME`"),
    ],
)
def test_what_takes_both_is_blamed_on_both(path: Path, overrides: list[str], complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    assert complaint in str(caught.value)


def test_a_key_of_another_part_says_which(path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"unknown key of use=simulated; engine\.use=vllm or vllm_server has it"
    ):
        load_config(path, ["engine.use=simulated", "engine.model=m"])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: [", 'line 1, column 5: a "[" or "{" that is not closed'),
        ("a: [1, 2", 'a list that begins with "[" has no "]"'),
        ("a: b: c", 'line 1, column 5: a second ": " in one line'),
        ("a:\n\tb: 1", "line 2, column 1: a tab"),
        ("a: 'x", "a quote that is not closed"),
        (
            "a:\n  b: 1\n c: 2",
            "line 3, column 2: a line whose indentation differs from the lines around it",
        ),
        ("a: *b", 'a value that begins with "*"'),
        ("a: !b 1", 'a value that begins with "!"'),
        ("a: @b", "a value that begins with a special character"),
        ("a: \x01", "a control character"),
        ("a: 1\n---\nb: 1", "expected one document"),
        ("a: 2026-99-99", "looks like a date or number but is not valid"),
        ("a: !!int x", "looks like a date or number but is not valid"),
        ("a: " + "[" * 5000, "is nested too deeply"),
        ("a: 1\nb: 2\na: 3", "line 3: a is given twice, first in line 1"),
        ("a:\n  b: 1\n  b: 2", "line 3: a.b is given twice, first in line 2"),
    ],
)
def test_what_is_no_yaml_is_told_in_plain_words(path: Path, text: str, complaint: str) -> None:
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"{path}: is not YAML: ")
    assert complaint in str(caught.value)
    for word in ("while", "parsing", "scanning", "stream", "<", "Error", "None"):
        assert word not in str(caught.value).removeprefix(str(path))


def test_bytes_that_are_no_text_are_named(path: Path) -> None:
    path.write_bytes(b"a: \xff")
    with pytest.raises(ConfigError, match=r"is not YAML: it is not UTF-8, at byte 4"):
        load_config(path)


def test_a_value_that_contains_itself_is_a_mistake_like_any_other(path: Path) -> None:
    path.write_text(yaml.safe_dump(MINIMAL) + "sampling: &x\n  stop: [*x]\n")
    with pytest.raises(ConfigError, match=r"sampling\.stop\.0: expected a text"):
        load_config(path)


@pytest.mark.parametrize(
    ("use", "override", "complaint"),
    [
        ("exact", "foo=1", "exact: foo: unknown key; expected one of use, processes, process_seconds"),
        ("math", "lastnumber=1", "math: lastnumber: unknown key; did you mean last_number?"),
        ("math", "proceses=1", "math: proceses: unknown key; did you mean processes?"),
        ("math", "check_processes=x", "math: check_processes: expected a whole number, got 'x'"),
    ],
)
def test_a_section_by_itself_has_suggestions_too(use: str, override: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_section(KINDS["verifier"], use, [override])
    assert str(caught.value).startswith(complaint)


def test_a_part_is_not_looked_into_twice() -> None:
    part = KINDS["engine"].part({"use": "simulated"})
    assert isinstance(part, Part)
    assert KINDS["engine"].part(part) is part
