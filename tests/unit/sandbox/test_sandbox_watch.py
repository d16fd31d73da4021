"""Children that must be killed, regardless of the machine's load."""

import contextlib
import os
import signal
import socket
import subprocess
import sys

import pytest

from sandbox.inside import watch
from sandbox.inside.watch import Watch

BURN = "import time\nwhile time.process_time() < {}: pass\nprint('done')"


def ended_by(
    code: str, wall_seconds: float, cpu_seconds: float = 60, blows: tuple[int, ...] = ()
) -> tuple[str, bytes]:
    limits = {
        "output_bytes": 1000,
        "wall_seconds": wall_seconds,
        "cpu_seconds": cpu_seconds,
        "processes": 0,
    }
    ours, theirs = socket.socketpair()
    (out, out_end), (err, err_end), (begun, begun_end) = os.pipe(), os.pipe(), os.pipe()
    command = [sys.executable, "-S", "-c", f"import os; os.close({begun_end})\n{code}"]
    with (
        ours,
        theirs,
        subprocess.Popen(command, stdout=out_end, stderr=err_end, pass_fds=[begun_end]) as child,
        contextlib.ExitStack() as stack,
    ):
        # Popen waits for it at the end: up to a minute if something fails before.
        stack.callback(child.kill)
        for end in (out_end, err_end, begun_end):
            os.close(end)
        # The interpreter's start does not count towards the program's time here.
        os.read(begun, 1)
        os.close(begun)
        for blow in blows:
            child.send_signal(blow)
            # It takes effect, but nobody has been notified yet.
            os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WCONTINUED | os.WNOWAIT)
        watched = Watch([child.pid], (out, err), limits, ours)
        reason = watched.until_end()
        child.kill()
        printed, complained = watched.printed()
        content = bytes(printed)
        printed.release()
        complained.release()
        watched.close()
        os.close(out)
        os.close(err)
    return reason, content


def test_a_process_ready_to_run_is_not_over_its_wall_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_waited_for_core", lambda pid: 0.0)
    monkeypatch.setattr(watch, "_MOST_WAITING", 1000)
    assert ended_by(BURN.format(0.6), wall_seconds=0.3) == ("", b"done\n")


def test_a_sleeping_process_is_over_its_wall_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ended_by("import time; time.sleep(60)", wall_seconds=0.3) == ("wall", b"")
    monkeypatch.setattr(watch, "_waited_for_core", lambda pid: float("inf"))
    assert ended_by("import time; time.sleep(60)", wall_seconds=0.1) == ("wall", b"")


def test_a_process_that_hardly_gets_a_core_is_starved() -> None:
    assert ended_by(BURN.format(60), wall_seconds=0.1) == ("starved", b"")


def test_processor_time_ends_one_at_its_limit() -> None:
    assert ended_by(BURN.format(0.25), wall_seconds=60, cpu_seconds=0.5) == ("", b"done\n")
    assert ended_by(BURN.format(60), wall_seconds=60, cpu_seconds=0.3) == ("cpu", b"")


@pytest.mark.parametrize("blows", [(signal.SIGSTOP,), (signal.SIGSTOP, signal.SIGCONT)])
def test_a_stopped_process_is_distinguished_from_a_sleeping_one(blows: tuple[int, ...]) -> None:
    code = "import time; time.sleep(60)"
    assert ended_by(code, wall_seconds=0.3, blows=blows) == ("stopped", b"")


def test_output_is_kept_up_to_the_limit() -> None:
    reason, printed = ended_by("while True: print('x' * 99)", wall_seconds=5)
    assert (reason, len(printed)) == ("output", 1000)
