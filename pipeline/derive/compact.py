"""Merges small parts into files of a good size for stores and `load_dataset`.

Consecutive parts are merged while their `trees` have at most a given number of bytes together, as the
journal records them; the other views follow the same groups. A merged part has the number of its first
shard. The groups depend on the sizes of the shards alone, and a merged part remembers their sum
(`merged_bytes`): a compaction that was killed and repeated ends with the same bytes.

Rows stream from one file to the next in batches of about `_BATCH_BYTES`. Several groups are written at
once, in processes of their own, and committed in order.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import parallel
from pipeline.datasets.counts import Counts
from pipeline.datasets.damage import describe_damage, open_part, refuse_unreadable
from pipeline.datasets.folder import FolderError, RunFolder, folder_at, merge_parts
from pipeline.datasets.staging import merged_path
from pipeline.datasets.views.table import VIEWS
from pipeline.files.publishing import RowsFile, WrittenFile, explained
from pipeline.hashing import LinesDigest

_BATCH_BYTES = 16 * 2**20
_TREES = "trees"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted:
    """What a compaction did."""

    num_before: int
    """Parts before it."""
    num_after: int
    num_rows: int
    """Rows that were written again, of all views."""


async def compact(
    folder: RunFolder, target_bytes: int, advance: Callable[[], None] = lambda: None
) -> Compacted:
    """Merges the parts of a folder that is claimed or reopened; `advance` is called for each file made.

    A crash at any moment loses nothing, and the next call goes on. Raises FolderError, also for a
    damaged file, StorageError and RunFailure.
    """
    num_before, num_rows = len(folder.parts), 0
    groups = [group for group in _groups(folder, target_bytes) if len(group) > 1]
    async with aclosing(_merged(folder, groups)) as entries:
        async for entry in entries:
            num_rows += sum(entry["rows"].values())
            await asyncio.to_thread(merge_parts, folder, entry)
            for _ in entry["rows"]:
                advance()
    if num_rows:
        with explained(folder.path):
            await asyncio.to_thread(folder.journal.fold, folder.parts, whole=True)
    return Compacted(num_before=num_before, num_after=len(folder.parts), num_rows=num_rows)


def _groups(folder: RunFolder, target_bytes: int) -> list[list[int]]:
    """Numbers of parts to merge; a part that stays as it is has a group of its own."""
    groups: list[list[int]] = []
    size, follows, views = 0, -1, frozenset[str]()
    for index in folder.parts:
        entry = folder.parts.entry(index)
        # Entries of earlier versions have no sizes.
        own = entry.get("merged_bytes", entry.get("sizes", {}).get(_TREES))
        same = index == follows and frozenset(entry["rows"]) == views
        if groups and same and own is not None and size + own <= target_bytes:
            groups[-1].append(index)
            size += own
        else:
            groups.append([index])
            size = target_bytes if own is None else own
        follows, views = index + entry.get("shards", 1), frozenset(entry["rows"])
    return groups


async def _merged(
    folder: RunFolder, groups: Sequence[list[int]]
) -> AsyncGenerator[dict[str, Any], None]:
    """Writes the files of each group; yields the journal entries of the merged parts."""
    sizes = (sum(folder.parts[index].sizes.values()) for group in groups for index in group)
    if sum(sizes) <= parallel.FEW_BYTES:
        for group in groups:
            yield await asyncio.to_thread(_merged_entry, folder, group)
        return
    state = folder.state_digest()
    tasks = ((folder.path, state, group) for group in groups)
    number = parallel.processes_for(len(groups))
    async with aclosing(parallel.map_in_processes(_merge_in_process, tasks, number)) as entries:
        async for entry in entries:
            yield entry


def _merge_in_process(task: tuple[Path, str, list[int]]) -> dict[str, Any]:
    path, state, group = task
    return _merged_entry(folder_at(path, state), group)


def _merged_entry(folder: RunFolder, group: Sequence[int]) -> dict[str, Any]:
    """Writes the merged files; returns the journal entry of the merged part."""
    entries = [folder.parts.entry(index) for index in group]
    parts, counts, ids = [folder.parts[index] for index in group], Counts(), LinesDigest()
    written: dict[str, WrittenFile] = {}
    for view in parts[0].rows:
        path = merged_path(folder.path, view, group[0])
        with explained(folder.path), RowsFile(path, _schema(folder, view, group)) as file:
            for index in group:
                for batch in _batches(folder, view, index):
                    if view == _TREES:
                        ids.add(batch.column("problem_id").to_pylist())
                    file.add(batch)
        written[view] = file.written
    for entry in entries:
        counts.add(Counts.from_dict(entry["counts"]))
    return {
        "part": group[0],
        "shards": sum(part.shards for part in parts),
        "num_problems": sum(part.num_problems for part in parts),
        "problems_digest": ids.digest,
        "rows": {view: file.num_rows for view, file in written.items()},
        "sizes": {view: file.num_bytes for view, file in written.items()},
        "digests": {view: file.digest for view, file in written.items()},
        "merged_bytes": sum(entry.get("merged_bytes", entry["sizes"][_TREES]) for entry in entries),
        "counts": counts.to_dict(),
    }


def _schema(folder: RunFolder, view: str, group: Sequence[int]) -> pa.Schema:
    """The schema of the first file. Raises FolderError if another file has a different one."""
    schema = None
    for index in group:
        with open_part(folder, view, index) as file:
            found = file.schema_arrow
        if schema is not None and not found.equals(schema):
            raise FolderError(
                f"{folder.part_path(view, index)}: expected the columns of the parts before it, got "
                f"those of another version of berry; run `berry export {folder.path} --as {view}` first"
            )
        schema = found
    # A schema that was read is stored in other bytes than an equal one that was not.
    present = VIEWS[view].schema
    return present if schema is None or present.equals(schema) else schema


def _batches(folder: RunFolder, view: str, index: int) -> Iterator[pa.RecordBatch]:
    with open_part(folder, view, index) as file:
        for number in range(file.num_row_groups):
            try:
                yield from file.iter_batches(_batch_rows(file, number), row_groups=[number])
            except (OSError, pa.ArrowException, ValueError) as e:
                refuse_unreadable(folder.part_path(view, index), e)
                wrong = "cannot be read to its end"
                raise FolderError(describe_damage(folder, view, index, wrong)) from e


def _batch_rows(file: pq.ParquetFile, group: int) -> int:
    """Rows of about `_BATCH_BYTES`."""
    found = file.metadata.row_group(group)
    return max(1, int(found.num_rows * _BATCH_BYTES / max(1, found.total_byte_size)))
