"""Reads the rows of a user's parquet file."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.files.ranges import EVERY_ROW, Ranges, overlap

_BATCH_ROWS = 1024


class DamagedParquet(ValueError):
    """The file is damaged or not a parquet file."""


def parquet_rows(path: Path, ranges: Ranges = EVERY_ROW) -> Iterator[tuple[str, object]]:
    """Each row with its place as text, such as `rows.parquet, row 3`; reads one batch at a time.

    Row groups without a row in the ranges are not read. Raises DamagedParquet, without a message, and
    OSError.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            start = 0
            for group in range(file.num_row_groups):
                rows = range(start, start + file.metadata.row_group(group).num_rows)
                start = rows.stop
                wanted = overlap(ranges, rows)
                if not wanted:
                    continue
                first = rows.start
                for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group]):
                    for piece in overlap(wanted, range(first, first + batch.num_rows)):
                        picked = batch.slice(piece.start - first, len(piece)).to_pylist()
                        for number, row in zip(piece, picked, strict=True):
                            yield f"{path}, row {number + 1}", row
                    first += batch.num_rows
    except pa.ArrowException as e:
        raise DamagedParquet from e
