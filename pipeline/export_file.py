"""One file of a view's rows, in .jsonl or .parquet: written part by part under a temporary name.

It is there once it is whole, and never takes the place of a file that was there before.
"""

import json
import re
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.datasets.files import FolderError, explained

FileKind = Literal[".jsonl", ".parquet"]
_SUFFIX = re.compile(r"\.[A-Za-z]\w*")


def file_kind(output: Path) -> FileKind | None:
    """How the rows of this file are written; None for the name of a folder.

    Raises FolderError for a suffix that says neither.
    """
    if output.suffix.lower() == ".jsonl":
        return ".jsonl"
    if output.suffix.lower() == ".parquet":
        return ".parquet"
    if _SUFFIX.fullmatch(output.suffix) and not output.is_dir():
        raise FolderError(
            f"--output {output}: expected a file that ends in .jsonl or .parquet, or a folder, whose "
            f"name has no suffix, got {output.suffix}"
        )
    return None


def check_new_file(output: Path, run: Path) -> None:
    """Raises FolderError for a file that is there already, or would lie in the run's folder."""
    with explained(output):
        if output.resolve().is_relative_to(run.resolve()):
            raise FolderError(f"--output {output}: expected a file outside the run's folder")
        if output.exists():
            raise FolderError(f"--output {output}: is there already; name another file, or delete it")


class OneFile:
    """The file, open for tables with this schema; to be used as `with`."""

    def __init__(self, path: Path, kind: FileKind, schema: pa.Schema) -> None:
        self._path, self._kind, self._schema = path, kind, schema
        self._temporary = path.with_name(f".{path.name}.partial")

    def __enter__(self) -> Self:
        with explained(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._temporary.open("wb")
            is_parquet = self._kind == ".parquet"
            self._parquet = (
                pq.ParquetWriter(self._file, self._schema, compression="zstd") if is_parquet else None
            )
        return self

    def write(self, table: pa.Table) -> None:
        """Adds the rows. Raises FolderError."""
        with explained(self._path):
            if self._parquet is None:
                for batch in table.to_batches(max_chunksize=256):
                    for row in batch.to_pylist():
                        self._file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
            elif table.num_rows:
                self._parquet.write_table(table)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with explained(self._path):
            try:
                if self._parquet is not None:
                    self._parquet.close()
                self._file.close()
                if error is None:
                    self._temporary.rename(self._path)
            finally:
                self._temporary.unlink(missing_ok=True)
