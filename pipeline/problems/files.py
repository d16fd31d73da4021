"""`file`: problems from a jsonl or parquet file, read row by row."""

import json
from collections.abc import Iterator
from pathlib import Path

from pipeline.problems import BadRow, ProblemError, at_most
from pipeline.problems.rows import RowConfig, to_problem
from pipeline.records import Problem

_BATCH_ROWS = 1024


class FileSource:
    """One file of rows."""

    class Config(RowConfig):
        """Where the file is, beside the field map."""

        path: Path
        """Its name ends in .jsonl or .parquet."""

    def __init__(self, config: Config, seed: int = 0) -> None:
        self.config = config

    def size(self) -> int | None:
        """Lines of a jsonl file, rows of a parquet file; None for one that cannot be read."""
        path = self.config.path
        try:
            if path.suffix == ".parquet":
                import pyarrow.parquet as pq

                return at_most(self.config, pq.read_metadata(path).num_rows)
            with path.open("rb") as file:
                return at_most(self.config, sum(1 for _ in file))
        except (OSError, ValueError):
            # The reason is reported when the rows are read.
            return None

    def rows(self) -> Iterator[Problem | BadRow]:
        """A problem for each row. Raises ProblemError for a file that cannot be read."""
        path = self.config.path
        readers = {".jsonl": _jsonl_rows, ".parquet": _parquet_rows}
        reader = readers.get(path.suffix)
        if reader is None:
            raise ProblemError(f"problems.path: expected a .jsonl or .parquet file, got {path}")
        if not path.is_file():
            raise ProblemError(f"problems.path: there is no file {path}")
        try:
            for where, row in reader(path):
                if isinstance(row, BadRow):
                    yield row
                else:
                    yield to_problem(row, self.config, where=where, source=path.name)
        except OSError as e:
            raise ProblemError(f"problems.path: {path} cannot be read ({e})") from e


def _jsonl_rows(path: Path) -> Iterator[tuple[str, object]]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            where = f"{path}, line {number}"
            if not line.strip():
                continue
            try:
                yield where, json.loads(line)
            except ValueError as e:
                yield where, BadRow(where=where, reason=f"is not JSON ({e})")


def _parquet_rows(path: Path) -> Iterator[tuple[str, object]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(_BATCH_ROWS):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path}, row {number}", row
    except pa.ArrowInvalid as e:
        raise ProblemError(f"problems.path: {path} is not a parquet file ({e})") from e
