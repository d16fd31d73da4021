"""Writes a view's rows to a single .jsonl or .parquet file, under a temporary name.

The file appears once it is complete, and never replaces an existing file.
"""

import json
import re
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.files.publishing import REPEAT, FolderError, RowsFile, WrittenFile, explained
from pipeline.files.storage import NewFile, exists, is_inside, is_local, move

FileKind = Literal[".jsonl", ".parquet"]
_CHUNK_BYTES = 2**20
_SUFFIX = re.compile(r"\.[A-Za-z]\w*")


def file_kind(output: Path) -> FileKind | None:
    """Format of the file; None for the name of a folder.

    Raises FolderError for any other suffix.
    """
    if output.suffix.lower() == ".jsonl":
        return ".jsonl"
    if output.suffix.lower() == ".parquet":
        return ".parquet"
    if is_local(output) and _SUFFIX.fullmatch(output.suffix) and not output.is_dir():
        raise FolderError(
            f"--output {output}: expected a file that ends in .jsonl or .parquet, or a folder without "
            f"a suffix, got {output.suffix}"
        )
    return None


def check_new_file(output: Path, run: Path) -> None:
    """Raises FolderError for a file that already exists, or would be inside the run's folder."""
    with explained(output):
        if is_inside(output, run):
            raise FolderError(f"--output {output}: expected a file outside the run's folder")
        if exists(output):
            raise FolderError(f"--output {output}: already exists; name another file, or delete it")


class JsonLines:
    """A new file with a JSON object for each row; a context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = NewFile(path)
        self._num_rows = 0

    @property
    def written(self) -> WrittenFile:
        """The closed file."""
        return WrittenFile.of(self._path, self._num_rows, self._file)

    def __enter__(self) -> Self:
        self._file.__enter__()
        return self

    def add(self, batch: pa.RecordBatch) -> None:
        """Adds rows."""
        for row in batch.to_pylist():
            self._file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        self._num_rows += batch.num_rows

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.__exit__(kind, error, traceback)


class OneFile:
    """The single file, to which the rows of parts are added; a context manager."""

    def __init__(self, path: Path, kind: FileKind, schema: pa.Schema) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.partial")
        self._file = (
            RowsFile(self._temporary, schema) if kind == ".parquet" else NewFile(self._temporary)
        )

    def __enter__(self) -> Self:
        with explained(self._path, cure=REPEAT):
            self._file.__enter__()
        return self

    def append(self, part: Path) -> None:
        """Adds the rows of a local file of the same kind, and deletes it. Raises FolderError."""
        with explained(self._path, cure=REPEAT):
            if isinstance(self._file, RowsFile):
                with pq.ParquetFile(part) as read:
                    for group in range(read.num_row_groups):
                        for batch in read.read_row_group(group).to_batches():
                            self._file.add(batch)
            else:
                with part.open("rb") as lines:
                    while content := lines.read(_CHUNK_BYTES):
                        self._file.write(content)
            part.unlink()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with explained(self._path, cure=REPEAT):
            self._file.__exit__(kind, error, traceback)
            if error is None:
                move(self._temporary, self._path)
