"""The shards that one worker explores at the same time, so that its engine stays full.

    who                     waits for                          is woken by
    ShardWork.work          the last problem of its shard      the tasks of the problems
    a problem's task        a place, then its own rollouts     a finished problem; the engine
    ShardWork.watch         the next checkpoint                the clock; too many bytes in memory

A problem whose task has not begun can be lent to an idle worker, and one under way can be explored by
two workers: the first result counts.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pipeline.cluster.leases import Lease, Running, ShardReport, WorkerStatus
from pipeline.cluster.worker.open_shard import OpenShard
from pipeline.cluster.worker.places import Places
from pipeline.datasets.encoded import EncodedTrace
from pipeline.engines import EngineDied
from pipeline.engines.metered import Usage
from pipeline.errors import first_in
from pipeline.logs import about_problem
from pipeline.records import Failure, Problem
from pipeline.tree import Tree

_log = logging.getLogger(__name__)
_FULL = 2
"""Multiple of the bytes that cause a checkpoint at which no further problem begins."""
HalfGrown = Literal["finish", "go_on", "restart"]
Key = tuple[int, int]
"""Shard and position."""


class Explore(Protocol):
    """Explores one problem to its rows. Raises EngineDied."""

    async def __call__(
        self, problem: Problem, tree: Tree | None, on_tree: Callable[[Tree], None]
    ) -> EncodedTrace: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Storing:
    """Where and when a worker stores its work."""

    staging: Callable[[int, str], Path]
    """Staging folder of a shard's lease, by its number and token."""
    checkpoints: Callable[[int], list[Path]]
    """Checkpoints of a shard by all its leases."""
    views: tuple[str, ...]
    seconds: float
    """Time between two checkpoints."""
    num_bytes: int
    """Bytes of finished problems in memory that cause a checkpoint."""


