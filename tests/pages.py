"""Pages of docs/ whose files are written and whose commands are run, in order, by the tests."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

_BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of a page: a file to write, or commands to run."""

    language: str
    note: str
    text: str


def blocks(page: str) -> Iterator[Block]:
    """In the page's order."""
    for language, note, text in _BLOCK.findall((ROOT / "docs" / page).read_text()):
        yield Block(language, note, text)


def follow(page: str, folder: Path) -> str:
    """Does in the folder what the page says, in order; everything that the commands printed."""
    said = []
    for block in blocks(page):
        if block.language != "sh":
            assert block.note, f"a block of {block.language} does not say which file it is"
            (folder / block.note).write_text(block.text)
            continue
        done = run(block.text, folder)
        status = int((block.note or "exit=0").removeprefix("exit="))
        assert done.returncode == status, f"{block.text}{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        said.append(done.stdout + done.stderr)
    return "\n".join(said)


def run(commands: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """As a user's shell would, with the environment of this checkout's berry active."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-e", "-c", commands],
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
