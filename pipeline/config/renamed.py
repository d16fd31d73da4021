"""Renamed keys: the old names still work, and a warning gives the new name."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

_log = logging.getLogger(__name__)

_KEYS = {
    "branch_pruning.every": "branch_pruning.every_steps",
    "branch_pruning.explore": "branch_pruning.explore_fraction",
    "branch_pruning.keep": "branch_pruning.keep_fraction",
    "branch_pruning.under": "branch_pruning.min_score",
    "labels.majority.minimum_responses": "labels.majority.min_responses",
    "labels.majority.minimum_share": "labels.majority.min_fraction",
    "labels.majority.workers": "labels.majority.check_processes",
    "problems_per_part": "dataset.problems_per_part",
    "prune.near_duplicates": "prune.max_similarity",
    "sandbox.workers": "sandbox.processes",
    "strategy.n": "strategy.rollouts",
    "verifier.workers": "verifier.check_processes",
}
"""Old key -> new key, in a run's config."""
_ONLY_FOR = {
    "strategy.n": frozenset(["best_of_n"]),
    "verifier.workers": frozenset(["json_schema", "math", "reasoning_gym", "regex"]),
}
"""Old key -> the parts that had it; other parts of the section may have a key of the same name."""
_SETTINGS = {
    "accumulate": "gradient_accumulation_steps",
    "until_wrong": "up_to_first_error",
}
"""Old key -> new key, for `berry train`."""
_VALUES = {"labels": {"right": "p_correct"}}
"""Key of `berry train` -> old value -> new value."""

Say = Callable[[str, str], None]


def warn(old: str, new: str) -> None:
    """Logs the new name."""
    _log.warning("%s is now called %s; the old name still works", old, new)


def quiet(_old: str, _new: str) -> None:
    """Logs nothing; for configs stored by berry itself."""


def rename_keys(raw: dict[str, Any], say: Say = warn) -> None:
    """Renames old keys of a config in place; if both names are present, the new one wins."""
    for old, new in _KEYS.items():
        section, key = _parent(raw, old.split("."))
        if section is None or key not in section or not _applies(old, section):
            continue
        *above, last = new.split(".")
        say(old, new)
        value, target = section.pop(key), _section(raw, above)
        # The config's check reports a value in the place of a section.
        if target is not None:
            target.setdefault(last, value)
    rename_inner(raw.get("verifier"), "verifier", say)


def rename_inner(verifier: object, place: str = "", say: Say = warn) -> None:
    """Renames old keys of the verifiers inside a verifier in place; `place` is the verifier's key."""
    for inner, part in _inner_verifiers(verifier, place):
        if "workers" in part and _applies("verifier.workers", part):
            say(f"{inner}.workers", "check_processes")
            part.setdefault("check_processes", part.pop("workers"))


def _section(raw: dict[str, Any], keys: Sequence[str]) -> dict[str, Any] | None:
    """The section at these keys, made if it is missing or empty; None if a value is in its place."""
    target = raw
    for name in keys:
        if target.get(name) is None:
            target[name] = {}
        target = target[name]
        if not isinstance(target, dict):
            return None
    return target


def _inner_verifiers(value: object, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Verifiers inside a value, each with its key."""
    if not isinstance(value, list | dict):
        return
    for key, inner in enumerate(value) if isinstance(value, list) else value.items():
        inner_place = f"{place}.{key}" if place else str(key)
        if isinstance(inner, dict) and "use" in inner:
            yield inner_place, inner
        yield from _inner_verifiers(inner, inner_place)


def renamed(keys: list[str], value: object, raw: Mapping[str, Any]) -> list[str]:
    """The current name of a command-line key, for a config whose `use` keys are already set.

    Also renames old keys inside the value, in place.
    """
    _rename_inside(keys, value)
    old, section = ".".join(keys), _at(raw, keys[:-1])
    if keys[0] == "verifier" and len(keys) > 2 and keys[-1] == "workers":
        if not _applies("verifier.workers", section):
            return keys
        new = [*keys[:-1], "check_processes"]
    elif old in _KEYS and _applies(old, section):
        new = _KEYS[old].split(".")
    else:
        return keys
    warn(old, ".".join(new))
    return new


def _rename_inside(keys: Sequence[str], value: object) -> None:
    """Renames old keys inside the value of these keys in place."""
    if isinstance(value, list | dict):
        whole: Any = value
        for key in reversed(keys):
            whole = {key: whole}
        rename_keys(whole)


def _at(raw: object, keys: Sequence[str]) -> Mapping[str, Any]:
    """The section at these keys; empty if there is none."""
    for key in keys:
        raw = raw.get(key) if isinstance(raw, Mapping) else None
    return raw if isinstance(raw, Mapping) else {}


def renamed_option(section: str, use: str, key: str) -> str:
    """The current name of an option of a part outside a config, such as a verifier."""
    old = f"{section}.{key}"
    if old not in _KEYS or not _applies(old, {"use": use}):
        return key
    new = _KEYS[old].rpartition(".")[2]
    warn(key, new)
    return new


def renamed_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of `berry train` under their current names."""
    found = {}
    for key, value in given.items():
        if (new := _SETTINGS.get(key)) is not None:
            warn(key, new)
        else:
            new = key
        if isinstance(value, str) and (other := _VALUES.get(new, {}).get(value)) is not None:
            warn(f"{new}={value}", f"{new}={other}")
            value = other
        found[new] = value
    return found


def _applies(old: str, section: Mapping[str, Any]) -> bool:
    # A mistaken `use` can be of any type, even one without a hash.
    return old not in _ONLY_FOR or str(section.get("use")) in _ONLY_FOR[old]


def _parent(raw: dict[str, Any], keys: list[str]) -> tuple[dict[str, Any] | None, str]:
    """The section that holds a key, and the key's last name; None if there is no such section."""
    section: Any = raw
    for key in keys[:-1]:
        section = section.get(key) if isinstance(section, dict) else None
    return (section if isinstance(section, dict) else None), keys[-1]
