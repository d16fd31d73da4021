"""Processes that know nothing of the program that starts them, for pools of workers.

Python's own start methods fork a program with its threads, which can deadlock, or import its script
again: a script without `if __name__ == "__main__"` would start workers that start workers.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from types import ModuleType
from typing import Any

_MAIN_LOCK = threading.Lock()


def clean_context(modules: Sequence[str]) -> ForkServerContext:
    """A context whose processes are forked from a server that starts clean.

    The program's first server imports `modules` once for all of them.
    """
    context = _Context()
    context.set_forkserver_preload(list(modules))
    # Ctrl-C reaches every process of a terminal, and is for the first of them alone.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with _safe_path():
            forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return context


class _Process(ForkServerProcess):
    """A process that does not import the caller's script: it needs nothing from it."""

    @staticmethod
    def _Popen(process: Any) -> Any:
        with _MAIN_LOCK:
            main = sys.modules["__main__"]
            sys.modules["__main__"] = ModuleType("__main__")
            try:
                return ForkServerProcess._Popen(process)
            finally:
                sys.modules["__main__"] = main


class _Context(ForkServerContext):
    Process = _Process


@contextlib.contextmanager
def _safe_path() -> Iterator[None]:
    """Keeps the fork server from importing a `queue.py` in the current folder instead of Python's."""
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = before
