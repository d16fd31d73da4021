"""`berry serve verify`: a verifier behind HTTP, for trainers that run elsewhere.

    POST /verify    {"rows": [{"id", "prompt", "response", "target" or "gold"}]} -> {"verdicts": [...]}
    GET /health     200 once the verifier has started
    GET /metrics    counts and times in the text format of Prometheus

Work is bounded: so many bytes and rows a request, and so many rows at a time, beyond which a request is
answered by 503 at once. A client that hangs up ends its rows. SIGTERM lets requests under way finish.
"""

import asyncio
import hmac
import json
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from pipeline.errors import UserMistake
from pipeline.judging import LocalJudge
from verifiers import Outcome, Target, Verdict, Verifier
from verifiers.kinds import target_kinds
from verifiers.mistakes import shown
from verifiers.records import gold_text, read_target

REWARDS = {Outcome.PASS: 1.0, Outcome.FAIL: 0.0}
"""ABSTAIN and ERROR say nothing of the response: their reward is null."""
_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_RETRY_SECONDS = "1"
_QUICKLY_READ = 200_000
"""Bytes that hold up the event loop by a few milliseconds."""
_CLOSE_SECONDS = 60.0


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
    token: str | None = None
    """If given, requests to /verify need the header `Authorization: Bearer TOKEN`."""


class BadRequest(ValueError):
    """The body is none that can be judged; the message says what is wrong and where."""


async def serve(
    verifier: Verifier, options: ServeOptions, on_ready: Callable[[str], None] = lambda address: None
) -> None:
    """Serves until SIGTERM or SIGINT. Raises UserMistake if it cannot listen there."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    service = VerifyService(verifier, options)
    runner = web.AppRunner(
        service.app(), handler_cancellation=True, access_log=None, shutdown_timeout=_CLOSE_SECONDS
    )
    try:
        await service.judge.start()
        await runner.setup()
        site = web.TCPSite(runner, options.host, options.port)
        try:
            await site.start()
        except OSError as e:
            where = f"{options.host}:{options.port}"
            raise UserMistake(f"{where}: cannot listen there: {e.strerror}") from e
        port = runner.addresses[0][1]
        on_ready(f"http://{options.host}:{port}")
        await stopped.wait()
    finally:
        await runner.cleanup()
        await service.judge.close()


class VerifyService:
    """The application, without a place to listen."""

    def __init__(self, verifier: Verifier, options: ServeOptions) -> None:
        self.judge = LocalJudge(verifier)
        self._verifier, self._options = verifier, options
        self._kind = (target_kinds(verifier) or ("math",))[0]
        """Of rows that give a `gold` alone."""
        self._waiting = 0
        self._registry = CollectorRegistry()
        self._requests = self._metric(Counter, "requests", "Requests to /verify.", "status")
        self._verdicts = self._metric(Counter, "verdicts", "Rows judged.", "outcome")
        self._rows = self._metric(Gauge, "rows_waiting", "Rows that are judged or wait.")
        self._seconds = Histogram(
            "berry_verdict_seconds", "Of a row.", buckets=_SECONDS, registry=self._registry
        )

    def app(self) -> web.Application:
        """The routes."""
        app = web.Application(client_max_size=self._options.max_bytes, middlewares=[self._counted])
        app.router.add_post("/verify", self._verify)
        app.router.add_get("/health", self._health)
        app.router.add_get("/metrics", self._metrics)
        return app

    async def _verify(self, request: web.Request) -> web.Response:
        token = self._options.token
        given = request.headers.get("Authorization", "")
        if token is not None and not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            return _refusal(401, "expected the header `Authorization: Bearer TOKEN`")
        body = await request.read()
        try:
            if len(body) < _QUICKLY_READ:
                rows = _read_rows(body, self._kind, self._options.max_rows)
            else:
                rows = await asyncio.to_thread(_read_rows, body, self._kind, self._options.max_rows)
        except BadRequest as e:
            return _refusal(400, str(e))
        if self._waiting + len(rows) > self._options.max_waiting:
            most = self._options.max_waiting
            busy = f"{self._waiting} rows wait, and at most {most} may: try again"
            return _refusal(503, busy, {"Retry-After": _RETRY_SECONDS})
        self._count_waiting(len(rows))
        try:
            verdicts = await asyncio.gather(*map(self._judge, rows))
        finally:
            self._count_waiting(-len(rows))
        answer = [_written(row, verdict) for row, verdict in zip(rows, verdicts, strict=True)]
        return web.json_response({"verdicts": answer})

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
        except web.HTTPRequestEntityTooLarge:
            status = 413
            return _refusal(413, f"expected at most {self._options.max_bytes} bytes in a request")
        except web.HTTPException as e:
            status = e.status
            return _refusal(e.status, e.reason)
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


def _read_rows(body: bytes, kind: str, most: int) -> list[_Row]:
    """The rows of a request. Raises BadRequest."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as e:
        raise BadRequest(f"the body is not JSON: {e}") from e
    rows = content.get("rows") if isinstance(content, dict) else None
    if not isinstance(rows, list):
        raise BadRequest(f'expected {{"rows": [...]}}, got {shown(content)}')
    if len(rows) > most:
        raise BadRequest(f"expected at most {most} rows in a request, got {len(rows)}")
    return [_read_row(row, kind, number) for number, row in enumerate(rows)]


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
    return _Row(row.get("id", number), str(prompt), str(response), target)


def _written(row: _Row, verdict: Verdict) -> dict[str, Any]:
    return {
        "id": row.id,
        "outcome": verdict.outcome.value,
        "reward": REWARDS.get(verdict.outcome),
        "reason": verdict.reason,
        "extracted": verdict.extracted,
        "evidence": dict(verdict.evidence),
        "verifier": f"{verdict.verifier}/{verdict.version}",
    }


def _refusal(status: int, error: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"error": error}, status=status, headers=headers)
