"""Saved selections: the problems that a person chose in the viewer, by name, in `OUT/selections/`.

`berry export --selection NAME` writes a view of these problems alone.
"""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.files.publishing import REPEAT, FolderError, explained, json_bytes, publish, require_run
from pipeline.files.storage import exists, files_in, make_folder, read_bytes

SELECTIONS = "selections"
"""The folder in a run folder."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Selection(BaseModel):
    """Problems of a run, with the conditions that chose them at that time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    query: dict[str, Any] = Field(default_factory=dict)
    """The conditions, as in the address of the viewer's page."""
    saved: str = ""
    problem_ids: list[str]
    """In the run's order."""


def save_selection(run: Path, name: str, query: dict[str, Any], problem_ids: list[str]) -> Selection:
    """Stores a selection, in the place of an earlier one of this name; returns it.

    Raises FolderError for a name that is no plain file name or if the run's folder is gone, and
    StorageError.
    """
    saved = datetime.now(UTC).isoformat(timespec="seconds")
    selection = Selection(name=name, query=query, saved=saved, problem_ids=problem_ids)
    file = _file(run, name)
    with explained(file, cure=REPEAT):
        require_run(run)
        make_folder(file.parent)
        publish(file, json_bytes(selection.model_dump()), shared=True)
    return selection


def read_selection(run: Path, name: str) -> Selection:
    """The selection of this name. Raises FolderError if there is none or it is damaged."""
    file = _file(run, name)
    with explained(run):
        if not exists(file):
            known = ", ".join(_names(run)) or "none"
            raise FolderError(f"{run}: expected a saved selection, one of: {known}; got {name}")
        content = read_bytes(file)
    try:
        return Selection.model_validate(json.loads(content))
    except (ValueError, ValidationError) as e:
        raise FolderError(f"{file}: is damaged; delete it, or save the selection again") from e


def read_selections(run: Path) -> tuple[list[Selection], list[str]]:
    """All selections by name, and a line for each that is damaged. Raises FolderError."""
    found, damage = [], []
    with explained(run):
        names = _names(run)
    for name in names:
        try:
            found.append(read_selection(run, name))
        except FolderError as e:
            damage.append(str(e))
    return found, damage


def _names(run: Path) -> list[str]:
    names = sorted(files_in(run / SELECTIONS))
    return [one.removesuffix(".json") for one in names if one.endswith(".json") and one[0] != "."]


def _file(run: Path, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise FolderError(
            "name: expected 1 to 64 letters, digits, dots, dashes or underscores, beginning with a "
            f"letter or digit, got {name!r:.80}"
        )
    return run / SELECTIONS / f"{name}.json"
