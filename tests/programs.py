"""What a sandbox is at just now, for tests that need a program to be running."""

import contextlib
from typing import Any

import psutil

from sandbox import Sandbox


def running(sandbox: Sandbox) -> list[psutil.Process]:
    """The processes of its programs, of those that have begun and not ended."""
    found = []
    for worker in sandbox._workers:
        # A worker that is being replaced has nobody to ask.
        with contextlib.suppress(OSError, psutil.NoSuchProcess):
            if worker.pid is not None:
                found += psutil.Process(worker.zygote_pid).children()
    return found


def sleep_in_thread(seconds: float, printed: object) -> str:
    """A program that sleeps and prints something; while it sleeps `asleep` finds it."""
    return (
        f"import threading, time\nthread = threading.Thread(target=time.sleep, args=[{seconds}])\n"
        f"thread.start()\nthread.join()\nprint({printed!r})"
    )


def asleep(sandbox: Sandbox) -> list[psutil.Process]:
    """Those of `sleep_in_thread` whose own code has the word: of a second thread everybody can know."""
    found = []
    for process in running(sandbox):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.num_threads() > 1:
                found.append(process)
    return found


def call_f(code: str | None) -> Any:
    """What the program's `f` makes of 2, in this process: for programs of our own."""
    assert code is not None
    namespace: dict[str, Any] = {}
    exec(compile(code, "program.py", "exec"), namespace)
    return namespace["f"](2)
