"""`berry serve verify`: serves a verifier over HTTP, for trainers on other machines.

    POST /verify    {"rows": [{"id", "prompt", "response", "target" or "gold"}]} -> {"verdicts": [...]}
    GET /health     200 once the verifier has started
    GET /metrics    counts and times in the text format of Prometheus

Work and memory are limited: bytes and rows per request, and bytes and rows of all requests together.
Beyond the total limits, a request is answered immediately with status 503. A body that stops arriving
is dropped. If a client disconnects, its rows are cancelled. SIGTERM lets current requests finish.
"""

import asyncio
import functools
import hmac
import json
import logging
import signal
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from pipeline.dispatch.judging import LocalJudge, close_judge, start_judge
from pipeline.errors import UserMistake
from pipeline.files.json_rows import read_row, restore
from verifiers import Outcome, Target, Verdict, Verifier
from verifiers.mistakes import one_line, shown
from verifiers.records import gold_text, read_target

REWARDS = {Outcome.PASS: 1.0, Outcome.FAIL: 0.0}
"""ABSTAIN and ERROR are no evidence about the response, so their reward is null."""
_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_RETRY_SECONDS = "1"
_QUICKLY_READ = 200_000
"""Bodies up to this many bytes block the event loop for only a few milliseconds."""
_CLOSE_SECONDS = 60.0
_GOLDS = (("gold",), ("target", "value"))
"""Keys of a row whose numbers are kept as written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """Address and limits of the server."""

    host: str = "127.0.0.1"
    port: int = 8000
    """Port; 0 picks a free one."""
    max_rows: int = 1024
    """Maximum rows in one request."""
    max_bytes: int = 64_000_000
    """Maximum bytes in one request's body."""
    max_waiting: int = 8192
    """Maximum rows of all requests, in progress or waiting."""
    max_waiting_bytes: int = 256_000_000
    """Maximum bytes in the bodies of all requests, including those still arriving."""
    silence_seconds: float = 60.0
    """Maximum time without new data while a body arrives."""
    token: str | None = None
    """If given, requests to /verify need the header `Authorization: Bearer TOKEN`."""


class BadRequest(ValueError):
    """The body cannot be judged; the message says what is wrong and where."""


