"""What makes two runs the same: their configs, and what their sandboxes show to programs."""

from collections.abc import Mapping
from typing import Any


def config_with_sandbox(run: Mapping[str, Any]) -> dict[str, Any]:
    """The config in the content of a run.json, with the sandbox's settings.

    run.json has them apart, since most may change when a run resumes, and earlier ones have none.
    """
    known = {} if run.get("sandbox") is None else {"sandbox": run["sandbox"]}
    return {**run["config"], **known}


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """The first difference of two runs, by the contents of their run.json; None for the same run."""
    reaches = _reach(old, new), _reach(new, old)
    if old["digest"] == new["digest"] and reaches[0] == reaches[1]:
        return None
    was, now = (
        {**run["config"], "sandbox": reach} for run, reach in zip((old, new), reaches, strict=True)
    )
    return _difference(was, now)


def _reach(run: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The sandbox's settings that decide what programs find, and so their verdicts; those of the other
    run if they are unknown."""
    sandbox = run.get("sandbox") or other.get("sandbox") or {}
    return {key: sandbox.get(key) for key in ("preload", "readable")}


def _difference(old: Mapping[str, Any], new: Mapping[str, Any], above: str = "") -> str:
    """A message about the first key in which two configs differ."""
    # `use` comes before the options, because they depend on it.
    for key in sorted({*old, *new}, key=lambda key: (key != "use", key)):
        was, now = old.get(key), new.get(key)
        if was == now:
            continue
        if isinstance(was, dict) and isinstance(now, dict):
            return _difference(was, now, f"{above}{key}.")
        if key not in old:
            differs = f"is new in this version of berry (value: {now!r})"
        elif key not in new:
            differs = f"was {was!r} and does not exist in this version of berry"
        else:
            differs = f"was {was!r} and is now {now!r}"
        return (
            f"holds a run of another config: {above}{key} {differs}; "
            "name another output, or delete the folder"
        )
    return "holds a run of another config"
