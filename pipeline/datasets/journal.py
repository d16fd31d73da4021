"""Reads run.json and the journal, and says of a damaged file which it is and what to do."""

import json
import shlex
from collections.abc import Mapping
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
    kinds = {"part": int, "problems": list, "rows": Mapping, "counts": Mapping}
    for key, kind in kinds.items():
        if not isinstance(entry.get(key), kind):
            raise FolderError(f"{path}: is damaged, it has no {key}; {cure}")
    if path.name != f"part-{entry['part']:05d}.json":
        raise FolderError(f"{path}: is damaged, it is the entry of part {entry['part']}; {cure}")
    return entry


def read_facts(path: Path) -> dict[str, Any]:
    """What complete.json holds. Raises FolderError for a damaged one, and OSError."""
    return _read(path, f"`rm {shlex.quote(str(path))}` and the same `berry run` again write it anew")


def _read(path: Path, cure: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as e:
        raise FolderError(f"{path}: is damaged ({explain_json(e)}); {cure}") from e
    if not isinstance(content, dict):
        raise FolderError(f"{path}: is damaged, expected keys and values; {cure}")
    return content