class _Refused(Exception):
    """Ends a request immediately with this response."""

    def __init__(self, status: int, error: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(error)
        self.response = web.json_response({"error": error}, status=status, headers=headers)


async def serve(
    verifier: Verifier, options: ServeOptions, on_ready: Callable[[str], None] = lambda address: None
) -> None:
    """Serves until SIGTERM or SIGINT.

    Raises UserMistake if it cannot listen on the address, RunFailure if the verifier cannot start.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    service = VerifyService(verifier, options)
    # It would log a traceback for every client that does not send HTTP. Our own faults are printed.
    silent = logging.getLogger(f"{__name__}.http")
    silent.disabled = True
    runner = web.AppRunner(
        service.app(),
        handler_cancellation=True,
        access_log=None,
        logger=silent,
        auto_decompress=False,
        shutdown_timeout=_CLOSE_SECONDS,
    )
    try:
        await start_judge(service.judge)
        await runner.setup()
        site = web.TCPSite(runner, options.host, options.port)
        try:
            await site.start()
        except OSError as e:
            where = f"{options.host}:{options.port}"
            raise UserMistake(f"{where}: cannot listen on this address: {e.strerror}") from e
        port = runner.addresses[0][1]
        host = f"[{options.host}]" if ":" in options.host else options.host
        on_ready(f"http://{host}:{port}")
        await stopped.wait()
    finally:
        await runner.cleanup()
        await close_judge(service.judge)


class VerifyService:
    """The HTTP application, without a listening socket."""

    def __init__(self, verifier: Verifier, options: ServeOptions) -> None:
        self.judge = LocalJudge(verifier)
        self._options = options
        kinds = self.judge.border.traits.target_kinds or ("math",)
        self._kind = "math" if "math" in kinds else kinds[0]
        """Kind of target for rows with only a `gold`."""
        # A request with more rows than can wait would get status 503 forever.
        self._max_rows = min(options.max_rows, options.max_waiting)
        self._waiting = self._waiting_bytes = 0
        self._registry = CollectorRegistry()
        self._requests = self._metric(Counter, "requests", "Requests to /verify.", "status")
        self._verdicts = self._metric(Counter, "verdicts", "Rows judged.", "outcome")
        self._rows = self._metric(Gauge, "rows_waiting", "Rows in progress or waiting.")
        self._seconds = Histogram(
            "berry_verdict_seconds", "Seconds per row.", buckets=_SECONDS, registry=self._registry
        )

    def app(self) -> web.Application:
        """The routes."""
        app = web.Application(middlewares=[self._counted])
        app.router.add_post("/verify", self._verify)
        app.router.add_get("/health", self._health)
        app.router.add_get("/metrics", self._metrics)
        return app

    async def _verify(self, request: web.Request) -> web.Response:
        self._check_token(request)
        async with self._body(request) as body:
            try:
                if len(body) < _QUICKLY_READ:
                    rows = _read_rows(body, self._kind, self._max_rows)
                else:
                    rows = await asyncio.to_thread(_read_rows, body, self._kind, self._max_rows)
            except BadRequest as e:
                raise _Refused(400, str(e)) from e
            if self._waiting + len(rows) > self._options.max_waiting:
                raise _busy(
                    f"{self._waiting} rows are waiting, the limit is {self._options.max_waiting}"
                )
            self._count_waiting(len(rows))
            try:
                verdicts = await asyncio.gather(*map(self._judge, rows))
            finally:
                self._count_waiting(-len(rows))
        answer = [_written(row, verdict) for row, verdict in zip(rows, verdicts, strict=True)]
        return web.json_response({"verdicts": answer})

    def _check_token(self, request: web.Request) -> None:
        token = self._options.token
        # aiohttp decodes header bytes this way.
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if token is not None and not hmac.compare_digest(given, f"Bearer {token}".encode()):
            raise _Refused(401, "expected the header `Authorization: Bearer TOKEN`")

    @asynccontextmanager
    async def _body(self, request: web.Request) -> AsyncIterator[bytes]:
        """The request's body; its bytes count as waiting until the end of the block."""
        if encoding := request.headers.get("Content-Encoding"):
            raise _Refused(415, f"expected a body without a Content-Encoding, got {shown(encoding)}")
        options, chunks, size = self._options, [], 0
        try:
            while chunk := await self._next_chunk(request):
                chunks.append(chunk)
                size += len(chunk)
                self._waiting_bytes += len(chunk)
                if size > options.max_bytes:
                    raise _Refused(413, f"expected at most {options.max_bytes} bytes in a request")
                if self._waiting_bytes > options.max_waiting_bytes:
                    raise _busy(f"requests of {options.max_waiting_bytes} bytes are waiting")
            body = b"".join(chunks)
            chunks.clear()
            yield body
        finally:
            self._waiting_bytes -= size

    async def _next_chunk(self, request: web.Request) -> bytes:
        seconds = self._options.silence_seconds
        try:
            return await asyncio.wait_for(request.content.readany(), seconds)
        except TimeoutError as e:
            raise _Refused(408, f"no data of the body arrived for {seconds:g} seconds") from e

    async def _judge(self, row: "_Row") -> Verdict:
        with self._seconds.time():
            verdict = await self.judge.verify(row.prompt, row.response, row.target)
        self._verdicts.labels(verdict.outcome.value).inc()
        return verdict

    async def _health(self, request: web.Request) -> web.Response:
        border = self.judge.border
        content = {"status": "ok", "verifier": border.name, "version": border.version}
        return web.json_response({**content, "rows_waiting": self._waiting})

    async def _metrics(self, request: web.Request) -> web.Response:
        text = generate_latest(self._registry)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    @web.middleware
    async def _counted(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        status = 499  # the client has disconnected
        try:
            response = await handler(request)
            status = response.status
            return response
        except _Refused as e:
            status = e.response.status
            return e.response
        except web.HTTPException as e:
            status = e.status
            return _Refused(e.status, e.reason).response
        except web.RequestPayloadError as e:
            status = 400
            return _Refused(400, f"the body is damaged: {one_line(str(e))}").response
        except ConnectionError:
            # No client reads this answer.
            return _Refused(400, "the connection was lost").response
        except Exception as e:  # noqa: BLE001 - our own faults are printed and counted
            traceback.print_exception(e)
            status = 500
            return _Refused(500, "internal error; the server's standard error has details").response
        finally:
            if request.path == "/verify":
                self._requests.labels(str(status)).inc()

    def _count_waiting(self, change: int) -> None:
        self._waiting += change
        self._rows.set(self._waiting)

    def _metric(self, kind: Any, name: str, help: str, *labels: str) -> Any:
        return kind(f"berry_{name}", help, labels, registry=self._registry)


@dataclass(frozen=True, slots=True)
class _Row:
    id: object
    prompt: str
    response: str
    target: Target


def _busy(why: str) -> _Refused:
    return _Refused(503, f"{why}: try again", {"Retry-After": _RETRY_SECONDS})


def _read_rows(body: bytes, kind: str, most: int) -> list[_Row]:
    """Parses the rows of a request. Raises BadRequest."""
    try:
        content = read_row(body)
    except ValueError as e:
        raise BadRequest(f"the body {e}") from e
    rows = content.get("rows") if isinstance(content, dict) else None
    if not isinstance(rows, list):
        raise BadRequest(f'expected {{"rows": [...]}}, got {shown(content)}')
    if len(rows) > most:
        raise BadRequest(f"expected at most {most} rows in a request, got {len(rows)}")

    @functools.cache
    def with_texts() -> list[object]:
        again: list[object] = json.loads(body, parse_float=str)["rows"]
        return again

    read = []
    for number, row in enumerate(rows):
        try:
            restore(row, functools.partial(_item, with_texts, number), *_GOLDS)
        except ValueError as e:
            raise BadRequest(f"row {number}: {e}") from e
        read.append(_read_row(row, kind, number))
    return read


def _item(read: Callable[[], list[object]], number: int) -> object:
    return read()[number]


def _read_row(row: object, kind: str, number: int) -> _Row:
    where = f"row {number}"
    if not isinstance(row, dict):
        raise BadRequest(f"{where}: expected an object, got {shown(row)}")
    prompt, response = row.get("prompt") or "", row.get("response")
    for name, text in (("prompt", prompt), ("response", response)):
        if not isinstance(text, str):
            raise BadRequest(f"{where}: {name}: expected a text, got {shown(text)}")
    try:
        if "target" in row:
            target = read_target(row["target"])
        else:
            target = Target(kind=kind, value=gold_text(row.get("gold")))
    except ValueError as e:
        raise BadRequest(f"{where}: {'target' if 'target' in row else 'gold'}: {e}") from e
    row_id = row.get("id", number)
    try:
        json.dumps(row_id, allow_nan=False)
    except ValueError as e:
        raise BadRequest(f"{where}: id: expected no NaN and no infinity, got {shown(row_id)}") from e
    return _Row(row_id, str(prompt), str(response), target)


def _written(row: _Row, verdict: Verdict) -> dict[str, Any]:
    return {
        "id": row.id,
        "outcome": verdict.outcome.value,
        "reward": REWARDS.get(verdict.outcome),
        "reason": verdict.reason,
        "extracted": verdict.extracted,
        "no_answer": verdict.no_answer,
        "evidence": dict(verdict.evidence),
        "verifier": f"{verdict.verifier}/{verdict.version}",
    }
