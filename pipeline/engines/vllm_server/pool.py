"""Sends requests to servers, watches the servers, and repeats what a dead one lost.

| who | waits for | is woken by |
|---|---|---|
| a request | a server with room | an answered request; a server that comes up; a watcher, in vain |
| a request | its answer | the server; a watcher that finds the server dead, or hung |
| a watcher, one for each server | the clock | every second |

At most `requests_per_server` requests are under way on each server; the others wait here, first come
first served.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from pipeline.engines import EngineDied, RequestRejected, join_versions
from pipeline.engines.vllm_server.routing import Routing, Server
from pipeline.engines.vllm_server.wire import error_message

_log = logging.getLogger(__name__)
_WATCH_SECONDS = 1.0
_HEALTH_SECONDS = 20.0
"""A busy server takes seconds to answer that it is well."""
_MOST_MISSES = 3
"""Health checks in a row that a server may miss before it counts as down."""
_MOST_DEATHS = 3
"""Servers that may die of one request. It may be what kills them."""
_BUSY_SECONDS = 1
_BUSY = (429, 503)
_CONNECTION_ERRORS = (aiohttp.ClientError, OSError, TimeoutError)

Check = Callable[[Server], Awaitable[None]]
Write = Callable[[Server], tuple[str, Mapping[str, Any]]]
"""The path and the body of a request to a server."""


class ServerLost(Exception):
    """A server cannot be reached, or died; the message says how."""


class Refused(Exception):
    """A server answered with an HTTP status other than 200."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"HTTP {status}: {message}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    content: Any
    address: str
    version: str | None
    """The weights that the server had, as `join_versions` writes them."""