class ShardWork:
    """Explores leased shards."""

    def __init__(
        self,
        explore: Explore,
        failed: Callable[[Problem, Failure], EncodedTrace],
        places: Places,
        storing: Storing,
        usage: Callable[[], Usage],
    ) -> None:
        self._explore = explore
        self._failed = failed
        self._places = places
        self._storing = storing
        self._usage = usage
        self._opened: dict[str, asyncio.Event] = {}
        """Token of each lease -> set once its checkpoints are loaded."""
        self._open: dict[int, OpenShard] = {}
        self._groups: dict[int, asyncio.TaskGroup] = {}
        self._queued: dict[Key, asyncio.Task[None]] = {}
        """Tasks that wait for a place, in order."""
        self._running: dict[Key, tuple[float, asyncio.Task[None]]] = {}
        """Start and task of each problem under way."""
        self._at_death: tuple[Running, ...] | None = None
        """The problems under way when the engine died."""
        self._num_finished = 0
        self._seconds = 0.0
        self._is_full = asyncio.Event()
        self._may_begin = asyncio.Event()
        self._may_begin.set()

    async def work(self, lease: Lease) -> ShardReport:
        """Explores the lease's problems and writes its files.

        Raises EngineDied, StorageError and FolderError.
        """
        index = lease.shard.index
        opened = self._opened[lease.token] = asyncio.Event()
        shard = OpenShard(lease, self._storing.staging(index, lease.token), self._storing.views)
        if lease.resumes:
            checkpoints = await asyncio.to_thread(self._storing.checkpoints, index)
            await asyncio.to_thread(shard.load, checkpoints)
        for position, failure in lease.given_up.items():
            shard.put(position, self._failed(shard.problem(position), failure))
        self._open[index] = shard
        try:
            async with asyncio.TaskGroup() as group:
                self._groups[index] = group
                for position in shard.todo():
                    if position not in lease.last_attempts | lease.elsewhere:
                        self._begin(shard, position)
                opened.set()
                await shard.done.wait()
            files = await shard.write()
            return ShardReport(files=files, counts=shard.counts, usage=self._usage())
        except BaseExceptionGroup as failures:
            raise first_in(failures) from None
        finally:
            opened.set()
            del self._opened[lease.token]
            if self._open.get(index) is shard:
                del self._open[index], self._groups[index]

    async def explore_last(self, index: int, token: str, position: int) -> None:
        """Explores a problem that waits for permission; returns when it is finished.

        No other problem begins meanwhile: if the engine dies, this one or one of those under way, which
        the driver knows, killed it.
        """
        if (opened := self._opened.get(token)) is not None:
            await opened.wait()
        if (shard := self._held(index, token)) is None or shard.is_finished(position):
            return
        self._may_begin.clear()
        try:
            await asyncio.wait([self._begin(shard, position, is_last=True)])
        finally:
            self._may_begin.set()

    def lend(self, index: int, token: str, number: int) -> list[int]:
        """Gives up to `number` problems that have not begun to another worker; their positions."""
        if self._held(index, token) is None:
            return []
        # The last ones: the first ones begin next.
        keys = [key for key in self._queued if key[0] == index][-number:]
        for key in keys:
            self._queued.pop(key).cancel()
        return [position for _, position in keys]

    def take_back(self, index: int, token: str, position: int) -> None:
        """Explores a lent problem here after all."""
        shard = self._held(index, token)
        if shard is not None and not shard.is_finished(position):
            self._begin(shard, position)

    def accept(self, index: int, token: str, position: int, encoded: EncodedTrace) -> bool:
        """Takes the result of a lent or copied problem; False if it comes too late."""
        shard = self._held(index, token)
        if shard is None or not shard.put(position, encoded):
            return False
        if (running := self._running.get((index, position))) is not None:
            running[1].cancel()
        return True

    def fail(self, index: int, token: str, position: int, failure: Failure) -> None:
        """Takes the failure of a problem that another worker could not explore."""
        if (shard := self._held(index, token)) is not None:
            shard.put(position, self._failed(shard.problem(position), failure))

    async def explore_for_another(self, problem: Problem) -> EncodedTrace:
        """Explores a problem of another worker's shard."""
        async with self._places:
            await self._may_begin.wait()
            with about_problem(problem.id):
                return await self._explore(problem, None, lambda tree: None)

    @asynccontextmanager
    async def pausing(self, half_grown: HalfGrown) -> AsyncIterator[None]:
        """A time in which the engine's weights change, and what becomes of the problems under way.

        `finish`: it begins when they have finished. `restart`: they lose their trees and begin again
        after it. `go_on`: their next expansions use the new weights. No problem begins in it.
        """
        self._may_begin.clear()
        try:
            if half_grown == "finish":
                while tasks := [task for _, task in self._running.values()]:
                    await asyncio.wait(tasks)
            restarted = list(self._running) if half_grown == "restart" else []
            for key in restarted:
                self._running[key][1].cancel()
            yield
            for index, position in restarted:
                shard = self._open.get(index)
                if shard is not None and not shard.is_finished(position):
                    shard.forget_tree(position)
                    self._begin(shard, position)
        finally:
            self._may_begin.set()

    async def save(self) -> None:
        """Stores all work so far. Raises StorageError and FolderError."""
        for shard in list(self._open.values()):
            await shard.save()

    async def watch(self) -> None:
        """Stores all work at intervals, until it is cancelled."""
        while True:
            self._is_full.clear()
            try:
                async with asyncio.timeout(self._storing.seconds):
                    await self._is_full.wait()
            except TimeoutError:
                pass
            try:
                await self.save()
            except Exception:  # noqa: BLE001 - a store can fail in many ways
                # Only time is at risk; writing the shard reports a store that stays broken.
                _log.warning("work under way could not be stored", exc_info=True)

    def status(self) -> WorkerStatus:
        """The state of its shards."""
        waiting = dict.fromkeys(self._open, 0)
        for index, _ in self._queued:
            waiting[index] += 1
        return WorkerStatus(
            usage=self._usage(),
            counts={index: shard.counts for index, shard in self._open.items()},
            places=self._places.number,
            waiting=waiting,
            running=self._at_death or self._under_way(),
            num_finished=self._num_finished,
            mean_seconds=self._seconds / self._num_finished if self._num_finished else None,
            num_writing=sum(shard.done.is_set() for shard in self._open.values()),
        )

    def _under_way(self) -> tuple[Running, ...]:
        now = time.monotonic()
        return tuple(
            Running(shard=index, position=position, seconds=now - began)
            for (index, position), (began, _) in self._running.items()
        )

    def _held(self, index: int, token: str) -> OpenShard | None:
        shard = self._open.get(index)
        return shard if shard is not None and shard.lease.token == token else None

    def _begin(self, shard: OpenShard, position: int, *, is_last: bool = False) -> "asyncio.Task[None]":
        explored = self._explore_into(shard, position, is_last=is_last)
        task = self._groups[shard.index].create_task(explored)
        self._queued[shard.index, position] = task
        task.add_done_callback(lambda _: self._queued.pop((shard.index, position), None))
        return task

    async def _explore_into(self, shard: OpenShard, position: int, *, is_last: bool) -> None:
        key, problem = (shard.index, position), shard.problem(position)
        # A last attempt takes no place: those with one may be waiting for it to end.
        async with contextlib.nullcontext() if is_last else self._places:
            if not is_last:
                await self._may_begin.wait()
            await self._wait_for_memory()
            began, task = time.monotonic(), self._queued.pop(key)
            self._running[key] = began, task
            try:
                with about_problem(problem.id):
                    tree = None
                    if shard.has_stored_tree(position):
                        tree = await asyncio.to_thread(shard.stored_tree, position)
                    encoded = await self._explore(problem, tree, lambda t: shard.grows(position, t))
            except EngineDied:
                self._at_death = self._at_death or self._under_way()
                raise
            finally:
                del self._running[key]
        shard.put(position, encoded)
        self._num_finished += 1
        self._seconds += time.monotonic() - began
        if self._num_bytes > self._storing.num_bytes:
            self._is_full.set()

    @property
    def _num_bytes(self) -> int:
        return sum(shard.num_bytes for shard in self._open.values())

    async def _wait_for_memory(self) -> None:
        """Returns when finished problems have room in memory, which a store that is slow can fill."""
        while self._num_bytes > _FULL * self._storing.num_bytes:
            await self.save()
