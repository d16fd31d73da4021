"""A run in a store that fails again and again, and whose driver is killed meanwhile."""

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.durability.faults import Injected
from benchmarks.measure import CONFIGS
from pipeline.datasets.folder import FolderError, RunFolder
from pipeline.datasets.reader import RunReader
from pipeline.files.storage import folders_in, place
from tests.stores import running_store

OUTAGE = "store down for 1 to 3 s"
KILLED = "driver of a run in a store killed"
_RUN = [
    "problems.size=150",
    "dataset.problems_per_part=4",
    "dataset.part_bytes=100000",
    "cluster.workers=2",
    "cluster.checkpoint_seconds=1",
]
_WORK = ["engine.token_seconds=0.03", "cluster.problems_in_flight=4"]
_REST = "cluster.problems_in_flight=64"
_PAUSE_SECONDS = 2.0


def store_campaign(
    folder: Path, seed: int, num_outages: int, num_kills: int
) -> tuple[list[Injected], str]:
    """The faults, and what was wrong in the end; empty if nothing was."""
    chance, injected = random.Random(seed), []
    whole = folder / "whole"
    _driver(folder, str(whole), "engine.token_seconds=0", _REST).wait()
    with running_store() as store:
        bucket: Any = place("s3://durability")
        bucket.mkdir(exist_ok=True)
        url = "s3://durability/run"
        kills = set(chance.sample(range(num_outages), num_kills))
        driver = _driver(folder, url, *_WORK)
        for number in range(num_outages):
            time.sleep(chance.uniform(0.2, 1.8) * _PAUSE_SECONDS)
            began, seconds = time.monotonic(), chance.uniform(1.0, 3.0)
            store.fails_until = began + seconds
            injected.append(Injected(name=OUTAGE, at=began, seconds=seconds))
            if driver.poll() is not None:
                return injected, f"the driver ended with status {driver.returncode}"
            if number in kills:
                driver.kill()
                driver.wait()
                driver = _driver(folder, url, *_WORK)
                injected.append(Injected(name=KILLED, at=began, seconds=_until_ready(driver, url)))
        store.heal()
        driver.terminate()
        driver.wait()
        driver = _driver(folder, url, *_WORK[:1], _REST)
        if driver.wait():
            return injected, f"the last driver ended with status {driver.returncode}"
        if _rows(url) != _rows(str(whole)):
            return injected, "the rows are others"
        left = folders_in(place(url) / ".staging")
    return injected, f"left in the store: {left}" if left else ""


def _until_ready(driver: "subprocess.Popen[bytes]", url: str) -> float:
    """Seconds until another part is committed."""
    began, before = time.monotonic(), _num_shards(url)
    while driver.poll() is None and _num_shards(url) <= before:
        time.sleep(0.5)
    return time.monotonic() - began


def _num_shards(url: str) -> int:
    try:
        return RunFolder.read(place(url)).parts.num_shards
    except FolderError:
        return 0  # the first driver has not begun


def _driver(folder: Path, out: str, *options: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "pipeline.cli", "run", str(CONFIGS / "simulated.yaml")]
    with (folder / "store.log").open("ab") as log:
        return subprocess.Popen(
            [*command, f"output={out}", *_RUN, *options], cwd=folder, stdout=log, stderr=log
        )


def _rows(out: str) -> list[object]:
    return list(RunReader.open(place(out)).rows("trees"))
