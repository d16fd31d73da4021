"""Calls third-party code: a source, a reward model, an engine.

The code may be a plain function or a coroutine, and may fail in any way. A message about its error
names the line in the code's own file.
"""

import asyncio
import inspect
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pipeline.errors import named


class OwnThread:
    """Calls coroutines in the event loop, and plain functions one at a time in a dedicated thread.

    So plain functions do not block the event loop, and need not be thread-safe.
    """

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None

    async def call(self, function: Callable[..., Any], *arguments: object) -> Any:
        """Calls the function; returns its result or raises its error."""
        if inspect.iscoroutinefunction(function):
            return await function(*arguments)
        self._thread = self._thread or ThreadPoolExecutor(1, "own code")
        loop = asyncio.get_running_loop()
        result = await loop.run_in_executor(self._thread, _run, function, *arguments)
        return await result if inspect.isawaitable(result) else result

    def close(self) -> None:
        """Ends the thread after its current call; calling it twice is fine."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown(wait=False, cancel_futures=True)


def _run(function: Callable[..., Any], *arguments: object) -> Any:
    try:
        return function(*arguments)
    except StopIteration as e:
        # A future cannot hold StopIteration: waiting for it would never end.
        raise RuntimeError("StopIteration") from e


def raised(error: BaseException, cls: type[Any]) -> str:
    """The error's type and message, with the line in the class's own file."""
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == file]
    at = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    return f"{named(error)}{at}"
