"""Applies a function to many items in processes of their own.

Every core counts, and the memory goes back to the system when the processes end.
"""

import asyncio
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import aclosing
from functools import partial
from typing import Any, TypeVar

from pebble import ProcessExpired, ProcessPool

from pipeline.errors import RunFailure
from reward_models.processor import usable_cores
from verifiers.isolation.clean_processes import clean_context

Item = TypeVar("Item")
Result = TypeVar("Result")

FEW_BYTES = 64 * 2**20
"""Files of so many bytes together are worked on in the process itself: others take seconds to start."""
_MOST_PROCESSES = 8
"""Each may have a row group and its copy in memory, some 200 MB."""
_AHEAD = 2
"""Items for each process that are sent before the oldest result is taken."""


WORK = 64
"""Deriving rows from a byte of `trees` takes so much more work than copying it."""


def processes_for(num_items: int) -> int:
    """Number of processes for files of rows: at most one for each item and each usable core."""
    return min(num_items, _MOST_PROCESSES, len(usable_cores()))


async def map_trees(
    function: Callable[[Item], Coroutine[Any, Any, Result]], items: Sequence[Item], num_bytes: int
) -> AsyncGenerator[Result, None]:
    """Yields the results for parts of `trees` with so many bytes together, in order.

    Works in the process itself if they are few. Raises what `function` raises, and RunFailure.
    """
    if num_bytes <= FEW_BYTES // WORK or len(items) == 1:
        for item in items:
            yield await function(item)
        return
    call = partial(in_loop, function)
    number = processes_for(len(items))
    async with aclosing(map_in_processes(call, items, number, function.__module__)) as results:
        async for result in results:
            yield result


def in_loop(function: Callable[[Item], Coroutine[Any, Any, Result]], item: Item) -> Result:
    """The result of an asynchronous function, in a process without a loop."""
    return asyncio.run(function(item))


async def map_in_processes(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    num_processes: int | None = None,
    module: str | None = None,
) -> AsyncGenerator[Result, None]:
    """Yields the results in the order of the items; by default with a process for each usable core.

    `function` must be one that a process can import, with an item and a result that can be pickled. Its
    module, or another one that is named, is imported before the first item comes.
    What it raises is raised here; then, or if the generator is closed, its processes are killed. Raises
    RunFailure if a process dies.
    """
    module = module or function.__module__
    num_processes = num_processes or len(usable_cores())
    pool = _start(module, num_processes)
    waiting: deque[asyncio.Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(asyncio.wrap_future(_schedule(pool, function, item, module)))
            if len(waiting) >= _AHEAD * num_processes:
                yield await waiting.popleft()
        while waiting:
            yield await waiting.popleft()
    except ProcessExpired as e:
        raise _died(module, f"status {e.exitcode}") from e
    except BrokenProcessPool as e:
        raise _died(module, "while it started") from e
    finally:
        for future in waiting:
            future.cancel()
        await asyncio.to_thread(_end, pool)


def _start(module: str, num_processes: int) -> Any:
    try:
        return ProcessPool(
            max_workers=num_processes, context=clean_context([module]), initializer=_depend_on_starter
        )
    except (OSError, EOFError) as e:
        raise _died(module, "while it started") from e


def _schedule(
    pool: Any, function: Callable[[Item], Result], item: Item, module: str
) -> "Future[Result]":
    try:
        future: Future[Result] = pool.schedule(function, args=(item,))
    except (RuntimeError, OSError, EOFError) as e:  # a pool whose processes could not be replaced
        raise _died(module, "while it started") from e
    return future


def _died(module: str, how: str) -> RunFailure:
    return RunFailure(
        f"a process of {module} died ({how}), perhaps for lack of memory; repeat the command"
    )


def _end(pool: Any) -> None:
    pool.stop()
    pool.join()


def _depend_on_starter() -> None:
    """Has this process end with the one that started it, however that ends.

    Else it would go on writing to files that the next command writes to.
    """
    threading.Thread(target=_end_with_starter, daemon=True).start()


def _end_with_starter() -> None:
    starter = multiprocessing.parent_process()
    assert starter is not None, "expected a process that multiprocessing started"
    starter.join()
    os._exit(1)
