"""Keeps the seats of the workers filled: starts them, listens to them, replaces those that are lost.

    who                       waits for                              is woken by
    Seating._man              a worker that is ready, then           Ray, when the cluster has room;
                              its next heartbeat                     a finished lease, a lost worker
    Seating.recruit           room for more workers                  the clock

A worker that dies, or gives no sign of life for much longer than ever before, loses its leases at once,
and its seat is filled again when the cluster has room. A seat that stays empty is no failure as long as
one worker is left.
"""

import asyncio
import itertools
import logging
import time
from collections.abc import Awaitable
from typing import Any, Protocol, TypeVar

from ray.exceptions import RayError

from pipeline.cluster.crew import Crew
from pipeline.cluster.leases import WorkerStatus
from pipeline.cluster.lost import ACTOR_LOST, one_line
from pipeline.cluster.placement import describe_room, is_alive, num_possible_workers
from pipeline.cluster.ray_session import ClusterError, unblocked
from pipeline.cluster.seat import Seat, WorkerLost
from pipeline.cluster.weights import Bundle
from pipeline.config import RunConfig
from pipeline.engines import EngineStartError
from pipeline.engines.metered import Usage

_BEAT_SECONDS = 1.0
_BEATS_PER_SECOND = 100
"""Most heartbeats a second, of all workers together."""
_STARTS = 3
"""Attempts to fill a seat before it is given up; more if the cluster fails and others are filled."""
_RESTART_SECONDS, _LONGEST_RESTART_SECONDS = 10.0, 300.0
"""Wait after the first failed attempt, which grows with each further one, and the longest wait."""
_SAY_AFTER_SECONDS = 10.0
"""Waiting time after which a message says what is waited for."""
_RECRUIT_SECONDS = 10.0
_SAVE_SECONDS = 10.0
"""Time that a worker whose engine has died gets to store its finished problems."""

_log = logging.getLogger(__name__)
Result = TypeVar("Result")


class Observer(Protocol):
    """What a run's driver reports."""

    def message(self, text: str) -> None:
        """A line for the user."""
        ...

    def event(self, kind: str, **facts: object) -> None:
        """An entry of the event log."""
        ...


class Work(Protocol):
    """What the workers do."""

    def supply(self, seat: Seat) -> None:
        """Gives a worker more to do, if it needs it."""
        ...

    def give_back(self, seat: Seat, reason: str, *, with_node: bool) -> None:
        """Takes back what a lost worker was doing; `with_node` if its node was lost."""
        ...


