"""What a sandbox is at just now, for tests that need a program to be running."""

import contextlib

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
