"""Turns a locked child into a command, or into Python code run as by `python program.py`.

No function here returns: a child must not get back into the zygote's code.
"""

import atexit
import contextlib
import io
import os
import resource
import signal
import sys
import threading
import types
from typing import NoReturn

OUT_OF_MEMORY = signal.SIGUSR2
"""Signal that a child sends to itself if it cannot do anything else."""

_STACK_BYTES = 2**28
"""Stack of the main thread, in bytes. Each thread that a command starts maps as much."""


class _Reader(io.TextIOWrapper):
    mode = "r"  # as on the interpreter's own streams; templates for fast input check it


class _Writer(io.TextIOWrapper):
    mode = "w"


def allow_depth() -> None:
    """Sets what every child inherits: deep recursion, and integers of any length as text.

    The stack of the main thread counts as memory. Judges of programming contests do not limit the
    number of digits, and the time limit bounds it anyway.
    """
    with contextlib.suppress(OSError, ValueError):
        _, hard = resource.getrlimit(resource.RLIMIT_STACK)
        soft = _STACK_BYTES if hard < 0 else min(hard, _STACK_BYTES)
        resource.setrlimit(resource.RLIMIT_STACK, (soft, hard))
    sys.set_int_max_str_digits(0)


def become_command(command: list[str]) -> NoReturn:
    try:
        os.execvpe(command[0], command, dict(os.environ))
    except (OSError, ValueError) as e:
        os.write(2, f"{command[0]}: {e}\n".encode(errors="backslashreplace"))
    os._exit(127)


def run_code(code: str, arguments: list[str]) -> NoReturn:
    """Does what `python program.py` does, from compiling to the last flush."""
    exit_code = 1
    try:
        stdin = _Reader(open(0, "rb", closefd=False), encoding="utf-8")
        stdout = _Writer(open(1, "wb", closefd=False), encoding="utf-8")
        stderr = _Writer(open(2, "wb", closefd=False), "utf-8", "backslashreplace", write_through=True)
        sys.stdin, sys.stdout, sys.stderr = stdin, stdout, stderr
        # Also held here, so that a program may wrap the streams' buffers again.
        vars(sys).update(__stdin__=stdin, __stdout__=stdout, __stderr__=stderr)
        sys.argv = ["program.py", *arguments]
        sys.modules["__main__"] = module = types.ModuleType("__main__")
        exec(compile(code, "program.py", "exec"), module.__dict__)
        exit_code = 0
    except SystemExit as e:
        exit_code = _exit_code(e.code)
    except MemoryError:
        # A traceback would need memory.
        os.write(2, b"MemoryError\n")
        os.kill(os.getpid(), OUT_OF_MEMORY)
    except BaseException:  # noqa: BLE001 - any exception ends a program
        _report()
    exit_code = _finish() or exit_code
    os._exit(exit_code)


def _exit_code(code: object) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return int(code) & 0xFF
    with contextlib.suppress(BaseException):
        sys.stderr.write(f"{code}\n")
    return 1


def _report() -> None:
    with contextlib.suppress(BaseException):
        sys.excepthook(*sys.exc_info())


def _finish() -> int:
    """Waits for threads, calls exit handlers and flushes, in the interpreter's own order."""
    try:
        getattr(threading, "_shutdown")()  # noqa: B009 - typeshed does not know it
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        if sys.__stdout__ is not None and not sys.__stdout__.closed:
            sys.__stdout__.flush()
    except SystemExit as e:
        return _exit_code(e.code)
    except BaseException:  # noqa: BLE001 - a broken pipe or a handler's own error is exit code 1
        return 1
    return 0
