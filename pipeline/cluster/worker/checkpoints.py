"""Files in which a worker stores the work on an open shard.

A checkpoint is an Arrow file with one record batch for each problem: a finished one with its rows in
each view, or one whose tree is still growing, with its row of `trees`. A file that another version of
berry wrote, with other columns, is ignored, and so is a damaged one: its problems are explored again.
The hash in a file's name is checked before anything is read: Arrow takes most flipped bits for other
data.
"""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyarrow as pa

from pipeline.datasets.counts import Counts
from pipeline.datasets.encoded import EncodedTrace
from pipeline.datasets.views.table import VIEWS
from pipeline.datasets.views.trees import read_trace
from pipeline.files.storage import NewFile, digest_of, move, open_input
from pipeline.hashing import digest_bytes, digest_text
from pipeline.records import Problem
from pipeline.tree import Tree

_log = logging.getLogger(__name__)
_SCHEMA_KEY = b"views"


class DamagedCheckpoint(Exception):
    """A checkpoint was damaged after it was written; the next lease explores its problems again."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The place of one problem in a checkpoint."""

    path: Path
    batch: int
    digests: Mapping[str, str]
    """View -> hash of the problem's rows."""

    def read(self, view: str) -> bytes:
        """The problem's rows in a view. Raises DamagedCheckpoint, and OSError."""
        try:
            with open_input(self.path) as file, pa.ipc.open_file(file) as reader:
                rows: bytes | None = reader.get_batch(self.batch).column(view)[0].as_py()
        except (pa.ArrowException, ValueError, IndexError) as e:
            raise DamagedCheckpoint(f"{self.path}: this checkpoint is damaged") from e
        if rows is None or digest_bytes(rows) != self.digests[view]:
            raise DamagedCheckpoint(f"{self.path}: this checkpoint is damaged")
        return rows

    def tree(self) -> Tree:
        """The stored tree."""
        batch = pa.ipc.read_record_batch(pa.py_buffer(self.read("trees")), VIEWS["trees"].schema)
        return read_trace(batch.to_pylist()[0]).tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A problem in a checkpoint."""

    position: int
    problem_id: str
    counts: Counts | None
    """Counts of a finished problem; None for one whose tree is still growing."""
    num_rollouts: int
    place: Checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsaved:
    """A problem to store."""

    position: int
    problem: Problem
    encoded: EncodedTrace
    num_rollouts: int | None = None
    """Rollouts of a tree that is still growing; None for a finished problem."""


def _schema() -> pa.Schema:
    fields = [
        ("position", pa.int32()),
        ("problem_id", pa.string()),
        ("counts", pa.string()),
        ("num_rollouts", pa.int64()),
        *((view, pa.large_binary()) for view in VIEWS),
    ]
    return pa.schema(fields, {_SCHEMA_KEY: _columns_digest().encode()})


@cache
def _columns_digest() -> str:
    return digest_text("\n".join(f"{view.name} {view.schema}" for view in VIEWS.values()))


def write_checkpoint(folder: Path, number: int, problems: Iterable[Unsaved]) -> dict[int, Checkpoint]:
    """Writes a lease's checkpoint with this number, atomically; returns position -> place."""
    schema, written = _schema(), list[tuple[int, Mapping[str, str]]]()
    # Another ending: nobody may read it before it is whole.
    temporary = folder / f"{number:05d}.writing"
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with NewFile(temporary) as file, pa.ipc.new_file(file, schema, options=options) as writer:
        for one in problems:
            row = {
                "position": one.position,
                "problem_id": one.problem.id,
                "counts": json.dumps(one.encoded.counts.to_dict()),
                "num_rollouts": one.num_rollouts,
                **one.encoded.rows,
            }
            writer.write_batch(pa.RecordBatch.from_pylist([row], schema))
            written.append((one.position, _digests(one.encoded.rows)))
    path = folder / f"{number:05d}-{file.digest}.checkpoint"
    move(temporary, path)
    return {
        position: Checkpoint(path, batch, digests) for batch, (position, digests) in enumerate(written)
    }


def read_checkpoints(paths: Iterable[Path]) -> Iterator[Saved]:
    """The problems in these checkpoints."""
    for path in paths:
        try:
            if digest_of(path) == path.stem.partition("-")[2]:
                yield from _read(path)
            else:
                # Nothing is lost but time: the problems are explored again.
                _log.warning("%s: this checkpoint is damaged and not used", path)
        except (OSError, pa.ArrowException) as e:
            _log.warning("%s: this checkpoint cannot be read and is not used: %s", path, e)


def _read(path: Path) -> Iterator[Saved]:
    with open_input(path) as file, pa.ipc.open_file(file) as reader:
        found = (reader.schema.metadata or {}).get(_SCHEMA_KEY, b"").decode()
        if found != _columns_digest():
            _log.warning("%s: another version of berry wrote this checkpoint; it is not used", path)
            return
        for number in range(reader.num_record_batches):
            row = reader.get_batch(number).to_pylist()[0]
            growing = row["num_rollouts"]
            yield Saved(
                position=row["position"],
                problem_id=row["problem_id"],
                counts=Counts.from_dict(json.loads(row["counts"])) if growing is None else None,
                num_rollouts=growing or 0,
                place=Checkpoint(path, number, _digests({view: row[view] for view in VIEWS})),
            )


def _digests(rows: Mapping[str, bytes | None]) -> dict[str, str]:
    return {view: digest_bytes(content) for view, content in rows.items() if content is not None}
