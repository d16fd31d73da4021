"""A driver of a run that ends itself, as by a power cut, before a step of a commit.

    python -m benchmarks.durability.driver run CONFIG ... --address HOST:PORT

A step is a change to the run folder: a file that is opened for writing, renamed or deleted. Python
reports each to this process before it happens (`sys.addaudithook`), so nothing of berry is touched.
"""

import json
import os
import re
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from pipeline.datasets import journal

FOLDER, END_BEFORE, STEPS_FILE = "BERRY_DURABILITY_OUT", "BERRY_END_BEFORE", "BERRY_STEPS_FILE"
"""Environment variables: the run folder; a step and its number, after a `|`, before which the driver
ends; and the file to which it writes how often it did each step."""
_FOLD_AT = 40
_CHANGES = {"os.rename": 1, "os.remove": 0, "os.rmdir": 0, "os.mkdir": 0, "open": 0}
"""Event -> which of its arguments is the path."""
_UNCOUNTED = ("logs", "metrics.jsonl", "events.jsonl", ".lock")


class Steps:
    """Counts the steps of this process, and ends it before a given one."""

    def __init__(self, folder: str, end_before: str | None) -> None:
        self._folder = str(Path(folder).resolve())
        self._end = tuple((end_before or "|0").split("|"))
        self.seen: Counter[str] = Counter()

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Called by Python before whatever it does."""
        if event not in _CHANGES or (event == "open" and not _writes(arguments)):
            return
        path = str(arguments[_CHANGES[event]])
        if not path.startswith(f"{self._folder}/") or path[len(self._folder) + 1 :].startswith(
            _UNCOUNTED
        ):
            return
        name = f"{event.removeprefix('os.')} {_kind(path[len(self._folder) + 1 :])}"
        self.seen[name] += 1
        if (name, str(self.seen[name])) == self._end:
            os.kill(os.getpid(), signal.SIGKILL)


def _writes(arguments: tuple[Any, ...]) -> bool:
    path, _, flags = arguments
    return isinstance(path, str | os.PathLike) and bool((flags or 0) & (os.O_WRONLY | os.O_RDWR))


def _kind(path: str) -> str:
    """The path without numbers and tokens: `.staging/part-N/trees.parquet`."""
    path = re.sub(r"part-\d+\.merged", "merged", path)
    return re.sub(r"\d", "", re.sub(r"part-\d+\.[0-9a-f]+-\d+", "part-N", path))


def main() -> None:
    """Runs the command line."""
    from pipeline.cli.app import main as command

    journal.FOLD_AT = _FOLD_AT
    steps = Steps(os.environ[FOLDER], os.environ.get(END_BEFORE))
    sys.addaudithook(steps)
    try:
        command()
    finally:
        if file := os.environ.get(STEPS_FILE):
            Path(file).write_text(json.dumps(steps.seen))


if __name__ == "__main__":
    main()
