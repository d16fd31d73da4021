"""`berry serve verify`: a verifier behind HTTP, for trainers that run elsewhere.

    POST /verify    {"rows": [{"id", "prompt", "response", "target" or "gold"}]} -> {"verdicts": [...]}
    GET /health     200 once the verifier has started
    GET /metrics    counts and times in the text format of Prometheus

Work and memory are bounded: so many bytes and rows a request, and so many bytes and rows of all
requests together, beyond which a request is answered by 503 at once. A body that stops arriving is
given up. A client that hangs up ends its rows. SIGTERM lets requests under way finish.
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

from pipeline.errors import UserMistake
from pipeline.json_rows import read_row, restore
from pipeline.judging import LocalJudge, close_judge, start_judge
from verifiers import Outcome, Target, Verdict, Verifier
from verifiers.kinds import target_kinds
from verifiers.mistakes import one_line, shown
from verifiers.records import gold_text, read_target

REWARDS = {Outcome.PASS: 1.0, Outcome.FAIL: 0.0}
"""ABSTAIN and ERROR say nothing of the response: their reward is null."""
_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_RETRY_SECONDS = "1"
_QUICKLY_READ = 200_000
"""Bytes that hold up the event loop by a few milliseconds."""
_CLOSE_SECONDS = 60.0
_GOLDS = (("gold",), ("target", "value"))
"""Where a row has numbers that are kept as they are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """Where to listen, and how much to take."""

    host: str = "127.0.0.1"
    port: int = 8000
    """0 takes a free one."""
    max_rows: int = 1024
    """Of one request."""
    max_bytes: int = 64_000_000
    """Of one request's body."""
    max_waiting: int = 8192
    """Rows of all requests that are judged or wait."""
    max_waiting_bytes: int = 256_000_000
    """Of the bodies of all requests, also of those that are still arriving."""
    silence_seconds: float = 60.0
    """How long nothing of a body may arrive."""
    token: str | None = None
    """If given, requests to /verify need the header `Authorization: Bearer TOKEN`."""


class BadRequest(ValueError):
    """The body is none that can be judged; the message says what is wrong and where."""


class _Refused(Exception):
    """A request is answered at once, by this response."""

    def __init__(self, status: int, error: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(error)
        self.response = web.json_response({"error": error}, status=status, headers=headers)


async def serve(
    verifier: Verifier, options: ServeOptions, on_ready: Callable[[str], None] = lambda address: None
) -> None:
    """Serves until SIGTERM or SIGINT.

    Raises UserMistake if it cannot listen there, and RunFailure if the verifier cannot start.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    service = VerifyService(verifier, options)
    # It would log a traceback for whatever clients send that is not HTTP. Faults of ours are printed.
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
            raise UserMistake(f"{where}: cannot listen there: {e.strerror}") from e
        port = runner.addresses[0][1]
        host = f"[{options.host}]" if ":" in options.host else options.host
        on_ready(f"http://{host}:{port}")
        await stopped.wait()
    finally:
        await runner.cleanup()
        await close_judge(service.judge)


class VerifyService:
    """The application, without a place to listen."""

    def __init__(self, verifier: Verifier, options: ServeOptions) -> None:
        self.judge = LocalJudge(verifier)
        self._verifier, self._options = verifier, options
        kinds = target_kinds(verifier) or ("math",)
        self._kind = "math" if "math" in kinds else kinds[0]
        """Of rows that give a `gold` alone."""
        # A request of more rows than may wait would be told for ever to try again.
        self._max_rows = min(options.max_rows, options.max_waiting)
        self._waiting = self._waiting_bytes = 0
        self._registry = CollectorRegistry()
        self._requests = self._metric(Counter, "requests", "Requests to /verify.", "status")
        self._verdicts = self._metric(Counter, "verdicts", "Rows judged.", "outcome")
        self._rows = self._metric(Gauge, "rows_waiting", "Rows that are judged or wait.")
        self._seconds = Histogram(
            "berry_verdict_seconds", "Of a row.", buckets=_SECONDS, registry=self._registry
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
                raise _busy(f"{self._waiting} rows wait, and at most {self._options.max_waiting} may")
            self._count_waiting(len(rows))
            try:
                verdicts = await asyncio.gather(*map(self._judge, rows))
            finally:
                self._count_waiting(-len(rows))
        answer = [_written(row, verdict) for row, verdict in zip(rows, verdicts, strict=True)]
        return web.json_response({"verdicts": answer})

    def _check_token(self, request: web.Request) -> None:
        token = self._options.token
        # Headers are bytes, which aiohttp gives as text in this way.
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if token is not None and not hmac.compare_digest(given, f"Bearer {token}".encode()):
            raise _Refused(401, "expected the header `Authorization: Bearer TOKEN`")

    @asynccontextmanager
    async def _body(self, request: web.Request) -> AsyncIterator[bytes]:
        """The request's body, which counts among the bytes that wait until the end of the block."""
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
                    raise _busy(f"requests of {options.max_waiting_bytes} bytes wait")
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
            raise _Refused(408, f"nothing of the body has arrived for {seconds:g} seconds") from e

    async def _judge(self, row: "_Row") -> Verdict:
        with self._seconds.time():
            verdict = await self.judge.verify(row.prompt, row.response, row.target)
        self._verdicts.labels(verdict.outcome.value).inc()
        return verdict

    async def _health(self, request: web.Request) -> web.Response:
        verifier = self._verifier
        content = {"status": "ok", "verifier": verifier.name, "version": verifier.version}
        return web.json_response({**content, "rows_waiting": self._waiting})

    async def _metrics(self, request: web.Request) -> web.Response:
        text = generate_latest(self._registry)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    @web.middleware
    async def _counted(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        status = 499  # the client has hung up
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
            # Nobody reads this answer.
            return _Refused(400, "the connection was lost").response
        except Exception as e:  # noqa: BLE001 - the border: a fault of ours is printed and counted
            traceback.print_exception(e)
            status = 500
            return _Refused(500, "berry broke: its standard error says where").response
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
    """The rows of a request. Raises BadRequest."""
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
