"""The commands of stages: how they end, and how they are ended. A launcher stands for the command."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline.errors import RunFailure
from pipeline.loop.commands import Background, Commands
from tests.patience import LONG_BEFORE_SECONDS, LONG_SECONDS, wait_until


def _code(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_a_command_is_interrupted_even_where_a_shell_has_it_ignore_ctrl_c(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    ignores = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    launcher = _code(f"{ignores}print('ready', flush=True); time.sleep({LONG_SECONDS})")

    def interrupt() -> None:
        wait_until(lambda: log.exists() and b"ready" in log.read_bytes())
        os.kill(os.getpid(), signal.SIGINT)

    began = time.monotonic()
    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        Commands().berry([], log, launcher)
    assert time.monotonic() - began < LONG_BEFORE_SECONDS


def test_a_background_command_is_ended_even_if_it_ignores_ctrl_c(tmp_path: Path) -> None:
    log, background = tmp_path / "x.log", Background()
    ignores = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    launcher = _code(f"{ignores}print('ready', flush=True); time.sleep({LONG_SECONDS})")
    command = Commands()._start([], log, launcher)
    background.begin(log, command)
    wait_until(lambda: b"ready" in log.read_bytes(), command.process)
    began = time.monotonic()
    background.close()
    assert time.monotonic() - began < LONG_BEFORE_SECONDS
    assert command.process.returncode == -signal.SIGTERM


def test_the_line_of_an_earlier_attempt_is_not_that_of_this_one(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    with pytest.raises(RunFailure, match=r"^no disk \(log: "):
        Commands().berry([], log, _code("print('berry: no disk'); raise SystemExit(3)"))
    with pytest.raises(RunFailure, match=r"^out of memory \(log: "):
        Commands().berry([], log, _code("print('out of memory'); raise SystemExit(3)"))


def test_a_command_waits_for_the_one_that_a_killed_loop_has_left(tmp_path: Path) -> None:
    log, ended = tmp_path / "x.log", tmp_path / "ended"
    slow = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"print('ready', flush=True); time.sleep(0.6); open({str(ended)!r}, 'w')"
    )
    # As after a kill of the loop: its command is told to end, and goes on for a while.
    left = subprocess.Popen(
        _code(
            "import os, sys, time; from pathlib import Path\n"
            "from pipeline.loop.commands import Commands\n"
            f"log = Path({str(log)!r})\n"
            f"Commands()._start([], log, [sys.executable, '-c', {slow!r}])\n"
            "while b'ready' not in log.read_bytes(): time.sleep(0.02)\n"
            "os._exit(0)"
        ),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    left.wait()
    Commands().berry([], log, _code(f"from pathlib import Path; assert Path({str(ended)!r}).exists()"))
