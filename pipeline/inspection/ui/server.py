"""`berry ui`: serves pages about runs on this machine.

    GET  /  /runs/NAME  /runs/NAME/problems/ID  /compare     the page, which reads its address
    GET  /runs/NAME/report                                   the report in the run's folder
    GET  /assets/...                                         its scripts, styles and fonts
    GET  /api/runs  /api/runs/NAME  .../problems  .../problems/ID  .../nodes/NODE/tokens  .../row
    GET  /api/compare
    POST /api/runs/NAME/judgements  .../selections           what a person says and keeps

Nothing but the named runs can be read, and nothing is written but `judgements/` and `selections/` in
their folders. docs/viewer.md describes the pages.
"""

import asyncio
import errno
import json
import logging
import secrets
import signal
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from aiohttp import web
from pydantic import BaseModel

from pipeline.datasets.reader import UnknownProblem
from pipeline.errors import BerryError, UserMistake
from pipeline.files.json_rows import finite
from pipeline.files.storage import read_bytes
from pipeline.inspection.ui.answers import (
    NewJudgement,
    NewSelection,
    Page,
    checked,
    compare,
    judge,
    list_problems,
    save,
    show_problem,
    show_tokens,
)
from pipeline.inspection.ui.guard import Guard, is_loopback
from pipeline.inspection.ui.query import Query
from pipeline.inspection.ui.runs import OpenRun, Runs, UnknownName

_log = logging.getLogger(__name__)
_ASSETS = Path(__file__).parent / "assets"
# Without the pattern, a name with a brace would not match.
_RUN, _PROBLEM = "{run:[^/]+}", "{problem:[^/]+}"
_PAGES = (f"/runs/{_RUN}", f"/runs/{_RUN}/problems/{_PROBLEM}", "/compare")
_REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
"""A report has its style inside, and no script."""
_MOST_BYTES = 1_000_000
"""Bytes of a request's body."""
_Body = TypeVar("_Body", bound=BaseModel)


