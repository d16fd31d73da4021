"""Makes SIGTERM and SIGHUP end a command like Ctrl-C: committed work is saved, and the last line says
how to resume.

Schedulers send SIGTERM, a closed terminal sends SIGHUP. A signal that the caller ignores (`nohup`)
stays ignored.
"""

import signal
import threading
from types import FrameType

_LIKE_INTERRUPT = (signal.SIGTERM, signal.SIGHUP)


def treat_as_interrupt() -> None:
    """Installs the handlers. Call it again after a library has installed its own."""
    if threading.current_thread() is not threading.main_thread():
        return  # Python handles signals only in the main thread
    for number in _LIKE_INTERRUPT:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Acts like Ctrl-C: asyncio cancels its main task, other code gets KeyboardInterrupt."""
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler):
        handler(number, frame)
    else:
        # Background processes of a shell without job control ignore SIGINT.
        raise KeyboardInterrupt
