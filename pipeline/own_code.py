"""Calls into what a user brought: a source, a reward model, an engine.

It may be plain or a coroutine, and break in any way; what it raised is named with the line in its own
file, since that is where its author has to look.
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
    """Calls functions: coroutines here, plain ones one at a time in one thread that is theirs alone.

    So the event loop goes on, and what is called need not be safe for threads.
    """

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None

    async def call(self, function: Callable[..., Any], *arguments: object) -> Any:
        """What the function returns. Raises what it raises."""
        if inspect.iscoroutinefunction(function):
            return await function(*arguments)
        self._thread = self._thread or ThreadPoolExecutor(1, "own code")
        loop = asyncio.get_running_loop()
        result = await loop.run_in_executor(self._thread, _run, function, *arguments)
        return await result if inspect.isawaitable(result) else result

    def close(self) -> None:
        """Ends the thread once its call is over; calling it twice is fine."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown(wait=False, cancel_futures=True)


def _run(function: Callable[..., Any], *arguments: object) -> Any:
    try:
        return function(*arguments)
    except StopIteration as e:
        # A future cannot hold one: whoever waits for it would wait for ever.
        raise RuntimeError("StopIteration") from e


def raised(error: BaseException, cls: type[Any]) -> str:
    """The error's type and message, and the line of the class's own file where it arose."""
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == file]
    at = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    return f"{named(error)}{at}"
