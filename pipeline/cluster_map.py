"""Applies a function to many items as tasks on a Ray cluster.

For work on parts of a run: every node has to have berry installed, and to see the files.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from typing import Any, TypeVar

import ray
from ray.exceptions import RayError, RayTaskError

from pipeline.cluster.lost import one_line
from pipeline.cluster.ray_session import ClusterError, Head, join_ray
from pipeline.parallel import in_loop

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD = 2
"""Items for each CPU of the cluster that are sent before the oldest result is taken."""


async def map_on_cluster(
    function: Callable[[Item], Coroutine[Any, Any, Result]], items: Sequence[Item], address: str
) -> AsyncGenerator[Result, None]:
    """Yields the results in the order of the items; a task whose node dies is started again.

    Waits for results and for the end of Ray's head, whichever comes first. Raises AddressError, what
    `function` raises, and ClusterError if the cluster fails.
    """
    await asyncio.to_thread(join_ray, address, [])
    done = asyncio.Event()
    watching = asyncio.create_task(Head().watch(done))
    try:
        task: Any = ray.remote(num_cpus=1, max_retries=3)(in_loop)
        ahead = _AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        waiting: deque[Any] = deque()
        for item in items:
            waiting.append(task.remote(function, item))
            if len(waiting) >= ahead:
                yield await _result(waiting.popleft(), watching)
        while waiting:
            yield await _result(waiting.popleft(), watching)
    finally:
        done.set()
        watching.cancel()
        # That the head is lost was raised where its result was waited for.
        with contextlib.suppress(asyncio.CancelledError, ClusterError):
            await watching
        # Also ends the tasks that are under way.
        await asyncio.to_thread(ray.shutdown)


async def _result(reference: Any, watching: "asyncio.Task[None]") -> Any:
    waiting = asyncio.ensure_future(_take(reference))
    try:
        await asyncio.wait({waiting, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            await watching  # raises that the head is gone
        return await waiting
    finally:
        waiting.cancel()


async def _take(reference: Any) -> Any:
    try:
        return await reference
    except RayTaskError as e:
        if isinstance(e.cause, Exception):
            raise e.cause from e
        raise ClusterError(f"a task of the cluster failed: {one_line(e)}") from e
    except RayError as e:
        raise ClusterError(f"a task of the cluster failed: {one_line(e)}; repeat the command") from e
