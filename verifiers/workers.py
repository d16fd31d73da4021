"""Runs a check in processes of its own, which are killed when it takes too long.

Only a process can be stopped for certain: a signal does not reach threads, and C code ignores both.
Items that arrive together go out in one batch, which has the time limit of a single item; if it is
over or its process dies, the items go again one by one, so that only the guilty one is lost.
"""

import asyncio
import multiprocessing
import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from typing import Any, Generic, TypeVar

from pebble import ProcessExpired, ProcessPool

Item = TypeVar("Item")
Result = TypeVar("Result")

_BATCH_SIZE = 32


class CheckFailed(Exception):
    """The check gave no result: too slow, out of memory, or it raised. The message says which."""


class ProcessWorkers(Generic[Item, Result]):
    """A pool of processes that apply `check` to items; for one event loop at a time."""

    def __init__(
        self,
        check: Callable[[Item], Result],
        *,
        max_workers: int,
        timeout_seconds: float,
        memory_mb: int,
        preload: Sequence[str] = (),
    ) -> None:
        """`check` is a module's function, so that a process can import it.

        `preload` names slow modules that it needs, so that no item's time goes into their import.
        """
        self._check = check
        self._max_workers = max_workers
        self._timeout_seconds = timeout_seconds
        self._memory_mb = memory_mb
        self._preload = preload
        self._pool: Any = None
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Starts the processes and their imports, so that the first item need not wait for them."""
        if self._pool is None:
            self._pool = self._start_pool()
        await asyncio.gather(
            *(asyncio.wrap_future(self._pool.schedule(_idle)) for _ in range(self._max_workers))
        )

    async def run(self, item: Item) -> Result:
        """The check's result. Raises CheckFailed."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if len(self._waiting) == 1:
            # Sent off once the loop has run everything that is ready, so that items that arrive
            # in the same turn share a batch.
            asyncio.get_running_loop().call_soon(self._flush)
        elif len(self._waiting) == _BATCH_SIZE:
            self._flush()
        return await future

    async def close(self) -> None:
        """Kills the processes; calling it twice is fine."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()
            await asyncio.to_thread(pool.join)

    def _flush(self) -> None:
        batch, self._waiting = self._waiting, []
        if batch:
            task = asyncio.create_task(self._run_batch(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run_batch(self, batch: Sequence[tuple[Item, "asyncio.Future[Result]"]]) -> None:
        try:
            results = await self._schedule([item for item, _ in batch])
        except CheckFailed as e:
            if len(batch) > 1:
                await asyncio.gather(*(self._run_batch([one]) for one in batch))
            elif not batch[0][1].done():
                batch[0][1].set_exception(e)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)

    async def _schedule(self, items: list[Item]) -> list[Result]:
        try:
            if self._pool is None:
                self._pool = self._start_pool()
            pool = self._pool
            future = pool.schedule(_apply, args=(self._check, items), timeout=self._timeout_seconds)
        except (RuntimeError, OSError) as e:
            # A pool that could not replace a killed process is broken; the next item gets a new one.
            await self.close()
            raise CheckFailed(f"the checking processes could not be started ({e})") from e
        try:
            results: list[Result] = await asyncio.wrap_future(future)
        except FutureTimeout as e:
            raise CheckFailed(f"took longer than {self._timeout_seconds:g} seconds") from e
        except ProcessExpired as e:
            raise CheckFailed("the checking process died") from e
        except MemoryError as e:
            raise CheckFailed(f"needed more than {self._memory_mb} MB") from e
        except Exception as e:
            raise CheckFailed(f"{type(e).__name__}: {e}"[:200]) from e
        return results

    def _start_pool(self) -> Any:
        # A fork server is started clean: forking this process, with its threads, could deadlock.
        # It imports the check's modules once: a killed process is replaced in milliseconds.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([self._check.__module__, *self._preload])
        return ProcessPool(
            max_workers=self._max_workers,
            context=context,
            initializer=_limit_memory,
            initargs=(self._memory_mb,),
        )


def _apply(check: Callable[[Item], Result], items: list[Item]) -> list[Result]:
    return [check(item) for item in items]


def _idle() -> None:
    """Keeps a process for a moment, so that each of the pool's gets one of these."""
    time.sleep(0.05)


def _limit_memory(megabytes: int) -> None:
    """Limits this process to `megabytes` beyond what its imports have mapped already."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = mapped + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
