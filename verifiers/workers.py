"""Runs a check in processes of its own, which are killed when it takes too long.

Only a process can be stopped for certain: a signal does not reach threads, and C code ignores both.
Items that arrive together go out in one batch, which has the time limit of a single item; if it is
over, or its process dies or runs out of memory, the items go again one by one. So only a guilty item is
lost, and not before it has failed a second time, in a fresh process.

    who                   waits for              is woken by
    run                   its own result         the batch that carries its item
    _run_batch            the batch's results    pebble, which enforces the limits

Usable from several threads and event loops at once: each loop collects batches of its own.
"""

import asyncio
import contextlib
import importlib
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import TimeoutError as FutureTimeout
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

from pebble import ProcessExpired, ProcessPool

Item = TypeVar("Item")
Result = TypeVar("Result")

_MAIN_LOCK = threading.Lock()
_OUT_OF_MEMORY = 77
"""Exit status of a process that ran out of memory: what it holds then is of no more use."""


class CheckFailed(Exception):
    """The check gave no result: too slow, out of memory, or it raised. The message says which."""


class _Closed(CheckFailed):
    """The workers were closed while somebody waited."""


class _OverLimit(CheckFailed):
    """The process was lost; a second try in a fresh one may end otherwise."""


Waiting = list[tuple[Item, asyncio.Future[Result]]]
"""Items whose results somebody waits for."""


