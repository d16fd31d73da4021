"""A shard that a worker is exploring: its finished problems, its growing trees, its files.

Finished problems stay in memory until the shard is written or a checkpoint is. A checkpoint is a file
with the problems finished since the last one, and the trees that have grown since. The next lease of
the shard, after a crash or an interruption, goes on from all its checkpoints: finished problems are
taken as they are, trees are grown further.

`save` and `write` block and run in threads; everything else belongs to the worker's event loop.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from pipeline.cluster.leases import Lease
from pipeline.cluster.worker.checkpoints import Checkpoint, Unsaved, read_checkpoints, write_checkpoint
from pipeline.datasets.counts import Counts
from pipeline.datasets.encoded import EncodedTrace
from pipeline.datasets.part import StagedFile
from pipeline.datasets.staging import staged_file
from pipeline.datasets.views.table import VIEWS
from pipeline.explore import half_grown
from pipeline.files.publishing import RESUME, explained, write_parquet
from pipeline.records import Problem
from pipeline.tree import Tree


class OpenShard:
    """One lease's shard, from its first problem to its files."""

    def __init__(self, lease: Lease, folder: Path, views: Iterable[str]) -> None:
        """`folder` is the staging folder of the lease; `views` are written."""
        self.lease = lease
        self.done = asyncio.Event()
        """Set once every problem is finished."""
        self.counts = Counts()
        """Sums over the finished problems."""
        self.num_bytes = 0
        """Bytes of finished problems in memory."""
        self._folder = folder
        self._views = tuple(views)
        self._finished: dict[int, EncodedTrace | Checkpoint] = {}
        """Position -> the problem's rows, in memory or in a checkpoint."""
        self._stored_trees: dict[int, Checkpoint] = {}
        """Position -> the tree from which to go on."""
        self._growing: dict[int, Tree] = {}
        self._saved_rollouts: dict[int, int] = {}
        """Position -> rollouts of its tree at the last checkpoint."""
        self._num_checkpoints = 0
        self._saving = asyncio.Lock()

    @property
    def index(self) -> int:
        """The shard's number."""
        return self.lease.shard.index

    def problem(self, position: int) -> Problem:
        """The problem at a position."""
        return self.lease.shard.problems[position]

    def load(self, checkpoints: Iterable[Path]) -> None:
        """Takes over what earlier leases have stored. Blocks."""
        for saved in read_checkpoints(checkpoints):
            if saved.position >= len(self.lease.shard.problems):
                continue
            if self.problem(saved.position).id != saved.problem_id:
                continue
            if saved.counts is not None:
                self._keep(saved.position, saved.place, saved.counts)
            elif saved.num_rollouts > self._saved_rollouts.get(saved.position, 0):
                self._stored_trees[saved.position] = saved.place
                self._saved_rollouts[saved.position] = saved.num_rollouts
        self._check_done()

    def todo(self) -> list[int]:
        """Positions that are not finished, in order."""
        return [p for p in range(len(self.lease.shard.problems)) if p not in self._finished]

    def is_finished(self, position: int) -> bool:
        """Whether the problem is finished."""
        return position in self._finished

    def has_stored_tree(self, position: int) -> bool:
        """Whether an earlier lease has grown the problem's tree."""
        return position in self._stored_trees

    def stored_tree(self, position: int) -> Tree | None:
        """The tree that an earlier lease has grown; None if there is none. Blocks."""
        place = self._stored_trees.pop(position, None)
        return None if place is None else place.tree()

    def forget_tree(self, position: int) -> None:
        """Drops what has grown of a problem's tree."""
        self._growing.pop(position, None)
        self._stored_trees.pop(position, None)
        self._saved_rollouts.pop(position, None)

    def grows(self, position: int, tree: Tree) -> None:
        """Stores the tree at each checkpoint from now on."""
        self._growing[position] = tree

    def put(self, position: int, encoded: EncodedTrace) -> bool:
        """Adds a finished problem; False if it was finished already."""
        self._growing.pop(position, None)
        if position in self._finished:
            return False
        self._keep(position, encoded, encoded.counts)
        self._check_done()
        return True

    async def save(self) -> None:
        """Writes a checkpoint, if there is anything new. Raises StorageError and FolderError."""
        async with self._saving:
            finished = {
                position: one
                for position, one in self._finished.items()
                # A problem that has failed is explored again after a crash.
                if isinstance(one, EncodedTrace) and not one.counts.problems_failed
            }
            trees = {
                position: tree.copy()
                for position, tree in self._growing.items()
                if tree.num_rollouts > self._saved_rollouts.get(position, 0)
            }
            if not finished and not trees:
                return
            self._num_checkpoints += 1
            number = self._num_checkpoints
            places = await asyncio.to_thread(self._write_checkpoint, number, finished, trees)
            # What was finished stays on the disk alone.
            self._finished |= {position: places[position] for position in finished}
            self.num_bytes -= sum(encoded.num_bytes for encoded in finished.values())
            self._saved_rollouts |= {position: tree.num_rollouts for position, tree in trees.items()}

    def _write_checkpoint(
        self, number: int, finished: dict[int, EncodedTrace], trees: dict[int, Tree]
    ) -> dict[int, Checkpoint]:
        def problems() -> Iterator[Unsaved]:
            for position, encoded in finished.items():
                yield Unsaved(position=position, problem=self.problem(position), encoded=encoded)
            for position, tree in trees.items():
                problem = self.problem(position)
                encoded = EncodedTrace.of(half_grown(problem, tree), views=["trees"])
                yield Unsaved(
                    position=position,
                    problem=problem,
                    encoded=encoded,
                    num_rollouts=tree.num_rollouts,
                )

        with _storing(self._folder):
            return write_checkpoint(self._folder, number, problems())

    async def write(self) -> dict[str, StagedFile]:
        """Writes the files of a shard whose problems are all finished: view -> file.

        The same problems always give the same bytes. Raises StorageError and FolderError."""
        # A checkpoint under way replaces entries of `_finished`.
        async with self._saving:
            return await asyncio.to_thread(self._write)

    def _write(self) -> dict[str, StagedFile]:
        files = {}
        with _storing(self._folder):
            for view in self._views:
                path, batches = self._folder / f"{view}.parquet", self._batches(view)
                files[view] = staged_file(write_parquet(path, VIEWS[view].schema, batches))
        return files

    def _batches(self, view: str) -> Iterator[pa.RecordBatch]:
        schema = VIEWS[view].schema
        for _, one in sorted(self._finished.items()):
            rows = one.rows[view] if isinstance(one, EncodedTrace) else one.read(view)
            yield pa.ipc.read_record_batch(pa.py_buffer(rows), schema)

    def _keep(self, position: int, one: "EncodedTrace | Checkpoint", counts: Counts) -> None:
        if position not in self._finished:
            self._finished[position] = one
            self.counts.add(counts)
            if isinstance(one, EncodedTrace):
                self.num_bytes += one.num_bytes

    def _check_done(self) -> None:
        if len(self._finished) == len(self.lease.shard.problems):
            self.done.set()


@contextmanager
def _storing(folder: Path) -> Iterator[None]:
    """Turns errors of the disk or the store, and no others, into FolderError or StorageError."""
    try:
        yield
    except OSError:
        with explained(folder, f"; {RESUME}"):
            raise
