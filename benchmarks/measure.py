"""What the benchmarks share: running berry, watching its memory, and describing the machine."""

import json
import os
import platform
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

CONFIGS = Path(__file__).parent.parent / "configs"
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One line of the table in benchmarks/README.md."""

    what: str
    figures: str
    """The medians and their spread, with units."""
    ratio: str
    """Against what it is compared with, or the margin to the goal."""
    goal: str
    met: bool


def run_berry(config: str, out: Path, *overrides: str) -> tuple[dict[str, Any], int]:
    """Runs a config to its end; returns its final facts and its peak memory in bytes.

    The peak is of the driver and the rollout workers together, by resident size.
    """
    berry = str(Path(sys.executable).parent / "berry")
    process = subprocess.Popen(
        [berry, "run", str(CONFIGS / config), f"output={out}", *overrides],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    watch = _MemoryWatch(process.pid)
    _, errors = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"berry run {config} failed: {errors.strip().splitlines()[-1]}")
    facts: dict[str, Any] = json.loads((out / "journal" / "complete.json").read_text())
    return facts, watch.peak()


class _MemoryWatch(threading.Thread):
    """Polls the resident size of a driver and its rollout workers until the driver ends."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._driver = psutil.Process(pid)
        self._peak = 0
        self._done = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._done.wait(_POLL_SECONDS):
            try:
                family = [self._driver, *self._driver.children(recursive=True)]
                total = sum(process.memory_info().rss for process in family if self._counts(process))
            except psutil.NoSuchProcess:
                continue
            self._peak = max(self._peak, total)

    def _counts(self, process: psutil.Process) -> bool:
        return process == self._driver or process.name().startswith("ray::RolloutWor")

    def peak(self) -> int:
        """Stops watching."""
        self._done.set()
        self.join()
        return self._peak


def write_problems(path: Path, num_problems: int) -> Path:
    """A GSM8K-shaped file of sums."""
    with path.open("w") as file:
        for n in range(num_problems):
            row = {"question": f"What is {n} + {n % 97}?", "answer": f"#### {n + n % 97}"}
            file.write(json.dumps(row) + "\n")
    return path


def gsm8k_file() -> Path | None:
    """OpenAI's GSM8K training set, if it is at hand; says what is left out if it is not."""
    named = os.environ.get("BERRY_GSM8K")
    path = Path(named) if named else CONFIGS.parent.parent / "shared" / "data" / "gsm8k_train.jsonl"
    if path.is_file():
        return path
    print(
        f"left out: GSM8K ({path}: no such file); BERRY_GSM8K=FILE names OpenAI's "
        "grade_school_math/data/train.jsonl",
        file=sys.stderr,
    )
    return None


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Median, and the range in brackets."""
    median, low, high = statistics.median(values), min(values), max(values)
    return f"{median:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


def machine() -> str:
    """The hardware, in a line."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = psutil.virtual_memory().total / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores of {model}, {memory:.0f} GiB, no GPU, Python {platform.python_version()}"


def table(rows: Iterable[Measured]) -> str:
    """The rows as Markdown."""
    lines = ["| what | median (range) | ratio or margin | goal | met |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.what} | {row.figures} | {row.ratio} | {row.goal} | {'yes' if row.met else 'no'} |"
        for row in rows
    ]
    return "\n".join(lines)
