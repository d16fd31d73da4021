"""Reads and checks a config: YAML, with `key=value` from the command line on top.

A mistake raises ConfigError with one line that names the file, the key, the expected value and the
value found.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ValidationError

from pipeline.config.messages import ConfigError, Origin, explain
from pipeline.config.overrides import apply, parse_override
from pipeline.config.renamed import (
    quiet,
    rename_inner,
    rename_keys,
    renamed,
    renamed_option,
    renamed_settings,
)
from pipeline.config.run_config import RunConfig
from pipeline.datasets.views.rules import ViewRules
from pipeline.errors import RunFailure, is_users
from pipeline.files.parsing import NotYaml, YamlText, read_yaml
from pipeline.labels.step_labels import LabelConfig
from pipeline.prune import PruneConfig
from verifiers.mistakes import shown
from verifiers.plugins import Kind, Part, PartOf

Settings = TypeVar("Settings", bound=BaseModel)
AnyRules = TypeVar("AnyRules", bound="Rules")
_MEANT_BEFORE = {("prune", "max_similarity"): None, ("prune", "min_p_prefix"): None}
"""Rule that a stored config of an earlier version may lack -> the value for the old behaviour."""


class Rules(ViewRules):
    """The sections that apply to finished trees and can be applied again."""

    prune: PruneConfig = PruneConfig()


def load_config(path: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """The config of a YAML file with `key=value` overrides. Raises ConfigError."""
    text = read_yaml_file(path)
    raw = text.value
    try:
        given = [parse_override(override) for override in overrides]
        given.sort(key=lambda one: one[0][-1] != "use")
        uses = {keys[0] for keys, _ in given if keys[1:] == ["use"]}
        rename_keys(raw)
        notes: list[str | None] = []
        for number, (keys, value) in enumerate(given):
            given[number] = keys, value = renamed(keys, value, raw), value
            notes.append(apply(raw, keys, value, use_given=keys[0] in uses))
    except ConfigError as e:
        raise ConfigError(f"on the command line: {e}") from e
    origin = Origin(file=str(path), lines=text.lines, given=[tuple(keys) for keys, _ in given])
    config = check_config(raw, origin)
    config.add_notes(filter(None, notes))
    return config


def read_yaml_file(path: Path) -> YamlText:
    """A YAML file with keys and values. Raises ConfigError for any other, and RunFailure."""
    try:
        text = read_yaml(_own_or_shipped(path).read_text(encoding="utf-8"))
    except OSError as e:
        error = ConfigError if is_users(e) else RunFailure
        raise error(f"{path}: cannot be read ({e.strerror})") from e
    except UnicodeDecodeError as e:
        raise ConfigError(f"{path}: is not YAML: it is not UTF-8, at byte {e.start + 1}") from e
    except NotYaml as e:
        raise ConfigError(f"{path}: is not YAML: {e}") from e
    if not isinstance(text.value, dict):
        raise ConfigError(f"{path}: expected keys and values, got {shown(text.value)}")
    return text


def _own_or_shipped(path: Path) -> Path:
    """The path itself; if `configs/...` does not exist, the file installed with berry."""
    shipped = Path(str(files("pipeline"))) / path
    is_shipped = path.parts[:1] == ("configs",) and shipped.is_file() and not path.exists()
    return shipped if is_shipped else path


def check_config(raw: dict[str, Any], origin: Origin) -> RunConfig:
    """Builds a RunConfig from plain values. Raises ConfigError, which names the origin and the key."""
    try:
        return RunConfig.model_validate(raw)
    except ValidationError as e:
        raise ConfigError(explain(e, RunConfig, raw, origin)) from e


def check_section(kind: Kind, use: str, overrides: Sequence[str]) -> Part:
    """Builds the part `use` with `key=value` options. Raises ConfigError, which names the key."""
    section: dict[str, Any] = {}
    for keys, value in map(parse_override, overrides):
        if keys[0] == "use":
            raise ConfigError(f"{'.'.join(keys)}: expected an option of {use}, which is already named")
        apply(section, [renamed_option("verifier", use, keys[0]), *keys[1:]], value)
    rename_inner(section)
    try:
        return kind.part({**section, "use": use})
    except ValidationError as e:
        wanted, raw = Annotated[Part, PartOf(kind)], {**section, "use": use}
        raise ConfigError(f"{use}: {explain(e, wanted, raw)}") from e
    except ValueError as e:
        raise ConfigError(str(e)) from e


def read_rules(resolved: Mapping[str, Any], overrides: Sequence[str] = ()) -> Rules:
    """The rules in a run's resolved config, with `key=value` on top. Raises ConfigError."""
    return read_rules_as(Rules, resolved, overrides)


