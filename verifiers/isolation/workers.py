"""Runs a check in processes of its own, which are killed when it takes too long.

Only processes can be stopped reliably: signals do not reach threads, and C code ignores both. Items
that arrive together go out in one batch, which has the time limit of a single item. If the batch
exceeds it, or its process dies or runs out of memory, its items are retried one at a time. So only a
guilty item is lost, and only after it fails a second time, in a fresh process.

    who                   waits for              is woken by
    run                   its own result         the batch that carries its item
    _run_batch            the batch's results    pebble, which enforces the limits

Usable from several threads and event loops: each loop collects batches of its own.
"""

import asyncio
import importlib
import os
import resource
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from typing import Any, Generic, TypeVar

from pebble import ProcessExpired, ProcessPool

from verifiers.isolation.clean_processes import clean_context

Item = TypeVar("Item")
Result = TypeVar("Result")

_OUT_OF_MEMORY = 77
"""Exit status of a process that ran out of memory, after which its state is unusable."""


class CheckFailed(Exception):
    """The check gave no result: too slow, out of memory, or it raised. The message says which."""


class _Closed(CheckFailed):
    """The workers were closed while an item waited."""


class _OverLimit(CheckFailed):
    """The process was lost; a retry in a fresh one may succeed."""


Waiting = list[tuple[Item, asyncio.Future[Result]]]
"""Items and the futures of their results."""


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
        """`check` must be a module-level function, so that a process can import it.

        At most `batch_size` items share a process's time limit. `preload` names slow modules that the
        check needs, so that their import does not count towards an item's time.
        """
        self._check = check
        self._max_workers = max_workers
        self._timeout_seconds = timeout_seconds
        self._memory_mb = memory_mb
        self._preload = preload
        self._batch_size = batch_size
        self._pool: Any = None
        self._lock = threading.Lock()
        """Guards starting and taking the pool."""
        self._waiting: dict[asyncio.AbstractEventLoop, Waiting[Item, Result]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._num_closed = 0
        self._running: set[asyncio.Future[list[Result]]] = set()
        """Batches that a process is working on."""

    async def start(self) -> None:
        """Starts the processes and their imports, so that the first item does not wait for them."""
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
            # Sent once the loop has run everything that is ready, so that items that arrive in the
            # same turn share a batch.
            loop.call_soon(self._flush, loop)
        if len(waiting) >= self._batch_size:
            self._flush(loop)
        return await future

    async def close(self) -> None:
        """Kills the processes; waiting callers get CheckFailed. Calling it twice is safe."""
        with self._lock:
            pool, self._pool = self._pool, None
            self._num_closed += 1
        for waiting in list(self._waiting.values()):
            for _, future in waiting:
                _soon(future, _fail, future, _Closed("closed while the item waited"))
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
                raise _Closed("closed while the item waited")
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
            # A pool that could not replace a killed process is broken; the next item gets a new pool.
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
            raise _Closed("closed while the item was checked") from e
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
        # The server imports the check's modules once, so a killed process is replaced in milliseconds.
        modules = [self._check.__module__, *self._preload]
        return ProcessPool(
            max_workers=self._max_workers,
            context=clean_context(modules),
            initializer=_prepare,
            initargs=(modules, self._memory_mb),
        )


def _soon(future: "asyncio.Future[Any]", call: Callable[..., object], *arguments: object) -> None:
    """Schedules the call in the future's own loop, unless that loop is closed."""
    loop = future.get_loop()
    if not loop.is_closed():
        loop.call_soon_threadsafe(call, *arguments)


def _fail(future: "asyncio.Future[Any]", error: CheckFailed) -> None:
    if not future.done():
        future.set_exception(error)


def _apply(check: Callable[[Item], Result], items: list[Item]) -> list[Result]:
    try:
        return [check(item) for item in items]
    except MemoryError:
        os._exit(_OUT_OF_MEMORY)
    except SystemExit as e:
        raise RuntimeError(f"the check tried to exit with {e.code}") from e


def _idle() -> None:
    """Occupies a process for a moment, so that every process of the pool gets one of these calls."""
    time.sleep(0.05)


def _prepare(modules: Sequence[str], megabytes: int) -> None:
    """Imports what the check needs, then limits this process to `megabytes` beyond that.

    Only a program's first pool finds its modules already in the fork server.
    """
    for module in modules:
        importlib.import_module(module)
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = mapped + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
