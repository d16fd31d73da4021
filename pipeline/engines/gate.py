"""Holds an engine's requests while its weights change.

Waits: a request for the gate to open; a change of weights for the requests inside to leave, unless it
keeps them. Both are woken by the other side's end.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Gate:
    """Open to any number of requests at once, closed during a change."""

    def __init__(self) -> None:
        self._change = asyncio.Lock()
        self._opened = asyncio.Event()
        self._opened.set()
        self._emptied = asyncio.Event()
        self._emptied.set()
        self.num_inside = 0
        """Requests that have passed and not ended."""

    @asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        """A request's stay inside; it waits until the gate is open."""
        while not self._opened.is_set():
            await self._opened.wait()
        self.num_inside += 1
        self._emptied.clear()
        try:
            yield
        finally:
            self.num_inside -= 1
            if not self.num_inside:
                self._emptied.set()

    @asynccontextmanager
    async def closed(self, *, empty: bool) -> AsyncIterator[None]:
        """One change at a time; with `empty`, it begins when all requests inside have left."""
        async with self._change:
            self._opened.clear()
            try:
                if empty:
                    await self._emptied.wait()
                yield
            finally:
                self._opened.set()
