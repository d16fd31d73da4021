"""Runs a third-party verifier in a thread of its own and watches for calls that hang.

The whole verifier runs in one daemon thread with one event loop: plain functions one at a time,
coroutines concurrently. The caller's loop stays responsive, and the program can exit while a call
hangs.

    after            what happens
    `slow_seconds`   a warning names the verifier and recommends processes; repeated at twice the time
    `limit_seconds`  `Stuck` for all waiting and later calls: a thread cannot be stopped, so no call
                     would be answered any more

The limit applies to a blocked thread, whether by a plain function or by a coroutine that never awaits.
A coroutine that awaits for long causes warnings but may continue. C code that never releases the GIL,
as a regular expression may not, stops the whole process: Python then prints the stack of every thread
(`faulthandler`), and only killing the process helps.
"""

import asyncio
import contextlib
import faulthandler
import inspect
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

SLOW_SECONDS = 60.0
LIMIT_SECONDS = 600.0
_LOOKS = 4
"""Shortest time between two warnings; number of checks per `slow_seconds`."""

_log = logging.getLogger(__name__)


class Stuck(Exception):
    """The thread has been blocked for too long; the message names the cause."""


class OwnThread:
    """Runs a verifier's functions; used by one event loop at a time."""

    def __init__(self, name: str, slow_seconds: float, limit_seconds: float) -> None:
        """`name` is the verifier's, for messages."""
        self._name = name
        self._slow_seconds = slow_seconds
        self._limit_seconds = limit_seconds
        self._inside = _Inside()
        self._loop = self._inside.loop
        self._waiting: set[asyncio.Future[Any]] = set()
        self._without_limit = 0
        self._stuck: str | None = None
        self._look_at: asyncio.TimerHandle | None = None
        self._answered = 0.0
        """When a call last ended, or when the first one began."""
        self._next_warning = slow_seconds
        name = f"verifier {name}"
        threading.Thread(target=self._inside.serve, name=name, daemon=True).start()

    def __del__(self) -> None:
        self.stop()

    @property
    def is_stuck(self) -> bool:
        """Whether the thread has been abandoned."""
        return self._stuck is not None

    async def call(self, function: Callable[..., Any], *arguments: object, limited: bool = True) -> Any:
        """The function's result, awaited if it is a coroutine. Raises its exceptions, and Stuck.

        With `limited=False` the call has no time limit: starting may load a model.
        """
        if self._stuck is not None:
            raise Stuck(self._stuck)
        # Before the call, which may be the last thing that this process does.
        self._begin_watch()
        future = asyncio.wrap_future(
            asyncio.run_coroutine_threadsafe(self._inside.outcome(function, arguments), self._loop)
        )
        self._waiting.add(future)
        self._without_limit += not limited
        try:
            result, error = await future
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._stuck is None or task is None or task.cancelling():
                raise
            raise Stuck(self._stuck) from None
        finally:
            self._waiting.discard(future)
            self._without_limit -= not limited
            self._answered = time.monotonic()
            self._next_warning = self._slow_seconds
        if error is not None:
            raise error
        return result

    def stop(self) -> None:
        """Ends the thread once its current call returns. Calling it twice is safe."""
        if self._look_at is not None:
            self._look_at.cancel()
            self._look_at = None
            faulthandler.cancel_dump_traceback_later()
        with contextlib.suppress(RuntimeError):  # its loop may be closed already
            self._loop.call_soon_threadsafe(self._loop.stop)

    # ------------------------------------------------------------------------------------ watching

    def _begin_watch(self) -> None:
        if self._waiting:
            return
        self._inside.came_back = self._answered = time.monotonic()
        self._next_warning = self._slow_seconds
        if self._look_at is None or self._look_at.when() < asyncio.get_running_loop().time():
            # The last check found nothing to do, or its event loop ended before it ran.
            self._look_later()

    def _look_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._look_at = loop.call_later(self._slow_seconds / _LOOKS, self._look)
        if sys.__stderr__ is not None:
            # Printed only if no later check cancels it, because no Python thread runs any more.
            faulthandler.dump_traceback_later(self._slow_seconds * 1.5, file=sys.__stderr__)

    def _look(self) -> None:
        """Asks the thread for a sign of life while calls wait; warns if there is none."""
        if not self._waiting:
            self._look_at = None
            faulthandler.cancel_dump_traceback_later()
            return
        self._look_later()
        with contextlib.suppress(RuntimeError):  # its loop is closed
            self._loop.call_soon_threadsafe(self._inside.give_sign)
        blocked, waited = (
            time.monotonic() - since for since in (self._inside.came_back, self._answered)
        )
        if blocked >= self._limit_seconds and not self._without_limit:
            self._give_up()
        elif waited >= self._next_warning:
            self._next_warning *= 2
            _log.warning("%s", self._warning(waited, is_blocked=blocked >= self._slow_seconds / 2))

    def _warning(self, waited: float, *, is_blocked: bool) -> str:
        said = f"the verifier {self._name!r} has given no verdict for {waited:.0f} seconds"
        if not is_blocked:
            return f"{said}; {len(self._waiting)} responses are waiting"
        end = (
            "" if self._without_limit else f" It is abandoned after {self._limit_seconds:.0f} seconds."
        )
        return (
            f"{said}: a call does not return, and the others wait for it.{end} If a response may "
            "take forever, set `processes` and `process_seconds` in the verifier's section: a process "
            "can be stopped, a thread cannot"
        )

    def _give_up(self) -> None:
        self._stuck = (
            f"a call did not return for {self._limit_seconds:g} seconds and cannot be stopped; set "
            "`processes` in the verifier's section to make calls stoppable"
        )
        _log.warning("the verifier %r is abandoned: %s", self._name, self._stuck)
        for future in list(self._waiting):
            future.cancel()


class _Inside:
    """State of the thread. It holds no reference to its owner, which may be deleted first."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.came_back = 0.0
        """When the thread last ran its loop or ended a call."""
        self._turns: deque[asyncio.Future[None]] = deque()
        """Calls that have not begun."""
        self._is_giving_turns = False

    def serve(self) -> None:
        """Runs the loop until it is stopped."""
        asyncio.set_event_loop(self.loop)
        while True:
            # A task of the verifier's own that exits raises here.
            with contextlib.suppress(SystemExit, KeyboardInterrupt):
                self.loop.run_forever()
                break
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    async def outcome(
        self, function: Callable[..., Any], arguments: tuple[object, ...]
    ) -> tuple[Any, BaseException | None]:
        """The function's result, or its exception: no exception may end the loop."""
        await self._turn()
        try:
            result = function(*arguments)
            return (await result if inspect.isawaitable(result) else result), None
        except BaseException as e:  # noqa: BLE001 - third-party verifiers raise anything
            return None, e
        finally:
            self.give_sign()

    def give_sign(self) -> None:
        """Records that the thread is not blocked."""
        self.came_back = time.monotonic()

    def _turn(self) -> "asyncio.Future[None]":
        """Starts one call in each round of the loop, so that a verdict is sent before the next call."""
        turn = self.loop.create_future()
        self._turns.append(turn)
        if not self._is_giving_turns:
            self._is_giving_turns = True
            # Not now: the call that has just ended may not have sent its verdict yet.
            self.loop.call_soon(self._give_turn)
        return turn

    def _give_turn(self) -> None:
        while self._turns and self._turns[0].cancelled():
            self._turns.popleft()
        self._is_giving_turns = bool(self._turns)
        if self._turns:
            self._turns.popleft().set_result(None)
            self.loop.call_soon(self._give_turn)
