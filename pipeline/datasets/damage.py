"""Finds data files that do not match the journal: deleted, truncated or overwritten.

`find_damage` checks only names and sizes, so it is quick on a run with many parts; `open_part` also
reads the footer. Each fault is one line: the file, what is wrong, and how to restore it.
"""

import errno
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.datasets.folder import RunFolder
from pipeline.datasets.staging import merged_path
from pipeline.datasets.views.table import VIEWS
from pipeline.files.publishing import FolderError, explained
from pipeline.files.storage import exists, files_in, folders_in, is_local, num_bytes, open_input

_DAMAGES = frozenset(
    {None, errno.EINVAL, errno.EISDIR, errno.ENOENT, errno.ENOTDIR},
)
"""Numbers of file system errors that a deleted or damaged file can cause. Any other, such as a failed
read or a missing permission, says nothing about the content: nobody should delete the file."""


def find_damage(folder: RunFolder) -> list[str]:
    """Checks the files of committed parts by name and size; returns one line for each damaged file.

    If a part's trees are lost, its other views are not listed: they are written again with the trees.
    """
    found = []
    for index, wrong in damaged_views(folder).items():
        lost = ["trees"] if "trees" in wrong else wrong
        found += [describe_damage(folder, view, index, wrong[view]) for view in lost]
    return found


def damaged_views(folder: RunFolder) -> dict[int, dict[str, str]]:
    """Part -> damaged view -> what is wrong with its file, judging by name and size."""
    sizes, found = _sizes(folder), {}
    for index, part in folder.parts.items():
        looked = {view: _look_at(folder, view, index, sizes) for view in part.rows}
        if wrong := {view: why for view, why in looked.items() if why is not None}:
            found[index] = wrong
    return found


def check_files(folder: RunFolder) -> None:
    """Raises FolderError if a run cannot resume in the folder.

    The reason is a damaged file of a committed part, or parts that another version of berry began, with
    other columns.
    """
    if found := find_damage(folder):
        more = f" (and {len(found) - 1} more damaged files)" if len(found) > 1 else ""
        raise FolderError(f"{found[0]}{more}")
    if folder.complete is not None:
        return
    for index in list(folder.parts)[:1]:
        with open_part(folder, "trees", index) as file:
            if not file.schema_arrow.equals(VIEWS["trees"].schema):
                raise FolderError(
                    f"{folder.path}: expected a run with this version's columns, got one that another "
                    "version of berry began; finish it with that version, or name another output"
                )


def open_part(folder: RunFolder, view: str, index: int, coded: Sequence[str] = ()) -> pq.ParquetFile:
    """Opens a file of a committed part; columns named `coded` are read as codes of a dictionary.

    Raises FolderError if it is damaged.
    """
    try:
        return _open_part(folder, view, index, coded)
    except FolderError:
        part, staged = folder.parts[index], merged_path(folder.path, view, index)
        with explained(folder.path):
            if is_waiting(folder, view, index):
                return open_parquet(staged, coded)
        now = RunFolder.read(folder.path).parts
        if index not in now or now[index] != part:
            raise FolderError(
                f"{folder.part_path(view, index)}: has changed since this command began, because parts "
                "of the run were merged; repeat the command"
            ) from None
        raise


def is_waiting(folder: RunFolder, view: str, index: int) -> bool:
    """Whether a merged file is still in `.staging`, at `merged_path`: the merge was killed there."""
    part, staged = folder.parts[index], merged_path(folder.path, view, index)
    return part.shards > 1 and exists(staged) and num_bytes(staged) == part.sizes.get(view)


def _open_part(folder: RunFolder, view: str, index: int, coded: Sequence[str]) -> pq.ParquetFile:
    try:
        file = open_parquet(folder.part_path(view, index), coded)
    except (OSError, pa.ArrowException) as e:
        refuse_unreadable(folder.part_path(view, index), e)
        raise FolderError(describe_damage(folder, view, index, _why(folder, view, index, e))) from e
    if (wrong := _content(file, folder.parts[index].rows.get(view), view)) is not None:
        file.close()
        raise FolderError(describe_damage(folder, view, index, wrong))
    return file


def open_parquet(path: Path, coded: Sequence[str] = ()) -> pq.ParquetFile:
    """Opens a parquet file, also one in a store; columns named `coded` are read as codes of a
    dictionary. Raises OSError and pyarrow's errors."""
    if is_local(path):
        return pq.ParquetFile(path, read_dictionary=list(coded))
    return pq.ParquetFile(pa.PythonFile(open_input(path), "r"), read_dictionary=list(coded))


def refuse_unreadable(path: Path, error: BaseException | None) -> None:
    """Raises FolderError or StorageError if the error does not show that the file is damaged."""
    if isinstance(error, OSError) and error.errno not in _DAMAGES:
        with explained(path):
            raise error


def _sizes(folder: RunFolder) -> dict[str, dict[str, int]]:
    """View -> name -> bytes of its files."""
    with explained(folder.path):
        data = folder.path / "data"
        return {view: files_in(data / view) for view in folders_in(data)}


def _look_at(
    folder: RunFolder, view: str, index: int, sizes: Mapping[str, Mapping[str, int]]
) -> str | None:
    """The fault of a file, judging by its size; None if it has none."""
    size = sizes.get(view, {}).get(folder.part_path(view, index).name)
    expected = folder.parts[index].sizes.get(view)
    if size is not None and size == expected:
        return None
    try:
        # Entries of earlier versions have no sizes, and a view may just have been derived again.
        open_part(folder, view, index).close()
    except FolderError:
        return "is missing" if size is None else _cut(size, expected)
    return None


def _why(folder: RunFolder, view: str, index: int, error: Exception) -> str:
    """The reason why a file cannot be opened."""
    path, expected = folder.part_path(view, index), folder.parts[index].sizes.get(view)
    try:
        size = num_bytes(path)
    except OSError as e:
        refuse_unreadable(path, e)
        return "is missing"
    if size != expected:
        return _cut(size, expected)
    if isinstance(error, IsADirectoryError):
        return "is a folder"
    return "is damaged: it is not a parquet file"


def _content(file: pq.ParquetFile, expected: int | None, view: str) -> str | None:
    """The fault of a parquet file, judging by its footer; None if it has none."""
    columns = {VIEWS[view].schema.names[0], *(("nodes", "trajectories") if view == "trees" else ())}
    if missing := sorted(columns - set(file.schema_arrow.names)):
        return f"has other columns than the view {view}: {missing[0]} is missing"
    num_rows = file.metadata.num_rows
    if expected is not None and num_rows != expected:
        return f"has {num_rows} rows instead of {expected}"
    return None


def _cut(size: int, expected: int | None) -> str:
    expectation = "" if expected is None else f" instead of {expected}"
    return f"is damaged: it has {size} bytes{expectation}"


def describe_damage(folder: RunFolder, view: str, index: int, wrong: str) -> str:
    """One line about a part's damaged file and how to restore it."""
    if view == "trees":
        command = f"berry check {shlex.quote(str(folder.path))} --repair"
        cure = f"to explore its problems again, run `{command}` and repeat `berry run`"
    else:
        cure = f"to write it again, run `berry export {shlex.quote(str(folder.path))} --as {view}`"
    return f"{folder.part_path(view, index)}: {wrong}; {cure}"
