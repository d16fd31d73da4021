"""Reads run.json and the journal, and says of a damaged file which it is and what to do."""

import json
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline.datasets.files import FolderError
from pipeline.parsing import explain_json


def read_run(path: Path) -> dict[str, Any]:
    """The content of run.json. Raises FolderError for a damaged one, and OSError."""
    run = _read(path, "bring it back from a copy, or begin the run anew in another folder")
    for key, kind in (("config", Mapping), ("digest", str)):
        if not isinstance(run.get(key), kind):
            raise FolderError(f"{path}: is damaged, expected a run's config with a {key}")
    return run


def read_entry(path: Path) -> dict[str, Any]:
    """A part's journal entry. Raises FolderError for a damaged one, and OSError."""
    cure = f"`rm {shlex.quote(str(path))}` and the same `berry run` again explore its problems anew"
    entry = _read(path, cure)
    for key, (expected, is_sound) in _ENTRY.items():
        if key not in entry and key not in _OPTIONAL:
            raise FolderError(f"{path}: is damaged, it has no {key}; {cure}")
        if key in entry and not is_sound(entry[key]):
            raise FolderError(f"{path}: is damaged, expected {key} to be {expected}; {cure}")
    if path.name != f"part-{entry['part']:05d}.json":
        raise FolderError(f"{path}: is damaged, it is the entry of part {entry['part']}; {cure}")
    return entry


def read_facts(path: Path) -> dict[str, Any]:
    """What complete.json holds. Raises FolderError for a damaged one, and OSError."""
    cure = f"`rm {shlex.quote(str(path))}` and the same `berry run` again write it anew"
    facts = _read(path, cure)
    if not _is_number(facts.get("problems", 0)):
        raise FolderError(f"{path}: is damaged, expected problems to be a number; {cure}")
    return facts


def _is_number(value: object) -> bool:
    """Whether it is one that can be counted with: no NaN, no infinity."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**63


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and _is_number(value)


def _are_numbers(value: object) -> bool:
    return isinstance(value, Mapping) and all(map(_is_number, value.values()))


def _are_whole(value: object) -> bool:
    return isinstance(value, Mapping) and all(map(_is_whole, value.values()))


def _are_texts(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(one, str) for one in value.values())


def _are_ids(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


_ENTRY: Mapping[str, tuple[str, Callable[[object], bool]]] = {
    "part": ("a whole number", _is_whole),
    "problems": ("a list of ids", _are_ids),
    "rows": ("names with whole numbers", _are_whole),
    "counts": ("names with numbers", _are_numbers),
    "sizes": ("names with whole numbers", _are_whole),
    "revised": ("names with hashes", _are_texts),
}
_OPTIONAL = ("sizes", "revised")
"""Entries of earlier versions do not have them."""


def _read(path: Path, cure: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except IsADirectoryError as e:
        raise FolderError(f"{path}: expected a file, got a folder; move it elsewhere") from e
    except (ValueError, RecursionError) as e:
        raise FolderError(f"{path}: is damaged ({explain_json(e)}); {cure}") from e
    if not isinstance(content, dict):
        raise FolderError(f"{path}: is damaged, expected keys and values; {cure}")
    return content