class Pool:
    """The servers of one engine."""

    def __init__(self, routing: Routing, check: Check, *, key: str | None, down_seconds: float) -> None:
        """`check` raises ServerLost, Refused or ValueError for a server that cannot be used."""
        self._routing = routing
        self._check = check
        self._key = key
        self._down_seconds = down_seconds
        self._down_since = time.monotonic()
        self._session: aiohttp.ClientSession | None = None
        self._watchers: list[asyncio.Task[None]] = []
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._under_way: dict[Server, set[asyncio.Task[Any]]] = {s: set() for s in routing.servers}

    @property
    def up(self) -> list[Server]:
        """The servers that can be used."""
        return [server for server in self._routing.servers if server.is_up]

    def open(self) -> None:
        """Opens connections; needs a running event loop."""
        headers = {} if self._key is None else {"Authorization": f"Bearer {self._key}"}
        self._session = aiohttp.ClientSession(
            headers=headers,
            # Less than uvicorn's 5 seconds, so that no request meets a connection's end.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=3),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
        )

    def watch(self) -> None:
        """Starts the watchers."""
        self._down_since = time.monotonic()
        self._watchers = [asyncio.create_task(self._watch(s)) for s in self._routing.servers]

    async def close(self) -> None:
        """Ends the watchers and all requests; calling it twice is fine."""
        watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        for server in self._routing.servers:
            server.is_up = False
        self._end_waiting("the engine is closed")

    async def ask(self, write: Write, tree: int | None) -> Answer:
        """The answer to a request. Raises EngineDied or RequestRejected."""
        num_deaths = busy_seconds = 0
        while num_deaths < _MOST_DEATHS and busy_seconds <= self._down_seconds:
            server = await self._take(tree)
            before = server.version
            try:
                content = await self._ask(server, *write(server))
                return Answer(content, server.address, join_versions((before, server.version)))
            except ServerLost as e:
                num_deaths += 1
                _log.warning("%s: %s; its request is repeated", server.address, e)
            except Refused as e:
                if e.status not in _BUSY:
                    raise RequestRejected(f"{server.address}: {e}") from e
                busy_seconds += _BUSY_SECONDS
                await asyncio.sleep(_BUSY_SECONDS)
            finally:
                self._give_back(server)
        why = f"{num_deaths} died of it, and it was told to wait for {busy_seconds} seconds"
        raise EngineDied(f"no vLLM server answers a request: {why}; the last: {server.address}")

    async def admit(self, server: Server) -> None:
        """Checks a server and uses it from now on. Raises the errors of `check`."""
        await self.call(server, "GET", "/health", seconds=_HEALTH_SECONDS)
        await self._check(server)
        server.is_up = True
        for _ in range(len(self._waiting)):
            self._wake_one()

    async def call(
        self,
        server: Server,
        method: str,
        path: str,
        body: object = None,
        *,
        seconds: float | None = None,
    ) -> Any:
        """One call; the answer as JSON, or as text if it is none. Raises ServerLost or Refused."""
        if self._session is None:
            raise ServerLost("not connected")
        limits = aiohttp.ClientTimeout(total=seconds, sock_connect=10)
        try:
            async with self._session.request(
                method, server.address + path, json=body, timeout=limits
            ) as response:
                is_json = response.content_type == "application/json"
                answer = await (response.json() if is_json else response.text())
        except _CONNECTION_ERRORS as e:
            raise ServerLost(str(e) or type(e).__name__) from e
        if response.status != 200:
            raise Refused(response.status, error_message(answer))
        return answer

    async def _ask(self, server: Server, path: str, body: Mapping[str, Any]) -> Any:
        """The server's answer. Raises ServerLost also when a watcher finds the server dead."""
        task = asyncio.create_task(self.call(server, "POST", path, body))
        self._under_way[server].add(task)
        try:
            await asyncio.wait({task})
        finally:
            self._under_way[server].discard(task)
            task.cancel()
        if task.cancelled():
            raise ServerLost(server.why_down)
        try:
            return task.result()
        except (ServerLost, Refused) as e:
            if isinstance(e, Refused) and e.status < 500:
                raise
            # A connection may break, and a request may fail, without the server's death.
            if not await self._is_healthy(server):
                self.drop(server, str(e))
                raise ServerLost(str(e)) from e
            raise

    async def _is_healthy(self, server: Server) -> bool:
        try:
            await self.call(server, "GET", "/health", seconds=_HEALTH_SECONDS)
        except (ServerLost, Refused):
            return False
        return True

    async def _watch(self, server: Server) -> None:
        num_misses = 0
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            if not server.is_up:
                num_misses = 0
                await self._try_again(server)
            elif await self._is_healthy(server):
                num_misses = 0
            else:
                num_misses += 1
                if num_misses == _MOST_MISSES:
                    self.drop(server, f"missed {num_misses} health checks")
            if self._is_over:
                self._end_waiting(self._why_over())

    async def _try_again(self, server: Server) -> None:
        try:
            await self.admit(server)
        except (ServerLost, Refused, ValueError) as e:
            server.why_down = str(e)
        else:
            _log.warning("%s: back", server.address)

    @property
    def _is_over(self) -> bool:
        return not self.up and time.monotonic() - self._down_since >= self._down_seconds

    def _why_over(self) -> str:
        reasons = "; ".join(f"{s.address}: {s.why_down}" for s in self._routing.servers)
        return f"every vLLM server has been down for {self._down_seconds:g} seconds ({reasons})"

    def drop(self, server: Server, why: str) -> None:
        """Stops using a server until it passes the check again; others repeat its requests."""
        if not server.is_up:
            return
        server.is_up, server.why_down = False, why
        _log.warning("%s: down (%s)", server.address, why)
        if not self.up:
            self._down_since = time.monotonic()
        for task in self._under_way[server]:
            task.cancel()

    async def _take(self, tree: int | None) -> Server:
        """A server with room, counted as taken. Raises EngineDied."""
        put = self._waiting.append
        while (server := self._routing.choose(tree)) is None:
            if self._session is None or self._is_over:
                raise EngineDied(self._why_over() if self._session else "the engine is closed")
            turn = asyncio.get_running_loop().create_future()
            put(turn)
            # Another request may take its place before it runs; it then remains the first.
            put = self._waiting.appendleft
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    # Its turn goes to the next.
                    self._wake_one()
                raise
        server.num_under_way += 1
        return server

    def _give_back(self, server: Server) -> None:
        server.num_under_way -= 1
        self._wake_one()

    def _wake_one(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def _end_waiting(self, why: str) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(EngineDied(why))
