"""Looks after the verifiers' and reward models' actors.

One that gives no answer is started again. With `cluster.verifier_actors: auto`, another verifier is
started while many responses wait and no worker waits for room.
"""

import asyncio
import itertools
import logging
from typing import Any

from ray.exceptions import RayError

from pipeline.cluster.crew import Crew
from pipeline.cluster.leases import Process
from pipeline.cluster.lost import one_line
from pipeline.cluster.ray_session import ClusterError, unblocked
from pipeline.cluster.seating import Observer, Seating
from pipeline.config import RunConfig
from pipeline.dispatch.judging import BATCH_SIZE
from pipeline.engines import EngineStartError
from pipeline.errors import named

_POOL_SECONDS = 10.0
"""Time between two looks."""
_TIMES_FOR_START = 20
"""How much longer than others the first answer of a restarted actor may take."""
_MOST_UNJUDGED = 4 * BATCH_SIZE
"""Responses for each verifier, sent or not, that may wait for a verdict before another is started."""

_log = logging.getLogger(__name__)


class Pools:
    """The actors of a run that are not workers."""

    def __init__(self, config: RunConfig, crew: Crew, seating: Seating, observer: Observer) -> None:
        self._config, self._crew, self._seating = config, crew, seating
        self._observer = observer

    async def run(self) -> None:
        """Starts the actors and looks after them until it is cancelled.

        Raises EngineStartError and ClusterError if one cannot start.
        """
        crew = self._crew
        await self._seating.patiently(crew.start_pools(), "the verifiers and reward models")
        async with asyncio.TaskGroup() as tasks:
            for actor in [*crew.verifiers, *itertools.chain(*crew.reward_actors)]:
                tasks.create_task(self._look_after(actor))
            if self._config.cluster.verifier_actors == "auto":
                await self._grow(tasks)

    async def _grow(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            await asyncio.sleep(_POOL_SECONDS)
            seats = self._seating.seats
            unjudged = sum(seat.status.num_unjudged for seat in seats)
            if unjudged <= _MOST_UNJUDGED * len(self._crew.verifiers):
                continue
            if any(seat.actor is None and not seat.is_given_up for seat in seats):
                continue  # what is free is for the worker that will sit there
            try:
                actor = await self._crew.another_verifier()
            except (EngineStartError, ClusterError, TimeoutError) as e:
                _log.warning("another verifier: %s", named(e))  # those that are there go on
                continue
            if actor is None:
                continue
            number = len(self._crew.verifiers)
            self._observer.event("verifier_added", unjudged=unjudged, verifiers=number)
            self._observer.message(f"{unjudged} responses wait for a verdict: {number} verifiers now")
            tasks.create_task(self._look_after(actor))

    async def _look_after(self, actor: Any) -> None:
        limit = self._config.cluster.silence_seconds
        process: Process | None = None
        while True:
            try:
                async with asyncio.timeout(limit):
                    process = await actor.ping.remote()
                limit = self._config.cluster.silence_seconds
            except TimeoutError:
                self._observer.event("pool_actor_restarted", silent_seconds=limit)
                await unblocked(self._crew.restart, actor, process)
                # It answers once it has started, for which the cluster may first need room.
                process, limit = None, _TIMES_FOR_START * limit
            except RayError as e:
                _log.info("a verifier or reward model: %s", one_line(e))  # Ray starts it again
            await asyncio.sleep(_POOL_SECONDS)
