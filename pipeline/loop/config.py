"""The config of `berry loop`: the runs, the problems that no round trains on, and the stages.

The section `run` is the config of a run, or names the file of one with the key `config` and changes
keys of it.
"""

import copy
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    field_validator,
    model_validator,
)

from pipeline.config import ConfigError, RunConfig, read_yaml_file
from pipeline.config.loading import check_config
from pipeline.config.messages import Origin, explain
from pipeline.config.overrides import change, parse_override
from pipeline.config.renamed import rename_keys
from pipeline.loop.stages.kinds import DEFAULT_STAGES, STAGE, StageSettings
from verifiers.mistakes import shown
from verifiers.plugins import Part, PartOf

_OURS = ("output", "seed")
"""Keys of a run that the loop sets."""
SET_BY_LOOP = (*_OURS, "problems")
"""Those that also nothing else may change in one of its runs: it decides who gets which problems."""
_RESERVED = re.compile(r"models|rounds|logs|configs|round(-\d+)?", re.IGNORECASE)
"""Names of the loop's own folders and files, which a stage must not have."""


class EvaluationConfig(BaseModel):
    """The problems that no round trains on, and how the models are measured on them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    held_out: float = Field(default=0.1, gt=0, lt=1)
    """Fraction of the problems that is set aside, by a hash of their texts. Not used with
    `problems`."""
    problems: str | dict[str, Any] | None = None
    """Other problems: a file with the columns of the run's own, or a section `problems` of a config.
    None of them may be among the problems of the runs."""
    limit: int = Field(default=300, ge=1)
    """Most problems of an evaluation."""
    rollouts: int = Field(default=4, ge=1)
    """Whole rollouts for each of them."""
    run: dict[str, Any] = {}
    """Keys of a run's config for evaluations, such as `{sampling: {temperature: 0}}`."""

    @field_validator("run")
    @classmethod
    def _check_run(cls, run: dict[str, Any]) -> dict[str, Any]:
        if ours := [key for key in run if key in SET_BY_LOOP]:
            raise ValueError(f"{ours[0]}: the loop sets it; remove it here")
        return run


class DifficultyConfig(BaseModel):
    """Problems that teach little, by their pass rate in the last round that had them.

    The pass rate is the mean of its posterior distribution (Jeffreys prior): so 0 of 4 rollouts is not
    yet never, and 0 of 16 is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    easy: float = Field(default=0.95, ge=0, le=1)
    """Pass rate over which a problem is solved nearly always."""
    hard: float = Field(default=0.05, ge=0, le=1)
    """Pass rate under which a problem is solved nearly never."""
    keep: float = Field(default=0.25, ge=0, le=1)
    """Fraction of these problems that a round still takes, drawn again for each round. 1 turns the
    rule off."""


class LoopConfig(BaseModel):
    """The whole config of `berry loop`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    output: Annotated[Path, PlainValidator(lambda value: _read_folder(value))]
    """The folder of the loop, on this machine."""
    rounds: int = Field(default=3, ge=1)
    """Number of rounds. May be raised later."""
    seed: int = Field(default=0, ge=0)
    """The seed of every random choice."""
    run: dict[str, Any]
    """The config of the runs, complete: a mapping, or `{config: FILE}` with keys that change."""
    problems_per_round: int | None = Field(default=None, ge=1)
    """Problems that a round takes, each the next ones of the problem set; default: all."""
    evaluation: EvaluationConfig = EvaluationConfig()
    difficulty: DifficultyConfig = DifficultyConfig()
    stages: tuple[Annotated[Part, PartOf(STAGE)], ...] = Field(
        default_factory=lambda: tuple(map(STAGE.part, DEFAULT_STAGES)), min_length=1
    )
    """What a round does, in order, each a section with `use`."""
    gpus: Literal["share", "split"] = "share"
    """`share`: one stage after the other, each may use all GPUs. `split`: the search of the next round
    begins while the models train, and its workers take over the new bundle when it is promoted; each
    stage's `environment` says which GPUs it sees."""

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        names = [self.name_of(part) for part in self.stages]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(
                f"expected stages with different names, got {twice[0]!r} twice; set `name`"
            )
        if taken := [name for name in names if _RESERVED.fullmatch(name)]:
            raise ValueError(
                f"expected stages with other names than the loop's own folders, got {taken[0]!r}"
            )
        return self

    @staticmethod
    def name_of(part: Part) -> str:
        """The name of a stage: its own, else that of its kind."""
        assert isinstance(part.settings, StageSettings)
        return part.settings.name or part.use.rpartition(":")[2]

    @property
    def base(self) -> str | None:
        """The generator that the first round begins with."""
        model: str | None = self.run["engine"].get("model")
        return model

    def dump(self) -> dict[str, Any]:
        """All of it as JSON values."""
        stages = [
            {**part.dump(), **part.settings.model_dump(mode="json")}
            for part in self.stages
            if part.settings is not None
        ]
        return {**self.model_dump(mode="json"), "stages": stages}


