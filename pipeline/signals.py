"""SIGTERM and SIGHUP end a command as Ctrl-C does: what is committed stays, and the last line says how
to go on.

Schedulers send SIGTERM, a closed terminal SIGHUP. A signal that the caller ignores (`nohup`) stays
ignored.
"""

import signal
import threading
from types import FrameType

_LIKE_INTERRUPT = (signal.SIGTERM, signal.SIGHUP)


def treat_as_interrupt() -> None:
    """Installs the handlers. Other libraries install their own at times: call it again after those."""
    if threading.current_thread() is not threading.main_thread():
        return  # Python handles signals in the main thread alone
    for number in _LIKE_INTERRUPT:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Does what Ctrl-C would: asyncio cancels its main task, elsewhere KeyboardInterrupt is raised."""
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler):
        handler(number, frame)
    else:
        # A shell without job control starts background processes so that they ignore SIGINT.
        raise KeyboardInterrupt