async def serve(
    runs: Runs, host: str, port: int, token: str | None, on_ready: Callable[[str], None]
) -> None:
    """Serves until SIGTERM or SIGINT; `on_ready` gets the address to open.

    Without a `token`, one is made if others can reach the address. Raises UserMistake if it cannot
    listen on the address.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    if token is None and not is_loopback(host):
        token = secrets.token_urlsafe(24)
    viewer = Viewer(runs, Guard(host=host, token=token))
    # It would log a traceback for every client that does not speak HTTP. Our own faults are logged.
    silent = logging.getLogger(f"{__name__}.http")
    silent.disabled = True
    runner = web.AppRunner(viewer.app(), access_log=None, logger=silent, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as e:
            raise UserMistake(f"{host}:{port}: cannot listen on this address: {e.strerror}") from e
        shown = f"[{host}]" if ":" in host else host
        port = runner.addresses[0][1]
        on_ready(f"http://{shown}:{port}/{f'?token={token}' if token else ''}")
        await stopped.wait()
    finally:
        await runner.cleanup()


class Viewer:
    """The HTTP application, without a listening socket."""

    def __init__(self, runs: Runs, guard: Guard) -> None:
        self.runs = runs
        self._guard = guard

    def app(self) -> web.Application:
        """The routes."""
        app = web.Application(
            middlewares=[self._guard.__call__, _explained], client_max_size=_MOST_BYTES
        )
        app.router.add_get("/", self._home)
        for page in _PAGES:
            app.router.add_get(page, self._page)
        app.router.add_static("/assets", _ASSETS)
        app.router.add_get("/api/runs", self._runs)
        app.router.add_get("/api/compare", self._compare)
        run = f"/api/runs/{_RUN}"
        app.router.add_get(run, self._run)
        app.router.add_get(f"/runs/{_RUN}/report", self._report)
        app.router.add_get(f"{run}/problems", self._problems)
        problem = f"{run}/problems/{_PROBLEM}"
        app.router.add_get(problem, self._problem)
        app.router.add_get(f"{problem}/row", self._row)
        app.router.add_get(f"{problem}/nodes/{{node}}/tokens", self._tokens)
        app.router.add_post(f"{run}/judgements", self._judge)
        app.router.add_post(f"{run}/selections", self._save)
        app.on_startup.append(self._start)
        app.on_cleanup.append(self._close)
        return app

    async def _start(self, _: web.Application) -> None:
        for run in self.runs.by_name.values():
            run.refresh()

    async def _close(self, _: web.Application) -> None:
        for run in self.runs.by_name.values():
            await run.close()

    async def _home(self, _: web.Request) -> web.StreamResponse:
        if len(self.runs.by_name) == 1:
            (run,) = self.runs.by_name.values()
            raise web.HTTPFound(_run_page(run))
        return web.FileResponse(_ASSETS / "index.html")

    async def _page(self, _: web.Request) -> web.StreamResponse:
        return web.FileResponse(_ASSETS / "index.html")

    async def _runs(self, _: web.Request) -> web.Response:
        runs = list(self.runs.by_name.values())
        for run in runs:
            run.refresh()
        return _json({"runs": [await asyncio.to_thread(run.brief) for run in runs]})

    async def _run(self, request: web.Request) -> web.Response:
        return _json(await asyncio.to_thread(self._asked(request).facts))

    async def _report(self, request: web.Request) -> web.Response:
        run = self._asked(request)
        path = await asyncio.to_thread(run.report_path)
        if path is None:
            raise UnknownName(f"{run.path}: has no report yet: berry report {run.path}")
        content = await asyncio.to_thread(read_bytes, path)
        headers = {"Content-Security-Policy": _REPORT_POLICY}
        return web.Response(body=content, content_type="text/html", charset="utf-8", headers=headers)

    async def _problems(self, request: web.Request) -> web.Response:
        run = self._asked(request)
        values = dict(request.query)
        page = Page.take(values, sort="order")
        query = Query.read(values)
        return _json(await asyncio.to_thread(list_problems, run, query, page))

    async def _problem(self, request: web.Request) -> web.Response:
        run = self._asked(request)
        row = await self._found(run, request)
        return _json(await asyncio.to_thread(show_problem, run, row))

    async def _row(self, request: web.Request) -> web.Response:
        return _json(await self._found(self._asked(request), request))

    async def _tokens(self, request: web.Request) -> web.Response:
        run = self._asked(request)
        row = await self._found(run, request)
        wanted = request.match_info["node"]
        node = next((one for one in row["nodes"] if str(one["id"]) == wanted), None)
        if node is None:
            raise UnknownName(f"node: expected a node of problem {row['problem_id']}, got {wanted:.80}")
        return _json(await asyncio.to_thread(show_tokens, run, node))

    async def _compare(self, request: web.Request) -> web.Response:
        values = dict(request.query)
        a, b = (self._opened(values.pop(key, "")) for key in ("a", "b"))
        page = Page.take(values, sort="difference")
        return _json(await asyncio.to_thread(compare, a, b, page, values.get("only")))

    async def _judge(self, request: web.Request) -> web.Response:
        run = self._asked(request)
        given = await _body(request, NewJudgement)
        row = await asyncio.to_thread(run.find, given.problem_id)
        return _json(await asyncio.to_thread(judge, run, row, given), status=201)

    async def _save(self, request: web.Request) -> web.Response:
        run = self._asked(request)
        given = await _body(request, NewSelection)
        # Else the selection would lack what is not read yet.
        await run.read()
        return _json(await asyncio.to_thread(save, run, given), status=201)

    def _asked(self, request: web.Request) -> OpenRun:
        return self._opened(request.match_info["run"])

    def _opened(self, name: str) -> OpenRun:
        run = self.runs.get(name)
        run.refresh()
        return run

    async def _found(self, run: OpenRun, request: web.Request) -> dict[str, Any]:
        return await asyncio.to_thread(run.find, request.match_info["problem"])


def _run_page(run: OpenRun) -> str:
    return f"/runs/{quote(run.name, safe='')}"


async def _body(request: web.Request, kind: type[_Body]) -> _Body:
    try:
        content = json.loads(await request.read())
    except (ValueError, RecursionError) as e:
        raise UserMistake("expected a JSON object as the body") from e
    return checked(kind, content)


@web.middleware
async def _explained(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turns errors into one line for the page."""
    try:
        return await handler(request)
    except web.HTTPException as e:
        if e.status >= 400 and not e.content_type.endswith("json"):
            return _json({"error": e.text or e.reason}, status=e.status)
        raise
    except BerryError as e:
        status = (
            404
            if isinstance(e, UnknownName | UnknownProblem)
            else 400
            if isinstance(e, UserMistake)
            else 503
        )
        return _json({"error": str(e)}, status=status)
    except (ConnectionError, asyncio.CancelledError):
        raise
    except OSError as e:
        if e.errno != errno.ENAMETOOLONG:
            raise
        return _json({"error": "there is no page of such a long name"}, status=404)
    except Exception as e:  # noqa: BLE001 - a fault of berry; the page shows it
        _log.exception("%s %s", request.method, request.rel_url)
        return _json({"error": f"internal error: {type(e).__name__}: {e}"}, status=500)


def _json(facts: Mapping[str, Any], status: int = 200) -> web.Response:
    text = json.dumps(finite(facts), ensure_ascii=False, default=str)
    # A lone surrogate, which a broken model can write, has no UTF-8.
    body = text.encode("utf-8", "replace")
    response = web.Response(body=body, status=status, content_type="application/json", charset="utf-8")
    if len(body) > 2000:
        response.enable_compression()
    return response