def load_loop(path: Path, overrides: Sequence[str] = ()) -> tuple[LoopConfig, RunConfig]:
    """The config of a YAML file with `key=value` overrides, and the config of its runs.

    Raises ConfigError.
    """
    text = read_yaml_file(path)
    raw, given = text.value, [parse_override(override) for override in overrides]
    # Else `run=FILE` could have no keys after it.
    _name_file(raw)
    for keys, value in given:
        set_key(raw, keys, value)
        _name_file(raw)
    origin = Origin(file=str(path), lines=text.lines, given=[tuple(keys) for keys, _ in given])
    where = f"{origin.blame(('run',))}run"
    if "run" not in raw:
        hint = "; `berry run` takes the config of a single run" if "problems" in raw else ""
        raise ConfigError(f"{where}: expected the config of the loop's runs, got none{hint}")
    if not isinstance(raw["run"], dict):
        raise ConfigError(f"{where}: expected the config of a run, got {shown(raw['run'])}")
    if ours := [key for key in _OURS if key in raw["run"]]:
        raise ConfigError(f"{where}.{ours[0]}: the loop sets it for each run; remove it here")
    run = _complete(raw["run"], where)
    # The loop's own folder stands for that of every run.
    checked = check_config({**copy.deepcopy(run), "output": "unused"}, Origin(file=where))
    if checked.engines:
        raise ConfigError(f"{where}.engines: expected one `engine`, whose model the loop trains")
    # The seed of the file decides which problems a generator makes; each run has its own besides.
    raw["run"] = {key: value for key, value in run.items() if key != "output"}
    try:
        return LoopConfig.model_validate(raw), checked
    except ValidationError as e:
        raise ConfigError(explain(e, LoopConfig, raw, origin)) from e


def _name_file(raw: dict[str, Any]) -> None:
    """Writes `run: FILE` out as `run: {config: FILE}`."""
    if isinstance(raw.get("run"), str):
        raw["run"] = {"config": raw["run"]}


def _complete(section: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The config of the runs without the key `config`: the file's keys, and on them the section's."""
    changes = dict(section)
    file = changes.pop("config", None)
    if file is None:
        return changes
    if not isinstance(file, str):
        raise ConfigError(f"{where}.config: expected the file of a run's config, got {shown(file)}")
    run: dict[str, Any] = read_yaml_file(Path(file)).value
    rename_keys(run)
    change(run, changes)
    return run


def set_key(raw: dict[str, Any], keys: Sequence[str], value: Any) -> None:
    """Sets a key of a loop's config in place. Raises ConfigError if a key above it has no keys."""
    target: Any = raw
    for depth, key in enumerate(keys[:-1]):
        if isinstance(target, list):
            if not key.isdecimal() or int(key) >= len(target):
                name = ".".join(keys[:depth])
                raise ConfigError(
                    f"on the command line: {'.'.join(keys)}: expected the number of one of the "
                    f"{len(target)} entries of {name}, counted from 0, got {key!r}"
                )
            target = target[int(key)]
            continue
        if not isinstance(target, dict):
            break
        if target.get(key) is None:
            target[key] = {}
        target = target[key]
    if not isinstance(target, dict):
        raise ConfigError(f"on the command line: {'.'.join(keys)}: has no keys below it")
    target[keys[-1]] = value


def _read_folder(value: object) -> Path:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value or "://" in value:
        raise ValueError(f"expected a folder of this machine, got {shown(value)}")
    # Runs and models are named in records, which are read from another current folder as well.
    return Path(value).absolute()
