"""Problems that a shard's own worker cannot explore, because they belong to another engine.

With `engines`, each worker has one of them. It explores its engine's problems of its shards and writes
the shards; the other problems are explored by workers with their engines, which send it the results.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ray.exceptions import RayError

from pipeline.cluster.leases import Lease, LeaseBook
from pipeline.cluster.lost import one_line
from pipeline.cluster.seat import Seat
from pipeline.records import Failure, Phase

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class _Problem:
    owner: Any
    """Actor of the worker that writes the shard."""
    lease: Lease
    position: int
    deaths: int = 0
    """Workers that died while they explored it."""


class Elsewhere:
    """Queues of such problems, one for each engine."""

    def __init__(self, book: LeaseBook, engine_of: Callable[[str], int], attempts: int) -> None:
        """`engine_of` gives the index of a problem's engine by the problem's id."""
        self._book, self._engine_of, self._attempts = book, engine_of, attempts
        self._queues: dict[int, deque[_Problem]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def positions(self, lease: Lease, engine: int) -> frozenset[int]:
        """Positions of a lease that belong to other engines than its worker's."""
        problems = lease.shard.problems
        return frozenset(
            position
            for position, problem in enumerate(problems)
            if self._engine_of(problem.id) != engine and position not in lease.given_up
        )

    def add(self, lease: Lease, owner: Any) -> None:
        """Queues a lease's problems of other engines."""
        for position in sorted(lease.elsewhere):
            engine = self._engine_of(lease.shard.problems[position].id)
            queue = self._queues.setdefault(engine, deque())
            queue.append(_Problem(owner=owner, lease=lease, position=position))

    def supply(self, seat: Seat) -> None:
        """Gives a worker problems of its engine from other workers' shards, as many as it has room."""
        queue = self._queues.get(seat.engine, deque())
        while queue and seat.num_helping < max(1, seat.status.places):
            problem = queue.popleft()
            if self._book.is_current(problem.lease):
                seat.num_helping += 1
                task = asyncio.create_task(self._explore(seat, problem))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def cancel(self) -> None:
        """Stops waiting for results."""
        for task in self._tasks:
            task.cancel()

    async def _explore(self, helper: Seat, one: _Problem) -> None:
        actor, lease = helper.actor, one.lease
        where = lease.shard.index, lease.token, one.position
        try:
            await actor.help.remote(lease.shard.problems[one.position], one.owner, *where)
        except RayError as e:
            _log.info("problem %s: %s", lease.shard.problems[one.position].id, one_line(e))
            one.deaths += 1
            if one.deaths >= self._attempts:
                await self._give_up(one, one_line(e))
            else:
                self._queues[helper.engine].append(one)
        finally:
            if helper.actor is actor:
                helper.num_helping = max(0, helper.num_helping - 1)
            helper.changed.set()

    async def _give_up(self, one: _Problem, reason: str) -> None:
        message = f"given up after {one.deaths} attempts, the last: {reason}"
        failure = Failure(phase=Phase.SAMPLE, type="EngineDied", message=message)
        try:
            await one.owner.fail.remote(one.lease.shard.index, one.lease.token, one.position, failure)
        except RayError as e:
            _log.info("a problem that was given up: %s", one_line(e))  # its lease reports the loss
