"""Data files that are not as the journal says: deleted, cut off, overwritten.

`find_damage` looks at names and sizes alone, so that it is quick on a run of many parts; `open_part`
reads the footer as well, and whatever breaks while rows are read is told in the same way: one line
with the file, what is wrong, and how to get it back.
"""

import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.datasets.files import FolderError
from pipeline.datasets.trees import read_trace
from pipeline.records import Trace

if TYPE_CHECKING:
    from pipeline.datasets.folder import RunFolder

_BATCH_ROWS = 64


def find_damage(folder: "RunFolder") -> list[str]:
    """What is wrong with the files of committed parts, one line for each, by name and size.

    Where a part's trees are lost, its other views are left out: they are made anew with the trees.
    """
    found = []
    for index, part in sorted(folder.parts.items()):
        wrong = {view: _look_at(folder, view, index) for view in part.rows}
        lost = ["trees"] if wrong.get("trees") else wrong
        found += [_describe(folder, view, index, why) for view in lost if (why := wrong[view])]
    return found


def check_files(folder: "RunFolder") -> None:
    """Raises FolderError if any file of a committed part is damaged."""
    if found := find_damage(folder):
        more = f" (and {len(found) - 1} more damaged files)" if len(found) > 1 else ""
        raise FolderError(f"{found[0]}{more}")


def open_part(folder: "RunFolder", view: str, index: int) -> pq.ParquetFile:
    """A file of a committed part. Raises FolderError if it is damaged."""
    try:
        file = pq.ParquetFile(folder.part_path(view, index))
    except (OSError, pa.ArrowException) as e:
        raise FolderError(_describe(folder, view, index, _why(folder, view, index, e))) from e
    if (wrong := _content(file, folder.parts[index].rows.get(view), view)) is not None:
        file.close()
        raise FolderError(_describe(folder, view, index, wrong))
    return file


def part_rows(
    folder: "RunFolder",
    view: str,
    index: int,
    columns: Sequence[str] | None = None,
    batch_rows: int = _BATCH_ROWS,
) -> Iterator[dict[str, Any]]:
    """The rows of a committed part, in order. Raises FolderError if it is damaged."""
    with open_part(folder, view, index) as file:
        names = None if columns is None else list(columns)
        batches = file.iter_batches(batch_rows, columns=names)
        while True:
            try:
                batch = next(batches, None)
                rows = [] if batch is None else batch.to_pylist()
            except (OSError, pa.ArrowException, ValueError) as e:
                raise FolderError(_describe(folder, view, index, "cannot be read to its end")) from e
            if batch is None:
                return
            yield from rows


def part_traces(folder: "RunFolder", index: int) -> Iterator[Trace]:
    """The traces of a committed part, in order, a few in memory at a time. Raises FolderError."""
    for row in part_rows(folder, "trees", index, batch_rows=8):
        try:
            trace = read_trace(row)
        except (KeyError, TypeError, ValueError, IndexError) as e:
            wrong = f"has a row that is no tree ({type(e).__name__}: {e})"
            raise FolderError(_describe(folder, "trees", index, wrong)) from e
        yield trace


def _look_at(folder: "RunFolder", view: str, index: int) -> str | None:
    """What is wrong with a file, by its size; None if nothing is."""
    path, part = folder.part_path(view, index), folder.parts[index]
    try:
        size = path.stat().st_size
    except OSError as e:
        return _missing(e)
    expected = part.sizes.get(view)
    if size == expected:
        return None
    try:
        # Entries of earlier versions have no sizes; and a view may have been derived again just now.
        open_part(folder, view, index).close()
    except FolderError:
        return _cut(size, expected)
    return None


def _why(folder: "RunFolder", view: str, index: int, error: Exception) -> str:
    """Why a file cannot be opened."""
    path, expected = folder.part_path(view, index), folder.parts[index].sizes.get(view)
    try:
        size = path.stat().st_size
    except OSError as e:
        return _missing(e)
    if size != expected:
        return _cut(size, expected)
    strerror = error.strerror if isinstance(error, OSError) else None
    return f"cannot be read ({strerror})" if strerror else "is damaged, no parquet file"


def _content(file: pq.ParquetFile, expected: int | None, view: str) -> str | None:
    """What is wrong with a parquet file, by its footer; None if nothing is."""
    columns = {"problem_id", *(("nodes", "trajectories") if view == "trees" else ())}
    if missing := sorted(columns - set(file.schema_arrow.names)):
        return f"has other columns than the view {view}, none named {missing[0]}"
    num_rows = file.metadata.num_rows
    if expected is not None and num_rows != expected:
        return f"has {num_rows} rows, the journal says {expected}"
    return None


def _missing(error: OSError) -> str:
    return (
        "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
    )


def _cut(size: int, expected: int | None) -> str:
    written = "" if expected is None else f", {expected} were written"
    return f"is damaged, it has {size} bytes{written}"


def _describe(folder: "RunFolder", view: str, index: int, wrong: str) -> str:
    if view == "trees":
        entry = shlex.quote(str(folder.entry_path(index)))
        cure = f"`rm {entry}` and the same `berry run` again explore its problems anew"
    else:
        cure = f"`berry export {shlex.quote(str(folder.path))} --as {view}` makes it again"
    return f"{folder.part_path(view, index)}: {wrong}; {cure}"
