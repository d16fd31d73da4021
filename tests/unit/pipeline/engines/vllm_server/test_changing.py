"""Changes of weights that go wrong; the servers are real HTTP servers that play vLLM's endpoints."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from pipeline.engines import WeightsRefused
from pipeline.engines.models import locate
from pipeline.engines.vllm_server import changing
from pipeline.engines.vllm_server.changing import put, put_everywhere
from pipeline.engines.vllm_server.pool import Pool, Refused
from pipeline.engines.vllm_server.routing import Routing, Server

pytestmark = pytest.mark.asyncio


class FakeVllm:
    """Has weights, and refuses those in `bad`."""

    def __init__(self, *, dev_mode: bool = True) -> None:
        self.weights = self.label = "old"
        self.bad: set[str] = set()
        self.is_paused = False
        self.breaks_at = ""
        self.num_breaks: int | None = None
        """Connections to break there; None breaks all."""
        self.asked: list[str] = []
        self._app = web.Application(middlewares=[self._watch])
        self._app.router.add_get("/health", self._fine)
        if dev_mode:
            self._app.router.add_post("/pause", self._pause)
            self._app.router.add_post("/resume", self._resume)
            self._app.router.add_post("/collective_rpc", self._reload)
            self._app.router.add_post("/reset_prefix_cache", self._fine)
            self._app.router.add_post("/update_weight_version", self._name)
            self._app.router.add_get("/weight_info", self._tell)
        self._runner = web.AppRunner(self._app, shutdown_timeout=0)

    async def open(self) -> str:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        await self._runner.cleanup()

    @web.middleware
    async def _watch(self, request: web.Request, handler: object) -> web.StreamResponse:
        self.asked.append(request.path_qs)
        if request.path == self.breaks_at and self.num_breaks != 0:
            self.num_breaks = self.num_breaks and self.num_breaks - 1
            assert request.transport is not None
            request.transport.abort()
        response: web.StreamResponse = await handler(request)  # type: ignore[operator]
        return response

    async def _fine(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"success": True})

    async def _name(self, request: web.Request) -> web.StreamResponse:
        self.label = (await request.json())["new_version"]
        return await self._fine(request)

    async def _tell(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"weight_version": self.label})

    async def _pause(self, request: web.Request) -> web.StreamResponse:
        self.is_paused = True
        return await self._fine(request)

    async def _resume(self, request: web.Request) -> web.StreamResponse:
        self.is_paused = False
        return await self._fine(request)

    async def _reload(self, request: web.Request) -> web.StreamResponse:
        assert self.is_paused
        path = (await request.json())["kwargs"]["weights_path"]
        if path in self.bad:
            self.weights = "broken"
            return web.json_response({"error": {"message": f"cannot load {path}"}}, status=500)
        self.weights = path
        return web.json_response({"results": [None]})


@pytest.fixture(autouse=True)
def names_are_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changing, "locate", lambda model: model)


@asynccontextmanager
async def running(*fakes: FakeVllm) -> AsyncIterator[tuple[Pool, list[Server]]]:
    async def accept(server: Server) -> None:
        server.version = "old"

    routing = Routing([await fake.open() for fake in fakes], 8)
    pool = Pool(routing, accept, key=None, down_seconds=1)
    pool.open()
    for server in routing.servers:
        await pool.admit(server)
    try:
        yield pool, routing.servers
    finally:
        await pool.close()
        for fake in fakes:
            await fake.close()


async def test_every_server_gets_the_weights() -> None:
    one, other = FakeVllm(), FakeVllm()
    async with running(one, other) as (pool, servers):
        await put_everywhere(pool, "new", "old", keep=False)
        assert [fake.weights for fake in (one, other)] == ["new", "new"]
        assert [server.version for server in servers] == ["new", "new"]
        assert not any(fake.is_paused for fake in (one, other))
        assert "/pause?mode=wait" in one.asked
        await put_everywhere(pool, "old", "new", keep=True)
        assert {"/pause?mode=keep", "/reset_prefix_cache?reset_running_requests=true"} <= set(one.asked)


async def test_if_one_server_refuses_all_have_the_old_weights() -> None:
    one, other = FakeVllm(), FakeVllm()
    other.bad = {"new"}
    async with running(one, other) as (pool, servers):
        with pytest.raises(
            WeightsRefused, match=r"servers that load new, got .*cannot load new"
        ) as told:
            await put_everywhere(pool, "new", "old", keep=False)
        assert "\n" not in str(told.value)
        assert [fake.weights for fake in (one, other)] == ["old", "old"]
        assert [server.version for server in servers] == ["old", "old"]
        assert not any(fake.is_paused for fake in (one, other))
        assert all(server.is_up for server in servers)


async def test_a_server_that_can_load_neither_stays_paused_and_is_not_used_until_it_can() -> None:
    fake = FakeVllm()
    fake.bad = {"new", "old"}
    async with running(fake) as (pool, (server,)):
        with pytest.raises(WeightsRefused):
            await put_everywhere(pool, "new", "old", keep=False)
        assert fake.is_paused
        assert not server.is_up
        assert server.has_unknown_weights
        with pytest.raises(Refused):
            await put(pool, server, "old", "old", keep=False)
        fake.bad = set()
        await put(pool, server, "old", "old", keep=False)
        assert (fake.weights, fake.is_paused, server.has_unknown_weights) == ("old", False, False)


async def test_a_server_that_is_lost_midway_gets_them_later() -> None:
    one, other = FakeVllm(), FakeVllm()
    other.breaks_at = "/collective_rpc"
    async with running(one, other) as (pool, (first, second)):
        await put_everywhere(pool, "new", "old", keep=False)
        assert (one.weights, first.version) == ("new", "new")
        assert second.has_unknown_weights
        assert not second.is_up


@pytest.mark.parametrize(
    "path",
    ["/pause", "/collective_rpc", "/reset_prefix_cache", "/update_weight_version", "/resume"],
)
async def test_one_broken_connection_changes_nothing(path: str) -> None:
    fake = FakeVllm()
    fake.breaks_at, fake.num_breaks = path, 1
    async with running(fake) as (pool, (server,)):
        await put_everywhere(pool, "new", "old", keep=True)
        assert (fake.weights, fake.label, fake.is_paused) == ("new", "new", False)
        assert fake.num_breaks == 0
        assert server.is_up
        assert not server.has_unknown_weights


async def test_weights_that_a_server_has_already_are_not_loaded_again() -> None:
    fake = FakeVllm()
    async with running(fake) as (pool, (server,)):
        fake.label = "new"
        await put_everywhere(pool, "new", "old", keep=False)
        assert server.version == "new"
        assert "/collective_rpc" not in fake.asked


async def test_a_server_without_the_endpoints_says_how_to_start_it() -> None:
    async with running(FakeVllm(dev_mode=False)) as (pool, (server,)):
        with pytest.raises(WeightsRefused, match="VLLM_SERVER_DEV_MODE=1"):
            await put_everywhere(pool, "new", "old", keep=False)
        assert server.is_up
        assert server.version == "old"


async def test_a_folder_that_is_gone_pauses_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeVllm()
    monkeypatch.setattr(changing, "locate", locate)
    async with running(fake) as (pool, (server,)):
        with pytest.raises(WeightsRefused, match=r"\./gone does not exist"):
            await put_everywhere(pool, "./gone", "old", keep=False)
        assert not any(path.startswith("/pause") for path in fake.asked)
        assert server.is_up


async def test_without_any_server_the_weights_are_refused() -> None:
    async with running(FakeVllm()) as (pool, (server,)):
        pool.drop(server, "for a test")
        with pytest.raises(WeightsRefused, match="none that is up"):
            await put_everywhere(pool, "new", "old", keep=False)
