"""Commands end with the process that started them, and have stored their work by then."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import LONG_SECONDS, wait_until

PARENT = """
import sys
from pathlib import Path
from pipeline.children import start_child, wait_for_child
with Path(sys.argv[1]).open("ab") as file:
    child = start_child([], file, launcher=[sys.executable, "-c", sys.argv[2]])
wait_for_child(child)
"""
CHILD = f"""
import os, signal, time
def store(*_):
    print("stored", flush=True)
    raise SystemExit(0)
signal.signal(signal.SIGTERM, store)
print("ready", os.getpid(), flush=True)
time.sleep({LONG_SECONDS})
"""


def _start(log: Path) -> "subprocess.Popen[bytes]":
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(log), CHILD],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
    )
    wait_until(lambda: log.exists() and b"ready" in log.read_bytes(), parent)
    return parent


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent ended")
def test_a_child_stores_its_work_when_its_parent_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with _start(log) as parent:
        parent.kill()
    wait_until(lambda: b"stored" in log.read_bytes())


def test_a_parent_that_is_interrupted_ends_after_its_child(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with _start(log) as parent:
        parent.send_signal(signal.SIGINT)
        _, errors = parent.communicate()
    assert b"stored" in log.read_bytes()
    assert b"KeyboardInterrupt" in errors
