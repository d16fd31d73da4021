"""Commands of berry's own in processes of their own, which end with the process that started them.

An interrupt is passed on to them, and if their parent is killed, they are interrupted likewise (on
Linux): each stores its work as after Ctrl-C.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO

INTERRUPT = signal.SIGTERM
"""Interrupts a command of berry's like Ctrl-C, which a shell has its background commands ignore."""
_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of prctl(2)."""
_LOOK_SECONDS = 0.2

Child = subprocess.Popen[bytes]


def start_child(
    arguments: Sequence[str],
    output: BinaryIO,
    *,
    launcher: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Child:
    """Starts `berry ARGUMENTS`, which prints to a file.

    `launcher` starts it instead of Python, as `accelerate launch` does. It gets the variables of
    `environment` besides those of this process.
    """
    return subprocess.Popen(
        [*(launcher or [sys.executable]), "-m", "pipeline.cli", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env={**os.environ, **(environment or {})},
        # Else Ctrl-C would reach it twice, which means to stop at once.
        start_new_session=True,
        preexec_fn=_end_with_parent,
    )


def wait_for_child(child: Child, look: Callable[[], None] = lambda: None) -> int:
    """Waits until a command ends; returns its exit status, below 0 for a signal.

    `look` is called every so often, and once after the end. An interrupt is passed on, and raised again
    when the command has ended.
    """
    interrupted = False
    while True:
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_LOOK_SECONDS)
            status = child.poll()
            look()
            if status is not None:
                break
        except KeyboardInterrupt:
            interrupted = True
            child.send_signal(INTERRUPT)
        except BaseException:
            # `look` has failed, and is raised again: nobody would wait for the command any more.
            child.send_signal(INTERRUPT)
            child.wait()
            raise
    if interrupted:
        raise KeyboardInterrupt
    return status


def _end_with_parent() -> None:
    """Asks the kernel to end this process when its parent ends; only Linux can."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_DEATH_SIGNAL, signal.SIGTERM)