def read_rules_as(
    wanted: type[AnyRules],
    resolved: Mapping[str, Any],
    overrides: Sequence[str] = (),
    path: Path | None = None,
) -> AnyRules:
    """The same for rules with more sections; keys of a YAML file come between. Raises ConfigError."""
    sections: dict[str, Any] = {
        name: copy.deepcopy(resolved.get(name, {})) for name in wanted.model_fields
    }
    rename_keys(sections, quiet)
    for (section, key), meant in _MEANT_BEFORE.items():
        if section in resolved and isinstance(sections[section], dict):
            sections[section].setdefault(key, meant)
    origin = Origin()
    if path is not None:
        text = read_yaml_file(path)
        origin = Origin(file=str(path), lines=text.lines)
        rename_keys(text.value)
        for name, section in text.value.items():
            if name in sections and section is not None:
                _merge(sections, name, section)
            elif name not in (*sections, *RunConfig.model_fields):
                line = f", line {text.lines[name,]}" if (name,) in text.lines else ""
                raise ConfigError(f"{path}{line}: {name}: expected a section {_names(wanted)}")
    given = []
    for keys, value in map(parse_override, overrides):
        keys = renamed(keys, value, sections)
        if keys[0] not in sections or len(keys) == 1:
            raise ConfigError(
                f"{'.'.join(keys)}: expected a key of {_names(wanted)}, such as labels.confidence"
            )
        apply(sections, keys, value)
        given.append(tuple(keys))
    try:
        return wanted.model_validate(sections)
    except ValidationError as e:
        raise ConfigError(explain(e, wanted, sections, replace(origin, given=given))) from e


def read_labels(resolved: Mapping[str, Any]) -> LabelConfig:
    """The rules of step labels in a run's resolved config, to look at its trees.

    Keys that this version does not know are passed over: whoever looks at a run of another version
    changes nothing in it. Raises ConfigError for a value that it cannot read.
    """
    sections: dict[str, Any] = {"labels": copy.deepcopy(resolved.get("labels") or {})}
    rename_keys(sections, quiet)
    while True:
        try:
            return LabelConfig.model_validate(sections["labels"])
        except ValidationError as e:
            unknown = [one["loc"] for one in e.errors() if one["type"] == "extra_forbidden"]
            if not unknown:
                raise ConfigError(explain(e, LabelConfig, sections["labels"])) from e
            for *above, key in unknown:
                section = sections["labels"]
                for name in above:
                    section = section[name]
                del section[key]


def _merge(sections: dict[str, Any], name: str, section: Any) -> None:
    """Sets the keys of a section, also below it; an empty section changes nothing."""
    if isinstance(section, dict) and isinstance(sections.get(name), dict):
        for key, value in section.items():
            _merge(sections[name], key, value)
    else:
        sections[name] = section


def _names(wanted: type[BaseModel]) -> str:
    *names, last = sorted(wanted.model_fields)
    return f"{', '.join(names)} or {last}"


def read_settings(cls: type[Settings], overrides: Sequence[str]) -> Settings:
    """Builds settings from `key=value`. Raises ConfigError, which names the key."""
    given = renamed_settings({".".join(keys): value for keys, value in map(parse_override, overrides)})
    try:
        return cls.model_validate(given)
    except ValidationError as e:
        raise ConfigError(explain(e, cls, given)) from e
