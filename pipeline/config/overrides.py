"""Applies `key=value` from the command line to a config.

Only `use` changes which part a section uses, with one exception: keys such as `problems.path=FILE`
select the matching problem source, and a line reports the change. In other sections, a key that the
part does not have is a mistake, and the message names the part that has it. If such a key replaced
the model with the simulator, or one strategy with another, the run would make unwanted data.

If the command line changes a section's `use`, options that the new part does not have are dropped.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.config.messages import ConfigError
from pipeline.config.parts import DEFAULT_STRATEGY, KINDS
from pipeline.files.parsing import NotYaml, read_yaml
from verifiers.plugins import Kind


def parse_override(override: str) -> tuple[list[str], Any]:
    """Splits `key=value` into the keys and the value. Raises ConfigError."""
    key, equals, text = override.partition("=")
    keys = key.split(".")
    if not equals or not all(keys):
        raise ConfigError(f"{override}: expected key=value, for example seed=1")
    try:
        return keys, read_yaml(text).value
    except NotYaml as e:
        raise ConfigError(f"{override}: the value is not YAML: {e}") from e


def apply(raw: dict[str, Any], keys: list[str], value: Any, *, use_given: bool = False) -> str | None:
    """Sets one key in place, by the rules in the module's docstring.

    `use_given` means that the command line names the section's part itself. Returns a line for the user
    if the key changed the section's part.
    """
    note = None
    kind = KINDS.get(keys[0])
    default = DEFAULT_STRATEGY if keys[0] == "strategy" else {}
    if len(keys) > 1 and raw.get(keys[0]) is None:
        raw[keys[0]] = dict(default)
    section = raw.get(keys[0]) if len(keys) > 1 else None
    if kind is not None and isinstance(section, dict):
        if keys[1:] == ["use"]:
            _keep_known(section, kind, value)
        elif keys[0] == "problems" and not use_given and (other := _only_owner(section, keys[1])):
            note = f"{'.'.join(keys)}: problems.use={other} replaces {section.get('use')}, which has "
            note += "no such key"
            _keep_known(section, kind, other)
            section["use"] = other
    target = raw
    for key in keys[:-1]:
        # A key without a value is an empty section.
        if target.get(key) is None:
            target[key] = {}
        target = target[key]
        if not isinstance(target, dict):
            raise ConfigError(f"{'.'.join(keys)}: {key} is a single value and has no keys below it")
    target[keys[-1]] = value
    return note


def change(raw: dict[str, Any], changes: Mapping[str, Any]) -> None:
    """Sets keys of a config in place, given as a mapping like the config; keys that are not named stay.

    Raises ConfigError as `apply` does.
    """
    for keys, value in _leaves(changes):
        section = changes[keys[0]]
        apply(raw, keys, value, use_given=isinstance(section, Mapping) and "use" in section)


def _leaves(changes: Mapping[str, Any], above: Sequence[str] = ()) -> Iterator[tuple[list[str], Any]]:
    """The keys of each value, and the value; `use` comes first in its section."""
    for key, value in sorted(changes.items(), key=lambda one: one[0] != "use"):
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, [*above, key])
        else:
            yield [*above, key], value


def _keep_known(section: dict[str, Any], kind: Kind, use: object) -> None:
    """Drops the options that the part `use` does not have. A different strategy keeps no options,
    because a key of the same name means something else there."""
    try:
        known = kind.options(str(use))
    except ValueError:
        return  # a part that cannot be found is reported when the section is checked
    if kind is KINDS["strategy"] and use != section.get("use"):
        known = set()
    for key in [key for key in section if key != "use" and key not in known]:
        del section[key]


def _only_owner(section: dict[str, Any], key: str) -> str | None:
    """The only built-in source with the key, if the section's own source lacks it."""
    kind = KINDS["problems"]
    try:
        if key in kind.options(str(section.get("use"))):
            return None
    except ValueError:
        return None
    owners = [use for use in kind.builtin if key in kind.options(use)]
    return owners[0] if len(owners) == 1 else None