class ProcessWorkers(Generic[Item, Result]):
    """A pool of processes that apply `check` to items."""

    def __init__(
        self,
        check: Callable[[Item], Result],
        *,
        max_workers: int,
        timeout_seconds: float,
        memory_mb: int,
        preload: Sequence[str] = (),
        batch_size: int = 32,
    ) -> None:
        """`check` is a module's function, so that a process can import it.

        At most `batch_size` items share a process's time limit. `preload` names slow modules that
        the check needs, so that no item's time goes into their import.
        """
        self._check = check
        self._max_workers = max_workers
        self._timeout_seconds = timeout_seconds
        self._memory_mb = memory_mb
        self._preload = preload
        self._batch_size = batch_size
        self._pool: Any = None
        self._lock = threading.Lock()
        """Held to start or take the pool."""
        self._waiting: dict[asyncio.AbstractEventLoop, Waiting[Item, Result]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._num_closed = 0
        self._running: set[asyncio.Future[list[Result]]] = set()
        """Batches that are with a process."""

    async def start(self) -> None:
        """Starts the processes and their imports, so that the first item need not wait for them."""
        pool = self._running_pool()
        await asyncio.gather(
            *(asyncio.wrap_future(pool.schedule(_idle)) for _ in range(self._max_workers))
        )

    async def run(self, item: Item) -> Result:
        """The check's result. Raises CheckFailed."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        waiting = self._waiting.setdefault(loop, [])
        waiting.append((item, future))
        if len(waiting) == 1:
            # Sent off once the loop has run everything that is ready, so that items that arrive
            # in the same turn share a batch.
            loop.call_soon(self._flush, loop)
        if len(waiting) >= self._batch_size:
            self._flush(loop)
        return await future

    async def close(self) -> None:
        """Kills the processes; whoever waits gets CheckFailed. Calling it twice is fine."""
        with self._lock:
            pool, self._pool = self._pool, None
            self._num_closed += 1
        for waiting in list(self._waiting.values()):
            for _, future in waiting:
                _soon(future, _fail, future, _Closed("closed while it waited"))
            waiting.clear()
        for running in list(self._running):
            _soon(running, running.cancel)
        if pool is not None:
            pool.stop()
            await asyncio.to_thread(pool.join)

    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        batch = self._waiting.pop(loop, [])
        if batch:
            task = loop.create_task(self._run_batch(batch, self._num_closed))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run_batch(
        self, batch: Waiting[Item, Result], num_closed: int, *, last_try: bool = False
    ) -> None:
        try:
            if num_closed != self._num_closed:
                raise _Closed("closed while it waited")
            results = await self._schedule([item for item, _ in batch])
        except CheckFailed as e:
            again = len(batch) > 1 or (isinstance(e, _OverLimit) and not last_try)
            if again and not isinstance(e, _Closed):
                tries = (self._run_batch([one], num_closed, last_try=True) for one in batch)
                await asyncio.gather(*tries)
            else:
                for _, future in batch:
                    _fail(future, e)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)

    async def _schedule(self, items: list[Item]) -> list[Result]:
        try:
            future = self._running_pool().schedule(
                _apply, args=(self._check, items), timeout=self._timeout_seconds
            )
        except (RuntimeError, OSError) as e:
            # A pool that could not replace a killed process is broken; the next item gets a new one.
            await self.close()
            raise CheckFailed(f"the checking processes could not be started ({e})") from e
        running: asyncio.Future[list[Result]] = asyncio.wrap_future(future)
        self._running.add(running)
        try:
            return await running
        except asyncio.CancelledError as e:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise _Closed("closed while it was checked") from e
        except FutureTimeout as e:
            raise _OverLimit(f"took longer than {self._timeout_seconds:g} seconds") from e
        except ProcessExpired as e:
            if e.exitcode == _OUT_OF_MEMORY:
                raise _OverLimit(f"needed more than {self._memory_mb} MB") from e
            raise _OverLimit("the checking process died") from e
        except Exception as e:
            raise CheckFailed(f"{type(e).__name__}: {e}"[:200]) from e
        finally:
            self._running.discard(running)

    def _running_pool(self) -> Any:
        with self._lock:
            if self._pool is None:
                self._pool = self._start_pool()
            return self._pool

    def _start_pool(self) -> Any:
        # A fork server is started clean: forking this process, with its threads, could deadlock.
        # It imports the check's modules once: a killed process is replaced in milliseconds.
        context = _Context()
        modules = [self._check.__module__, *self._preload]
        context.set_forkserver_preload(modules)
        with _safe_path():
            forkserver.ensure_running()
        return ProcessPool(
            max_workers=self._max_workers,
            context=context,
            initializer=_prepare,
            initargs=(modules, self._memory_mb),
        )


class _Process(ForkServerProcess):
    """A process that does not run the caller's script again, as Python's own do.

    It needs nothing from there, and a script without `if __name__ == "__main__"` would start workers
    that start workers.
    """

    @staticmethod
    def _Popen(process: Any) -> Any:
        with _MAIN_LOCK:
            main = sys.modules["__main__"]
            sys.modules["__main__"] = ModuleType("__main__")
            try:
                return ForkServerProcess._Popen(process)
            finally:
                sys.modules["__main__"] = main


class _Context(ForkServerContext):
    Process = _Process


def _soon(future: "asyncio.Future[Any]", call: Callable[..., object], *arguments: object) -> None:
    """Calls in the future's own loop, unless that has ended."""
    loop = future.get_loop()
    if not loop.is_closed():
        loop.call_soon_threadsafe(call, *arguments)


def _fail(future: "asyncio.Future[Any]", error: CheckFailed) -> None:
    if not future.done():
        future.set_exception(error)


@contextlib.contextmanager
def _safe_path() -> Iterator[None]:
    """The fork server must not take a user's `queue.py` in the current folder for Python's."""
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = before


def _apply(check: Callable[[Item], Result], items: list[Item]) -> list[Result]:
    try:
        return [check(item) for item in items]
    except MemoryError:
        os._exit(_OUT_OF_MEMORY)
    except SystemExit as e:
        raise RuntimeError(f"it tried to exit with {e.code}") from e


def _idle() -> None:
    """Keeps a process for a moment, so that each of the pool's gets one of these."""
    time.sleep(0.05)


def _prepare(modules: Sequence[str], megabytes: int) -> None:
    """Imports what the check needs, then limits this process to `megabytes` beyond that.

    Only the first pool of a program has its modules in the fork server already.
    """
    for module in modules:
        importlib.import_module(module)
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = mapped + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
