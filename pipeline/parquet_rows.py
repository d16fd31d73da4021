"""Rows of a parquet file that a user names."""

from collections.abc import Iterator
from pathlib import Path

_BATCH_ROWS = 1024


class DamagedParquet(ValueError):
    """The file is damaged, or no parquet file."""


def parquet_rows(path: Path) -> Iterator[tuple[str, object]]:
    """Each row with its place in words, such as `rows.parquet, row 3`; a batch at a time in memory.

    Raises DamagedParquet, without a message, and OSError.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(_BATCH_ROWS):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path}, row {number}", row
    except pa.ArrowException as e:
        raise DamagedParquet from e
