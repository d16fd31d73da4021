"""Waits and limits that hold on a machine under load.

Nothing here gives up by itself: pytest's `timeout` (pyproject.toml) ends a test that hangs. So a slow
machine makes a test slow, and only a fault makes it fail.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

Found = TypeVar("Found")

LONG_SECONDS = 600
"""How long something would go on that a test expects to be stopped."""
LONG_BEFORE_SECONDS = LONG_SECONDS / 2
"""Within this time it was stopped, and did not end by itself."""
_LOOK_SECONDS = 0.02


def wait_until(happened: Callable[[], Found | None], process: Any = None) -> Found:
    """Looks again and again until `happened` finds something. Fails if the process ends before."""
    while not (found := happened()):
        assert process is None or process.poll() is None, f"it ended with status {process.returncode}"
        time.sleep(_LOOK_SECONDS)
    return found


async def until(happened: Callable[[], Found | None]) -> Found:
    """The same, for a test that shares its event loop with what it waits for."""
    while not (found := happened()):  # noqa: ASYNC110 - mostly another process's doing: no Event tells
        await asyncio.sleep(_LOOK_SECONDS)
    return found


@contextlib.contextmanager
def processor_time(most: float) -> Iterator[None]:
    """Fails if the block uses more than so many seconds of a processor, however long it waits.

    A tracer, such as that of `coverage`, would take most of them: in the block there is none.
    """
    tracer = sys.gettrace()
    sys.settrace(None)
    start = time.process_time()
    try:
        yield
    finally:
        used = time.process_time() - start
        sys.settrace(tracer)
    assert used < most, f"{used:.1f} seconds of processor time, expected less than {most:g}"