class Seating:
    """The workers of a run."""

    def __init__(
        self,
        config: RunConfig,
        crew: Crew,
        observer: Observer,
        work: Work,
        bundle: Bundle | None = None,
    ) -> None:
        """`bundle` is the weights that an earlier process has changed to."""
        self._config, self._crew, self._observer, self._work = config, crew, observer, work
        self.seats: list[Seat] = []
        self.bundle = bundle
        """The weights that the workers have; None for the config's own."""
        self.changing = asyncio.Lock()
        """Held while weights change, so that a new worker gets them too."""
        self.ready = asyncio.Event()
        """Set once the first worker is ready."""
        self._num_restarts = 0
        self._tasks: asyncio.TaskGroup

    @property
    def usage(self) -> Usage:
        """Usage of sampling so far, by all workers, including replaced ones."""
        return sum((seat.usage for seat in self.seats), Usage())

    @property
    def beat_seconds(self) -> float:
        """Time between two heartbeats of a worker; longer with many workers."""
        return max(_BEAT_SECONDS, len(self.seats) / _BEATS_PER_SECOND)

    def take_restarts(self) -> int:
        """Number of workers lost since the last call."""
        taken, self._num_restarts = self._num_restarts, 0
        return taken

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Begins to fill the first seats."""
        self._tasks = tasks
        for _ in range(self._config.first_workers):
            self._add()

    def stop(self) -> None:
        """Stops filling and serving seats; the workers themselves stay."""
        for seat in self.seats:
            seat.task.cancel()

    async def recruit(self) -> None:
        """Adds seats for `cluster.workers=auto` while the cluster has room for more workers."""
        while self._config.cluster.workers == "auto":
            await asyncio.sleep(_RECRUIT_SECONDS)
            if all(seat.actor is not None for seat in self.seats):
                for _ in range(await unblocked(num_possible_workers, self._config)):
                    self._add()

    async def patiently(self, start: Awaitable[Result], name: str) -> Result:
        """Waits for a start, for room as long as it takes if there is a worker, and says so.

        Raises ClusterError after `cluster.wait_seconds` without room and without any worker, or with
        room: the start hangs.
        """
        task, limit = asyncio.ensure_future(start), self._config.cluster.wait_seconds
        try:
            done, _ = await asyncio.wait([task], timeout=min(_SAY_AFTER_SECONDS, limit))
            missing = None if done else await unblocked(describe_room, self._config)
            if missing is not None:
                # What a worker that is starting holds is not free either.
                self._observer.message(f"waiting for {name}: it is starting, or {missing}")
            while not done:
                done, _ = await asyncio.wait([task], timeout=limit)
                missing = None if done else await unblocked(describe_room, self._config)
                if not done and missing is None:
                    raise ClusterError(
                        f"{name} did not start within {limit:.0f} seconds (cluster.wait_seconds)"
                        f"{self._crew.see_logs()}"
                    )
                if not done and not any(seat.actor for seat in self.seats):
                    raise ClusterError(
                        f"{name} did not start within {limit:.0f} seconds (cluster.wait_seconds): it "
                        f"hangs, or {missing}{self._crew.see_logs()}"
                    )
            return await task
        finally:
            task.cancel()

    def _add(self) -> None:
        cluster, number = self._config.cluster, len(self.seats)
        engine = number % len(self._config.all_engines)
        seat = Seat(number, cluster.silence_seconds, cluster.stall_seconds, engine)
        self.seats.append(seat)
        seat.task = self._tasks.create_task(self._man(seat))

    async def _man(self, seat: Seat) -> None:
        """Keeps a seat filled and at work until all is done, or it cannot be filled."""
        while await self._fill(seat):
            try:
                await self._serve(seat)
            except WorkerLost as e:
                await self._lose(seat, str(e), is_silent=e.is_silent)

    async def _fill(self, seat: Seat) -> bool:
        """Starts a worker for the seat; False if the seat was given up."""
        name = f"worker {seat.number}"
        for attempt in itertools.count(1):
            await self._crew.check_head()
            actor = await unblocked(self._crew.new_worker, seat.number, seat.engine)
            try:
                notes = await self.patiently(self._crew.started(actor), name)
                await self._take_seat(seat, actor)
            except (EngineStartError, ClusterError, *ACTOR_LOST) as e:
                await self._crew.end_worker(actor)
                if isinstance(e, EngineStartError) and not self.ready.is_set():
                    raise
                # Another machine may come; an engine that cannot start will not start later either.
                may_pass = not isinstance(e, EngineStartError) and any(one.actor for one in self.seats)
                if attempt >= _STARTS and not may_pass:
                    self._give_up(seat, e)
                    return False
                _log.info("%s could not be started, attempt %d: %s", name, attempt, e)
                await asyncio.sleep(min(_RESTART_SECONDS * attempt, _LONGEST_RESTART_SECONDS))
            else:
                break
        for note in notes:
            self._observer.message(note)
        self._observer.event("worker_ready", worker=seat.number)
        self.ready.set()
        return True

    async def _take_seat(self, seat: Seat, actor: Any) -> None:
        async with self.changing:
            if self.bundle is not None and self.bundle.engine is not None:
                await actor.change_weights.remote(self.bundle.engine)
            status: WorkerStatus = await actor.status.remote()
            seat.give_to(actor, status)

    def _give_up(self, seat: Seat, error: BaseException) -> None:
        """Goes on without the seat. Raises ClusterError if no worker with its engine is left."""
        seat.is_given_up = True
        left = sum(not one.is_given_up and one.engine == seat.engine for one in self.seats)
        what = f"worker {seat.number} could not be started in {_STARTS} attempts: {error}"
        if not left:
            raise ClusterError(what) from error
        self._observer.event("worker_given_up", worker=seat.number, reason=str(error))
        self._observer.message(f"warning: {what}; the run goes on with {left} workers")

    async def _serve(self, seat: Seat) -> None:
        """Keeps a worker busy. Raises WorkerLost."""
        next_beat = time.monotonic()
        while True:
            seat.check()
            if time.monotonic() >= next_beat:
                await self._beat(seat)
                next_beat = time.monotonic() + self.beat_seconds
            self._work.supply(seat)
            try:
                async with asyncio.timeout(max(0.0, next_beat - time.monotonic())):
                    await seat.changed.wait()
            except TimeoutError:
                continue
            seat.changed.clear()

    async def _beat(self, seat: Seat) -> None:
        """Asks a worker for its status. Raises WorkerLost."""
        began, limit = time.monotonic(), seat.silence_seconds
        try:
            async with asyncio.timeout(limit):
                status: WorkerStatus = await seat.actor.status.remote()
        except TimeoutError:
            raise WorkerLost(f"did not answer for {limit:.0f} seconds", is_silent=True) from None
        except RayError as e:
            raise WorkerLost(one_line(e)) from e
        seat.update(status, time.monotonic() - began)

    async def _lose(self, seat: Seat, reason: str, *, is_silent: bool) -> None:
        """Gives a lost worker's leases back, and ends what is left of it."""
        await self._crew.check_head()
        self._num_restarts += 1
        actor, process = seat.actor, seat.status.process
        _log.info("worker %d is replaced: %s", seat.number, reason)
        self._observer.event("worker_lost", worker=seat.number, reason=reason)
        # If only the engine died, its worker knows which problems were under way, and stores the rest.
        # A worker that does not answer any more is only killed.
        answers = True
        try:
            async with asyncio.timeout(0 if is_silent else _SAVE_SECONDS):
                seat.status = await actor.status.remote()
                await actor.save.remote()
        except (RayError, TimeoutError):
            answers = False
        with_node = process is not None and not await unblocked(is_alive, process.node)
        self._work.give_back(seat, reason, with_node=with_node)
        for task in seat.work:
            task.cancel()  # the answer of a worker that is cut off may never come
        seat.vacate()
        self._tasks.create_task(self._crew.end_worker(actor, process, closes=answers))
