"""Leases shards to workers until every one is published, whatever happens to the workers.

    who                       waits for                              is woken by
    Coordinator.run           the last shard's publication           the task that publishes it
    Coordinator._read         room in the short queue of shards      a worker that takes one
    Coordinator._carry_out    one lease's report                     the worker

The leases of a lost worker go to other workers (`seating.py`). When no shard is left, idle workers help
the others (`tail.py`). Verifiers and reward models have somebody of their own (`pools.py`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from ray.exceptions import RayError, RayTaskError

from pipeline.cluster.crew import Crew
from pipeline.cluster.elsewhere import Elsewhere
from pipeline.cluster.leases import Lease, LeaseBook, ShardReport, WorkerStatus
from pipeline.cluster.lost import ACTOR_LOST, one_line
from pipeline.cluster.pools import Pools
from pipeline.cluster.ray_session import ClusterError
from pipeline.cluster.seat import Seat
from pipeline.cluster.seating import Observer, Seating
from pipeline.cluster.tail import Tail
from pipeline.cluster.weights import Bundle
from pipeline.config import RunConfig
from pipeline.datasets.counts import Counts
from pipeline.datasets.metrics import Queues, WorkerFigures
from pipeline.datasets.shards import Shard
from pipeline.engines import EngineDied, Load
from pipeline.errors import BerryError, first_in

_log = logging.getLogger(__name__)
_IDLE = WorkerStatus(load=Load(num_running=0, num_waiting=0))


class Coordinator:
    """Does a run's work with a crew."""

    def __init__(
        self,
        config: RunConfig,
        crew: Crew,
        shards: Iterable[Shard],
        publish: Callable[[Lease, ShardReport], Awaitable[None]],
        observer: Observer,
        begun: Iterable[int] = (),
        bundle: Bundle | None = None,
    ) -> None:
        """`begun` are the shards on which an earlier process has stored work; `bundle` is the weights
        that it has changed to."""
        self._config, self._crew, self._observer = config, crew, observer
        self._publish = publish
        self._shards: Iterator[Shard] = iter(shards)
        self._book = LeaseBook(config.cluster.attempts, frozenset(begun))
        self._queue: asyncio.Queue[Shard] = asyncio.Queue(2 * config.first_workers + 2)
        self._is_read = False
        """Whether the problem set is read to its end."""
        self.seating = Seating(config, crew, observer, self, bundle)
        self._pools = Pools(config, crew, self.seating, observer)
        self._tail = Tail(self._book, self.seating.seats)
        self._elsewhere = Elsewhere(self._book, config.engine_index, config.cluster.attempts)
        self._publishing: dict[int, Counts] = {}
        """Shard -> counts, while it is published."""
        self._done = asyncio.Event()
        self._last_attempt = asyncio.Lock()
        """Held by a problem on its last attempt. Only one runs at a time, so an engine's death shows
        which problem caused it."""

    async def run(self) -> None:
        """Returns when every shard is published.

        Raises EngineStartError if the config's parts cannot start, ClusterError if no worker is left,
        and the errors of `publish` and the problem set.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                others = [
                    tasks.create_task(self._read()),
                    tasks.create_task(self._pools.run()),
                    tasks.create_task(self.seating.recruit()),
                ]
                self.seating.start(tasks)
                await self._done.wait()
                for task in others:
                    task.cancel()
                self.seating.stop()
        except BaseExceptionGroup as failures:
            raise first_in(failures) from None
        finally:
            self._tail.cancel()
            self._elsewhere.cancel()

    async def save(self) -> None:
        """Asks every worker to store its work; for the end of an interrupted run."""
        actors = [seat.actor for seat in self.seating.seats if seat.actor is not None]
        await asyncio.gather(*(actor.save.remote() for actor in actors), return_exceptions=True)

    @property
    def tail_seconds(self) -> float | None:
        """Time since a worker first had a free place and no shard was left; None before."""
        return self._tail.seconds

    @property
    def open_counts(self) -> Counts:
        """Counts of finished problems in shards that are not published."""
        counts = Counts()
        for one in self._publishing.values():
            counts.add(one)
        for seat in self.seating.seats:
            for index in seat.status.counts.keys() & seat.leases.keys():
                counts.add(seat.status.counts[index])
        return counts

    @property
    def queues(self) -> Queues:
        """What is waiting and under way, as far as heartbeats have brought it."""
        seats = [seat for seat in self.seating.seats if seat.actor is not None]
        # Without an open shard nobody has work, whatever the last heartbeats said.
        statuses = [seat.status if self._book.current else _IDLE for seat in seats]
        loads = [status.load for status in statuses]
        known = [load for load in loads if load is not None]
        # The sum over some engines would look like that over all.
        is_known = bool(known) and len(known) == len(loads)
        return Queues(
            problems_waiting=sum(seat.num_waiting for seat in seats),
            problems_running=sum(seat.num_running for seat in seats),
            sequences_waiting=sum(load.num_waiting for load in known) if is_known else None,
            sequences_running=sum(load.num_running for load in known) if is_known else None,
            responses_unjudged=sum(status.num_unjudged for status in statuses),
            shards_open=len(self._book.current),
            shards_writing=sum(status.num_writing for status in statuses),
            shards_committing=len(self._publishing),
        )

    @property
    def workers(self) -> tuple[WorkerFigures, ...]:
        """The engine of each seat, by its number."""
        return tuple(seat.figures for seat in self.seating.seats)

    async def _read(self) -> None:
        while (shard := await asyncio.to_thread(next, self._shards, None)) is not None:
            await self._queue.put(shard)
            self._wake_hungry()
        self._is_read = True
        self._check_done()
        self._wake_hungry()

    def _wake_hungry(self) -> None:
        for seat in self.seating.seats:
            if seat.actor is not None and seat.wants_more:
                seat.changed.set()

    def _check_done(self) -> None:
        left = self._queue.qsize() + self._book.num_returned + len(self._book.current)
        if self._is_read and not left and not self._publishing:
            self._done.set()

    def supply(self, seat: Seat) -> None:
        """Leases shards to a worker that has too few problems in store, or has it help others."""
        self._elsewhere.supply(seat)
        while seat.wants_more and (lease := self._next_lease()) is not None:
            lease = self._share_out(seat, lease)
            seat.leases[lease.shard.index] = lease
            task = self._tasks.create_task(self._carry_out(seat, seat.actor, lease))
            seat.work.add(task)
            task.add_done_callback(seat.work.discard)
        if self._is_read and self._queue.empty() and not self._book.num_returned:
            self._tail.help(seat)

    def _share_out(self, seat: Seat, lease: Lease) -> Lease:
        """The lease without its problems of other engines, which go to workers with these."""
        if len(self._config.all_engines) == 1:
            return lease
        shared = replace(lease, elsewhere=self._elsewhere.positions(lease, seat.engine))
        self._elsewhere.add(shared, seat.actor)
        for other in self.seating.seats:
            if other is not seat:
                other.changed.set()
        return shared

    def _next_lease(self) -> Lease | None:
        """The next lease; None if no shard is waiting for a worker now."""
        if self._book.num_returned:
            return self._book.lease_returned()
        return None if self._queue.empty() else self._book.lease(self._queue.get_nowait())

    def give_back(self, seat: Seat, reason: str, *, with_node: bool) -> None:
        """Makes the leases of a lost worker free for others; `with_node` if its node was lost."""
        for lease in seat.leases.values():
            index = lease.shard.index
            under_way = [one.position for one in seat.status.running if one.shard == index]
            self._book.give_back(lease, None if with_node else under_way, reason)
        self._wake_hungry()

    async def _carry_out(self, seat: Seat, actor: Any, lease: Lease) -> None:
        """One lease, from the worker's first problem to the publication of the shard."""
        index = lease.shard.index
        self._observer.event("lease", shard=index, worker=seat.number, token=lease.token)
        report = actor.work.remote(lease)
        last = [
            self._tasks.create_task(self._attempt_last(actor, lease, position))
            for position in sorted(lease.last_attempts)
        ]
        try:
            found: ShardReport = await report
        except (EngineDied, *ACTOR_LOST) as e:
            # The task that serves the seat gives the lease back.
            seat.lose(actor, one_line(e))
            return
        except RayError as e:
            self._fail(seat, lease, e)
            return
        finally:
            for task in last:
                task.cancel()
        seat.end_lease(lease, found.usage)
        if self._book.finish(lease):
            self._publishing[index] = found.counts
            # Whatever becomes of the worker now: the shard is written.
            seat.work.discard(_current_task())
            await self._publish(lease, found)
            del self._publishing[index]
        self._check_done()

    def _fail(self, seat: Seat, lease: Lease, error: RayError) -> None:
        """Handles an error of the worker itself.

        Raises one that would recur: a fault of the storage, or one that is there even after the
        shard's problems were given up.
        """
        if not self._book.is_current(lease):
            return  # its successor has published the shard, and deleted what it had stored
        cause = error.cause if isinstance(error, RayTaskError) else error
        if isinstance(cause, BerryError):
            raise cause
        index = lease.shard.index
        _log.error("shard %d: %s", index, one_line(error), exc_info=error)
        if len(lease.given_up) == len(lease.shard.problems):
            raise ClusterError(f"shard {index} cannot be written: {one_line(error)}") from error
        seat.leases.pop(index, None)
        self._book.give_back(lease, range(len(lease.shard.problems)), one_line(error))
        seat.changed.set()

    async def _attempt_last(self, actor: Any, lease: Lease, position: int) -> None:
        """Has a problem explored that may kill the engine, while no other such problem is."""
        async with self._last_attempt:
            if self._book.is_current(lease):
                try:
                    await actor.explore_last.remote(lease.shard.index, lease.token, position)
                except RayError as e:
                    _log.info("a last attempt: %s", one_line(e))  # its lease reports the loss


def _current_task() -> "asyncio.Task[Any]":
    task = asyncio.current_task()
    assert task is not None
    return task
