"""The end of a run: workers without shards help the others.

They take problems that have not begun from other workers' shards. When there are none, they explore the
slowest problems a second time; the first result counts.
"""

import asyncio
import logging
import time
from typing import Any

from ray.exceptions import RayError

from pipeline.cluster.leases import Lease, LeaseBook
from pipeline.cluster.lost import one_line
from pipeline.cluster.seat import Seat

_SLOW = 2.0
"""Times the mean time of a problem after which it is explored a second time."""
_LEAST_SECONDS = 5.0

_log = logging.getLogger(__name__)


class Tail:
    """Finds work for idle workers."""

    def __init__(self, book: LeaseBook, seats: list[Seat]) -> None:
        self._book, self._seats = book, seats
        self._tasks: set[asyncio.Task[None]] = set()
        self._copied: set[tuple[str, int]] = set()
        """Token and position of each problem that is or was explored twice."""
        self._began: float | None = None

    @property
    def seconds(self) -> float | None:
        """Time since a worker first had a free place and no shard was left; None before."""
        return None if self._began is None else time.monotonic() - self._began

    def help(self, seat: Seat) -> None:
        """Gives an idle worker problems of others, if there are any."""
        if not seat.num_free:
            return
        if self._began is None:
            self._began = time.monotonic()
        if (found := self._longest_queue(seat)) is not None:
            owner, lease = found
            # Half: its own worker goes on meanwhile.
            number = min(seat.num_free, -(-owner.status.waiting[lease.shard.index] // 2))
            seat.num_helping += number
            self._start(self._borrow(seat, owner, lease, number))
        elif (slowest := self._slowest(seat)) is not None:
            owner, lease, position = slowest
            self._copied.add((lease.token, position))
            seat.num_helping += 1
            self._start(self._copy(seat, owner, lease, position))

    def cancel(self) -> None:
        """Stops waiting for results that are not needed any more."""
        for task in self._tasks:
            task.cancel()

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _owners(self, helper: Seat) -> list[Seat]:
        """The other workers with the helper's engine."""
        return [
            seat
            for seat in self._seats
            if seat is not helper and seat.actor is not None and seat.engine == helper.engine
        ]

    def _longest_queue(self, helper: Seat) -> tuple[Seat, Lease] | None:
        """The shard with most problems that have not begun, and its worker."""
        found = [
            (number, seat.number, index)
            for seat in self._owners(helper)
            for index, number in seat.status.waiting.items()
            if number and index in seat.leases
        ]
        if not found:
            return None
        _, number, index = max(found)
        return self._seats[number], self._seats[number].leases[index]

    def _slowest(self, helper: Seat) -> tuple[Seat, Lease, int] | None:
        """The slowest problem that is under way once, if it takes much longer than others."""
        means = [one.status.mean_seconds for one in self._seats if one.status.mean_seconds is not None]
        least = max(_LEAST_SECONDS, _SLOW * sum(means) / len(means) if means else 0.0)
        found = [
            (running.seconds, seat.number, running.shard, running.position)
            for seat in self._owners(helper)
            for running in seat.status.running
            if running.seconds > least
            and (lease := seat.leases.get(running.shard)) is not None
            and (lease.token, running.position) not in self._copied
        ]
        if not found:
            return None
        _, number, shard, position = max(found)
        return self._seats[number], self._seats[number].leases[shard], position

    async def _borrow(self, helper: Seat, owner: Seat, lease: Lease, number: int) -> None:
        """Moves problems that have not begun from one worker to another."""
        index, actor = lease.shard.index, owner.actor
        # Until the owner's next report, nobody else asks it for these.
        owner.status.waiting[index] = max(0, owner.status.waiting.get(index, 0) - number)
        try:
            positions: list[int] = await actor.lend.remote(index, lease.token, number)
        except RayError as e:
            owner.lose(actor, one_line(e))
            positions = []
        helper.num_helping -= number - len(positions)
        await asyncio.gather(*(self._explore(helper, actor, lease, one) for one in positions))

    async def _explore(self, helper: Seat, owner: Any, lease: Lease, position: int) -> None:
        if not await self._done_by(helper, owner, lease, position) and self._book.is_current(lease):
            try:
                await owner.take_back.remote(lease.shard.index, lease.token, position)
            except RayError as e:
                _log.info("a lent problem: %s", one_line(e))  # its lease reports the loss

    async def _copy(self, helper: Seat, owner: Seat, lease: Lease, position: int) -> None:
        await self._done_by(helper, owner.actor, lease, position)

    async def _done_by(self, helper: Seat, owner: Any, lease: Lease, position: int) -> bool:
        """Has a problem explored by a helper, which sends the result to the owner; whether it did."""
        actor, problem = helper.actor, lease.shard.problems[position]
        try:
            await actor.help.remote(problem, owner, lease.shard.index, lease.token, position)
        except RayError as e:
            _log.info("problem %s was not explored by a helper: %s", problem.id, one_line(e))
            return False
        finally:
            if helper.actor is actor:
                helper.num_helping = max(0, helper.num_helping - 1)
                # It helps again at once, not only after its next heartbeat.
                helper.changed.set()
        return True
