"""The places of a worker: how many problems it explores at the same time."""

import asyncio
from collections import deque
from types import TracebackType

from pipeline.engines import Load

_FULL = 0.9
"""Used fraction of the KV cache above which no place is added."""
_GROWTH, _CUT = 1.25, 0.8
_MOST = 4096


class Places:
    """Places for problems, taken in the order of asking; their number may change under way."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def num_taken(self) -> int:
        """Places with a problem."""
        return self._taken

    @property
    def num_free(self) -> int:
        """Free places that nobody waits for."""
        return max(0, self.number - self._taken - len(self._waiting))

    def resize(self, number: int) -> None:
        """Changes the number; with fewer, no problem under way is stopped."""
        self.number = number
        self._admit()

    async def __aenter__(self) -> None:
        if self._taken < self.number and not self._waiting:
            self._taken += 1
            return
        admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(admitted)
        try:
            await admitted
        except asyncio.CancelledError:
            if admitted.done() and not admitted.cancelled():
                self._leave()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        self._taken -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._taken < self.number:
            admitted = self._waiting.popleft()
            if not admitted.done():
                self._taken += 1
                admitted.set_result(None)


def next_number(places: Places, before: Load, now: Load) -> int:
    """The number of places that fits the engine's load, which was looked at twice.

    A quarter more while all are taken, nothing waits for the batch and the KV cache has room. A fifth
    fewer after preemptions: a preempted sequence is computed again from its start.
    """
    if (now.num_preempted or 0) > (before.num_preempted or 0):
        return max(1, int(places.number * _CUT))
    has_room = now.kv_used is not None and now.kv_used < _FULL and not now.num_waiting
    if has_room and places.num_taken >= places.number:
        return min(_MOST, int(places.number * _GROWTH) + 1)
    return places.number
