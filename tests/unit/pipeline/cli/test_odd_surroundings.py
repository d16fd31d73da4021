"""Commands in a deleted folder, or whose output nobody reads: one line and a documented status."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli import doctor
from tests.conftest import ROOT

BERRY = [sys.executable, "-m", "pipeline.cli"]
# The module is found regardless of the current folder.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def test_a_command_works_in_a_deleted_folder(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = 'rmdir "$PWD"; exec "$@"'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *BERRY, "keys"],
        cwd=gone,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("# Every key of a config")


def test_output_that_nobody_reads_is_not_taken_for_work_that_partly_failed() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*BERRY, "keys"],
        env=ENVIRONMENT,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert done.returncode == 3
    assert done.stderr == "berry: the reader of the output ended before everything was written\n"


def test_the_doctor_leaves_a_deleted_folder_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    left: list[str] = []
    monkeypatch.setattr(os, "getcwd", fail)
    monkeypatch.setattr(os, "chdir", left.append)
    (finding,) = doctor._folder()
    assert left == ["/"]
    assert finding.ok is False
    assert finding.text == (
        "the current folder cannot be used (No such file or directory): change to another"
    )


def test_the_status_stays_if_nobody_reads_what_is_left_at_the_end() -> None:
    """As on a terminal that was closed; Python alone would end with status 120."""
    reading, writing = os.pipe()
    os.close(reading)
    code = (
        "import sys; sys.argv = ['berry', 'run', 'nope.yaml']; sys.stdout.write('left'); "
        "from pipeline.cli.app import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        # Else nothing would be left.
        env={**ENVIRONMENT, "PYTHONUNBUFFERED": ""},
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert done.returncode == 2
