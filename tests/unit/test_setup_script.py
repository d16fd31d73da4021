"""The set-up says what is wrong, what it does and how far it is; its installs are stood in for."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

TOOLS = (
    "bash basename cat cp cut date dirname du env find grep id kill ldconfig mkdir tail touch wc"
).split()
FAKE_PYTHON = """#!/bin/bash
# Stands for an interpreter, and makes virtual environments of itself.
case "$*" in
    *"-m venv"*) mkdir -p .venv/bin .venv/lib/p/s/one.dist-info
        for name in python pip berry; do cp "$0" ".venv/bin/$name"; done ;;
    --version) echo "Python 3.11.0" ;;
    *"-r requirements/cpu.lock"*) echo "a line of pip's"
        # Goes on until the set-up has waited so many seconds for it, of which none passes here.
        : >seconds; until [ "$(cat seconds 2>/dev/null | wc -l)" -ge "${SLOW:-0}" ]; do :; done
        exit "${FAILS:-0}" ;;
    doctor) echo "ok      machine" ;;
esac
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What the set-up reads of a clone, and a PATH of its own."""
    (tmp_path / "requirements").mkdir()
    for name in ("setup.sh", "cpu.lock"):
        shutil.copy(ROOT / "requirements" / name, tmp_path / "requirements" / name)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in TOOLS:
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    (tools / "sleep").write_text("#!/bin/bash\necho >>seconds\n")
    (tools / "sleep").chmod(0o755)
    for name in ("bwrap", "coqc", "coqchk"):
        (tools / name).symlink_to("/bin/true")
    return tmp_path


def set_up(clone: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [clone / "requirements" / "setup.sh"],
        env={"PATH": str(clone / "tools"), "HOME": os.environ["HOME"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def with_python(clone: Path) -> Path:
    python = clone / "tools" / "python3.11"
    python.write_text(FAKE_PYTHON)
    python.chmod(0o755)
    return clone


def test_without_a_python_it_says_what_it_expected(clone: Path) -> None:
    done = set_up(clone)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "setup: expected Python 3.11 or newer with venv, found none; install it or set PYTHON"
    ]


def test_every_step_is_said_with_the_time_that_has_passed(clone: Path) -> None:
    done = set_up(with_python(clone), SLOW="11")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line[:13] for line in lines if "/5]" in line] == [f"setup: [{n}/5] " for n in range(1, 6)]
    assert any("1 of about" in line and "packages" in line for line in lines), (
        "progress while pip works"
    )
    assert lines[-1].startswith("setup: done in ")
    assert "ok      machine" in lines


def test_a_step_that_fails_shows_the_end_of_its_log_and_how_to_go_on(clone: Path) -> None:
    done = set_up(with_python(clone), FAILS="1")
    assert done.returncode == 2
    assert "a line of pip's" in done.stderr
    assert "run the same command again to resume" in done.stderr.splitlines()[-1]
