"""The sandbox's current activity, for tests that need a program to be running."""

import contextlib
from typing import Any

import psutil

from sandbox import Sandbox


def running(sandbox: Sandbox) -> list[psutil.Process]:
    """The processes of the sandbox's running programs."""
    found = []
    for worker in sandbox._workers:
        # A worker that is being replaced has no zygote to ask.
        with contextlib.suppress(OSError, psutil.NoSuchProcess):
            if worker.pid is not None:
                found += psutil.Process(worker.zygote_pid).children()
    return found


def sleep_in_thread(seconds: float, printed: object) -> str:
    """A program that sleeps and prints something; while it sleeps, `asleep` finds it."""
    return (
        f"import threading, time\nthread = threading.Thread(target=time.sleep, args=[{seconds}])\n"
        f"thread.start()\nthread.join()\nprint({printed!r})"
    )


def asleep(sandbox: Sandbox) -> list[psutil.Process]:
    """The running programs of `sleep_in_thread`, recognized by their second thread."""
    found = []
    for process in running(sandbox):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.num_threads() > 1:
                found.append(process)
    return found


def call_f(code: str | None) -> Any:
    """`f(2)` of the program, computed in this process; only for the tests' own programs."""
    assert code is not None
    namespace: dict[str, Any] = {}
    exec(compile(code, "program.py", "exec"), namespace)
    return namespace["f"](2)
