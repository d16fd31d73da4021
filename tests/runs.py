"""Run folders made by hand."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from pipeline.datasets.counts import Counts
from pipeline.datasets.folder import RunFolder, ids_digest
from pipeline.datasets.staging import staged_file
from pipeline.files.publishing import explained, write_parquet


def commit_tables(
    folder: RunFolder,
    index: int,
    ids: Sequence[str],
    tables: Mapping[str, pa.Table],
    counts: Counts,
) -> None:
    """Writes and commits a part in one go, as a worker and the driver do together."""
    staging = folder.staging(index, "by-hand")
    with explained(folder.path):
        staged = {
            view: staged_file(
                write_parquet(staging / f"{view}.parquet", table.schema, table.to_batches())
            )
            for view, table in tables.items()
        }
    folder.commit(index, staged, num_problems=len(ids), problems_digest=ids_digest(ids), counts=counts)
