"""Requests and servers that fail in every way; the servers are real HTTP servers on the loopback."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from pipeline.engines import EngineDied, RequestRejected
from pipeline.engines.vllm_server import pool as pool_module
from pipeline.engines.vllm_server.pool import Pool, Refused, ServerLost, Write
from pipeline.engines.vllm_server.routing import Routing, Server
from tests.patience import until

pytestmark = pytest.mark.asyncio


class FakeServer:
    """Answers as its `answer` says; `is_well` decides about its health."""

    def __init__(self) -> None:
        self.is_well = True
        self.going_on = asyncio.Event()
        self.going_on.set()
        self.num_asked = 0
        self.answer: Callable[[web.Request], Awaitable[web.StreamResponse]] = self.echo
        self._runner: web.AppRunner | None = None
        self.address = ""

    async def open(self, port: int = 0) -> None:
        app = web.Application()
        app.router.add_get("/health", self._health)
        app.router.add_post("/ask", self._ask)
        self._runner = web.AppRunner(app, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.address = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        self.going_on.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def echo(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"by": self.address, "got": await request.json()})

    async def _health(self, _: web.Request) -> web.StreamResponse:
        await self.going_on.wait()
        return web.Response(status=200 if self.is_well else 503)

    async def _ask(self, request: web.Request) -> web.StreamResponse:
        self.num_asked += 1
        await self.going_on.wait()
        return await self.answer(request)


async def accept(_: Server) -> None:
    """Every server may be used."""


def to_ask(body: dict[str, int] | None = None) -> Write:
    return lambda _: ("/ask", body or {})


@asynccontextmanager
async def running(
    num_servers: int = 2, *, most: int = 8, down_seconds: float = 0.2
) -> AsyncIterator[tuple[Pool, list[FakeServer], Routing]]:
    fakes = [FakeServer() for _ in range(num_servers)]
    for fake in fakes:
        await fake.open()
    routing = Routing([fake.address for fake in fakes], most)
    pool = Pool(routing, accept, key="secret", down_seconds=down_seconds)
    pool.open()
    for server in routing.servers:
        await pool.admit(server)
    pool.watch()
    try:
        yield pool, fakes, routing
    finally:
        await pool.close()
        await pool.close()
        for fake in fakes:
            await fake.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "_WATCH_SECONDS", 0.01)
    monkeypatch.setattr(pool_module, "_BUSY_SECONDS", 0.01)


async def test_an_answer_comes_with_its_servers_version() -> None:
    async with running(1) as (pool, _, routing):
        routing.servers[0].version = "one"
        answer = await pool.ask(to_ask({"n": 1}), tree=None)
    assert answer.content["got"] == {"n": 1}
    assert answer.version == "one"


async def test_the_key_is_sent() -> None:
    async with running(1) as (pool, (fake,), _):

        async def show(request: web.Request) -> web.StreamResponse:
            return web.json_response(request.headers["Authorization"])

        fake.answer = show
        assert (await pool.ask(to_ask(), None)).content == "Bearer secret"


async def test_no_server_has_more_requests_than_allowed() -> None:
    async with running(2, most=3) as (pool, fakes, _):
        most = {fake.address: 0 for fake in fakes}
        now = dict(most)

        def counting(fake: FakeServer) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
            async def count(_: web.Request) -> web.StreamResponse:
                now[fake.address] += 1
                most[fake.address] = max(most[fake.address], now[fake.address])
                await asyncio.sleep(0.002)
                now[fake.address] -= 1
                return web.json_response({})

            return count

        for fake in fakes:
            fake.answer = counting(fake)
        # One tree fills its home and spills.
        await asyncio.gather(*(pool.ask(to_ask(), 1) for _ in range(60)))
        assert most == {fake.address: 3 for fake in fakes}


async def test_a_request_of_a_server_that_breaks_the_connection_is_repeated() -> None:
    async with running(1) as (pool, (fake,), routing):
        told = 0

        async def break_once(request: web.Request) -> web.StreamResponse:
            nonlocal told
            told += 1
            if told == 1:
                assert request.transport is not None
                request.transport.abort()
            return web.json_response(told)

        fake.answer = break_once
        assert (await pool.ask(to_ask(), 1)).content == 2
        # It is well, and keeps its trees.
        assert routing.servers[0].is_up


async def test_a_request_that_kills_every_server_ends() -> None:
    async with running(1, down_seconds=60) as (pool, (fake,), _):

        async def fail(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

        fake.answer = fail
        with pytest.raises(EngineDied, match="3 died of it"):
            await pool.ask(to_ask(), 1)
        assert fake.num_asked == 3


async def test_a_hung_servers_requests_go_to_another_and_it_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool_module, "_HEALTH_SECONDS", 0.05)
    async with running(2) as (pool, fakes, routing):
        first = fakes[0]
        first.going_on.clear()
        answers = await asyncio.gather(*(pool.ask(to_ask(), tree) for tree in range(4)))
        assert {answer.address for answer in answers} == {fakes[1].address}
        assert not routing.servers[0].is_up
        first.going_on.set()
        await until(lambda: routing.servers[0].is_up)


async def test_a_dead_engine_behind_a_live_server_counts_as_down() -> None:
    async with running(2) as (pool, fakes, routing):

        async def die(_: web.Request) -> web.StreamResponse:
            fakes[0].is_well = False
            return web.json_response({"error": {"message": "EngineCore died"}}, status=500)

        fakes[0].answer = die
        answer = await pool.ask(to_ask(), 1)
        assert answer.address == fakes[1].address
        assert routing.servers[0].why_down in {"HTTP 500: EngineCore died", "HTTP 503: "}


async def test_a_busy_server_is_asked_again() -> None:
    async with running(1) as (pool, (fake,), _):

        async def busy(_: web.Request) -> web.StreamResponse:
            return web.Response(status=503 if fake.num_asked < 3 else 200)

        fake.answer = busy
        await pool.ask(to_ask(), 1)
        assert fake.num_asked == 3

        async def always_busy(_: web.Request) -> web.StreamResponse:
            return web.Response(status=429)

        fake.answer = always_busy
        with pytest.raises(EngineDied, match="told to wait"):
            await pool.ask(to_ask(), 1)


async def test_a_refusal_is_one_line_and_not_repeated() -> None:
    async with running(1) as (pool, (fake,), _):

        async def refuse(_: web.Request) -> web.StreamResponse:
            return web.json_response({"error": {"message": "too\nlong"}}, status=400)

        fake.answer = refuse
        with pytest.raises(RequestRejected, match=r"HTTP 400: too long$"):
            await pool.ask(to_ask(), 1)
        assert fake.num_asked == 1


async def test_requests_wait_for_a_server_until_all_are_gone_for_too_long() -> None:
    async with running(1) as (pool, (fake,), routing):
        port = int(fake.address.rpartition(":")[2])
        await fake.close()
        waiting = [asyncio.create_task(pool.ask(to_ask(), tree)) for tree in range(5)]
        done = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(one) for one in done] == [EngineDied] * 5
        assert str(done[0]).startswith("every vLLM server has been down for 0.2 seconds (http://")
        # It is used again when it is back.
        again = FakeServer()
        await again.open(port)
        await until(lambda: routing.servers[0].is_up)
        assert (await pool.ask(to_ask(), 0)).address == again.address
        await again.close()


async def test_a_server_that_fails_the_check_is_not_used() -> None:
    async with running(2) as (pool, _, routing):

        async def refuse(_: Server) -> None:
            raise ValueError("another model")

        pool._check = refuse
        pool.drop(routing.servers[0], "for a test")
        await until(lambda: routing.servers[0].why_down == "another model")
        assert not routing.servers[0].is_up


async def test_a_cancelled_request_frees_its_place_and_its_turn() -> None:
    async with running(1, most=1) as (pool, (fake,), routing):
        release = asyncio.Event()

        async def hold(_: web.Request) -> web.StreamResponse:
            await release.wait()
            return web.json_response({})

        fake.answer = hold
        first, second, third = (asyncio.create_task(pool.ask(to_ask(), None)) for _ in range(3))
        await until(lambda: fake.num_asked == 1)
        second.cancel()
        first.cancel()
        await until(lambda: fake.num_asked == 2)
        release.set()
        await third
        assert routing.servers[0].num_under_way == 0


async def test_after_close_nothing_is_asked() -> None:
    async with running(1) as (pool, _, routing):
        await pool.close()
        with pytest.raises(EngineDied, match="closed"):
            await pool.ask(to_ask(), 1)
        with pytest.raises(ServerLost):
            await pool.call(routing.servers[0], "GET", "/health")


async def test_a_calls_status_is_told() -> None:
    async with running(1) as (pool, _, routing):
        with pytest.raises(Refused) as told:
            await pool.call(routing.servers[0], "GET", "/nowhere")
        assert told.value.status == 404
