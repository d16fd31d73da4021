"""Writes files atomically: a reader, or a crash, sees either the old content or the new."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import is_users
from pipeline.files.storage import (
    FolderError,
    NewFile,
    StorageError,
    delete,
    digest_of,
    exists,
    files_in,
    folders_in,
    make_folder,
    move,
    num_bytes,
    publish,
)

__all__ = [
    "REPEAT",
    "RESUME",
    "FolderError",
    "RowsFile",
    "StorageError",
    "WrittenFile",
    "explained",
    "json_bytes",
    "publish",
    "publish_table",
    "replace_file",
    "require_run",
    "visible_files",
    "write_card",
    "write_parquet",
]

RESUME = "committed work is saved; repeat the command to resume"
REPEAT = "repeat the command when that is fixed"
_GROUP_BYTES = 64 * 2**20
"""Most uncompressed bytes of a row group: readers hold a row group in memory, and Arrow cannot read a
column of nested text beyond 2 GiB from one row group."""


def write_card(path: Path, text: str, cure: str = RESUME) -> None:
    """Writes a dataset card to a folder. Raises FolderError and StorageError."""
    with explained(path, cure=cure):
        publish(path / "README.md", text.encode(), durable=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenFile:
    """A closed file of rows."""

    path: Path
    num_rows: int
    num_bytes: int
    digest: str
    """`NewFile.digest` of the content."""

    @classmethod
    def of(cls, path: Path, num_rows: int, file: NewFile) -> Self:
        """The facts of a closed file."""
        return cls(path=path, num_rows=num_rows, num_bytes=file.num_bytes, digest=file.digest)


class RowsFile:
    """A new parquet file to which batches of rows are added one by one; a context manager.

    Row groups hold whole batches, up to `_GROUP_BYTES`; only a larger batch is split. So the bytes of
    the file depend on its batches alone, and at most one row group is in memory.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path, self._schema = path, schema
        self._file = NewFile(path)
        self._group: list[pa.RecordBatch] = []
        self._size = 0
        self.num_rows = 0

    @property
    def written(self) -> WrittenFile:
        """The closed file."""
        return WrittenFile.of(self.path, self.num_rows, self._file)

    def __enter__(self) -> Self:
        self._file.__enter__()
        sink = pa.PythonFile(self._file, "w")
        self._writer = pq.ParquetWriter(sink, self._schema, compression="zstd")
        return self

    def add(self, batch: pa.RecordBatch) -> None:
        """Adds rows."""
        # `load_dataset` fails for a row group without rows, but not for a file without row groups.
        if not batch.num_rows:
            return
        if self._size + batch.nbytes > _GROUP_BYTES:
            self._flush()
        self._group.append(batch)
        self._size += batch.nbytes
        self.num_rows += batch.num_rows

    def _flush(self) -> None:
        if not self._group:
            return
        # Else the bytes would depend on how the rows were divided into batches.
        table = pa.Table.from_batches(self._group, self._schema).combine_chunks()
        self._group, self._size = [], 0
        for start, stop in _groups(table):
            self._writer.write_table(table.slice(start, stop - start), row_group_size=stop - start)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._flush()
                self._writer.close()
            else:
                # Else the garbage collector would close it, and write to a closed file. What is written
                # now is deleted; if it cannot be, `error` says why.
                with suppress(OSError, pa.ArrowException):
                    self._writer.close()
            self._writer.is_open = False
        except BaseException as e:
            self._writer.is_open = False
            self._file.__exit__(type(e), e, e.__traceback__)
            raise
        self._file.__exit__(kind, error, traceback)


def publish_table(path: Path, table: pa.Table) -> bool:
    """Writes a parquet file atomically; returns False if the file already has the same bytes."""
    written = write_parquet(path.with_name(f".{path.name}"), table.schema, table.to_batches())
    return replace_file(written, path)


def replace_file(written: WrittenFile, path: Path) -> bool:
    """Moves a file over another; returns False, and deletes it, if the other has the same bytes."""
    if exists(path) and num_bytes(path) == written.num_bytes and digest_of(path) == written.digest:
        delete(written.path)
        return False
    make_folder(path.parent)
    move(written.path, path)
    return True


def write_parquet(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> WrittenFile:
    """Writes batches to a new parquet file."""
    with RowsFile(path, schema) as file:
        for batch in batches:
            file.add(batch)
    return file.written


def _groups(table: pa.Table) -> Iterator[tuple[int, int]]:
    """First and last row + 1 of row groups of at most `_GROUP_BYTES`, or one row."""
    start, rows = 0, table.num_rows
    while start < rows:
        stop = rows
        while stop - start > 1 and table.slice(start, stop - start).nbytes > _GROUP_BYTES:
            stop = start + (stop - start + 1) // 2
        yield start, stop
        start = stop


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """Indented JSON as the content of a file."""
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def require_run(path: Path) -> None:
    """Raises FolderError if there is no run in the folder, so that nothing is written elsewhere, for
    example where it was before it was moved. Raises OSError."""
    if not exists(path / "run.json"):
        if exists(path / "loop.json"):
            raise FolderError(
                f"{path}: expected a run folder, got that of a loop; name one of its runs, such as "
                f"{path / 'round-1'}"
            )
        raise FolderError(f"{path}: expected a run folder with run.json, found none")


def visible_files(path: Path) -> list[str]:
    """Sorted names of a folder's entries, without hidden ones."""
    names = (*files_in(path), *folders_in(path))
    return sorted(name for name in names if not name.startswith("."))


@contextmanager
def explained(path: Path, advice: str = "", cure: str = RESUME) -> Iterator[None]:
    """Converts errors of the file system or a damaged file to FolderError or StorageError.

    `advice` ends the message about a wrong path, `cure` that about a fault of the machine.
    """
    try:
        yield
    except OSError as e:
        message = f"{path}: cannot be used ({e.strerror or e})"
        if is_users(e):
            raise FolderError(message + advice) from e
        raise StorageError(f"{message}; {cure}") from e
    except (ValueError, KeyError) as e:
        raise FolderError(f"{path}: a file of the run is damaged ({type(e).__name__}: {e})") from e
