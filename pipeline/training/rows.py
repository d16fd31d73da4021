"""Reads the rows of a view: of a run's committed parts, or of a folder written by `berry export`."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.datasets.folder import FolderError
from pipeline.datasets.reader import ExportedView, RunReader
from pipeline.files.publishing import explained
from pipeline.files.storage import exists
from pipeline.training.errors import TrainError


def is_run(folder: Path) -> bool:
    """Whether the folder is a run's. Raises FolderError and StorageError."""
    with explained(folder):
        return exists(folder / "run.json")


def view_rows(
    folder: Path, view: str, columns: Sequence[str], old_names: Mapping[str, str] | None = None
) -> Iterator[dict[str, Any]]:
    """The rows of a view with these columns; `old_names` has the columns' names in earlier versions.

    Raises FolderError for a folder without data, and TrainError if the data lack a column.
    """
    if is_run(folder):
        reader = RunReader.open(folder)
        is_empty, there = not reader.parts, reader.columns(view)
        rows = reader.rows(view, columns)
    else:
        exported = ExportedView(folder, view)
        is_empty, there = not exported.files, exported.columns()
        rows = exported.rows(columns)
    if is_empty:
        raise FolderError(
            f"--data {folder}: expected a run with a committed part, or a folder of "
            f"`berry export --as {view}`, found neither"
        )
    if missing := sorted(set(columns) - there):
        old = (old_names or {}).get(missing[0])
        name = missing[0] if old is None else f"{missing[0]} (`{old}` in earlier versions)"
        raise TrainError(
            f"{folder}: expected the columns of the view `{view}`, got none named {name}; "
            f"`berry export {folder} --as {view}` makes them"
        )
    yield from rows
