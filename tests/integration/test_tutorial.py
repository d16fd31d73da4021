"""docs/own-verifier.md does what it says: its files are written and its commands run, in order."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.ray
PAGE = ROOT / "docs" / "own-verifier.md"
_BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of the page: a file to write, or commands to run."""

    language: str
    note: str
    text: str


def blocks() -> Iterator[Block]:
    """In the page's order."""
    for language, note, text in _BLOCK.findall(PAGE.read_text()):
        yield Block(language, note, text)


def run(commands: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """As a user's shell would, with berry's environment active."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        ["bash", "-e", "-c", commands],
        cwd=folder,
        env={**environment, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reader's folder, after the whole page."""
    folder = tmp_path_factory.mktemp("reader")
    for number, block in enumerate(blocks()):
        if block.language != "sh":
            assert block.note, f"a block of {block.language} does not say which file it is"
            (folder / block.note).write_text(block.text)
            continue
        done = run(block.text, folder)
        status = int((block.note or "exit=0").removeprefix("exit="))
        assert done.returncode == status, f"{block.text}{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        (folder / f"said-{number}.txt").write_text(done.stdout + done.stderr)
    return folder


def said(folder: Path) -> str:
    """Everything that the commands printed."""
    files = sorted(folder.glob("said-*.txt"), key=lambda path: int(path.stem[5:]))
    return "\n".join(path.read_text() for path in files)


def test_the_page_has_files_and_commands() -> None:
    kinds = [block.language for block in blocks()]
    assert kinds.count("sh") >= 7
    assert {"python", "json", "yaml"} <= set(kinds)


def test_its_verdicts_are_those_that_the_page_promises(folder: Path) -> None:
    printed = [json.loads(line) for line in said(folder).splitlines() if line.startswith('{"id"')]
    assert {row["id"]: row["outcome"] for row in printed} == {
        "right": "pass",
        "other": "fail",
        "twice": "fail",
        "none": "abstain",
        "code": "fail",
    }
    assert all(row["verifier"] == "countdown/1" for row in printed)


def test_its_own_suite_passes(folder: Path) -> None:
    passed = re.search(r"^(\d+) passed in", said(folder), re.MULTILINE)
    assert passed is not None
    assert int(passed[1]) > 30


def test_a_wrong_option_is_named(folder: Path) -> None:
    assert "countdown:Countdown: use_some: unknown key" in said(folder)


def test_its_runs_judge_by_the_verifier(folder: Path) -> None:
    for out in ("out", "out2"):
        rows = pq.read_table(folder / out / "data" / "trees").to_pylist()
        assert len(rows) == 2
        assert {row["target_kind"] for row in rows} == {"countdown"}
        judged = [t for row in rows for t in row["trajectories"] if t["outcome"] is not None]
        assert judged
        assert {t["verifier"] for t in judged} == {"countdown"}
        assert {t["outcome"] for t in judged} <= {"fail", "abstain"}
