"""Processes are killed for real, and nothing is lost, done twice or mixed up."""

import fcntl
import json
import os
import pty
import random
import re
import select
import signal
import subprocess
import sys
import termios
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from tests.conftest import ROOT, Berry
from tests.integration.ray_head import ray_head
from tests.integration.test_run_simulated import parts
from tests.patience import LONG_BEFORE_SECONDS, wait_until

pytestmark = [pytest.mark.ray, pytest.mark.chaos]
BERRY = str(Path(sys.executable).parent / "berry")
SIMULATED = str(ROOT / "configs" / "simulated.yaml")
NUM_KILLS = 3
"""Some of them at no event on purpose, some at work."""
SLOW = [
    "problems.size=160",
    "dataset.problems_per_part=4",
    "dataset.part_bytes=1",  # parts stay apart
    "engine.token_seconds=0.006",
    "cluster.problems_in_flight=8",
]
"""About 20 seconds of work, so that every kill finds some."""
FAST = "cluster.problems_in_flight=100"
"""Ends such a run in a few seconds: how many problems go on at once changes no byte."""


def start(out: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [BERRY, "run", *arguments, f"output={out}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def journal(out: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (out / "journal").glob("part-*.json")}


def explored(out: Path) -> list[str]:
    ids: list[str] = pq.read_table(out / "data" / "trees", columns=["problem_id"])[
        "problem_id"
    ].to_pylist()
    return ids


def test_a_driver_killed_again_and_again_ends_with_the_same_bytes_as_one_that_was_not(
    tmp_path: Path,
) -> None:
    out, chance = tmp_path / "killed", random.Random(time.time_ns())
    kept: dict[str, tuple[str, int]] = {}
    for number in range(NUM_KILLS):
        process = start(out, SIMULATED, *SLOW)
        if number % 2:
            # At work, however long a busy machine takes to start.
            wait_until(lambda: len(journal(out)) > len(kept), process)
            # At no event on purpose, here and below: in the middle of anything.
            time.sleep(chance.uniform(0.0, 1.0))
        else:
            # While it starts, loads, works or is between two steps.
            time.sleep(chance.uniform(1.0, 7.0))
        process.kill()
        process.wait()
        for name, (content, written) in kept.items():
            path = out / "journal" / name
            assert path.read_text() == content
            assert path.stat().st_mtime_ns == written, f"{name} was generated again"
        if (out / "journal").is_dir():
            for path in (out / "journal").glob("part-*.json"):
                kept[path.name] = (path.read_text(), path.stat().st_mtime_ns)
    assert len(kept) >= NUM_KILLS // 2

    assert start(out, SIMULATED, *SLOW, FAST).wait() == 0
    assert {name: content for name, (content, _) in kept.items()}.items() <= journal(out).items()
    assert max(Counter(explored(out)).values()) == 1

    whole = tmp_path / "whole"
    assert start(whole, SIMULATED, *SLOW, FAST, "engine.token_seconds=0").wait() == 0
    assert parts(out) == parts(whole)
    assert sorted(explored(out)) == sorted(explored(whole))


def test_a_worker_that_stands_still_loses_its_work_to_the_other(tmp_path: Path) -> None:
    """`python -m benchmarks durability` injects faults of many more kinds, several at once."""
    out = tmp_path / "out"
    options = ("problems.size=100", "cluster.workers=2", "cluster.silence_seconds=3")
    process = start(out, SIMULATED, *SLOW, *options)
    wait_until(lambda: len(journal(out)) >= 2, process)
    found = find_process(psutil.Process(process.pid), "ray::RolloutWor")
    assert found is not None
    found.suspend()
    assert process.wait() == 0
    facts = json.loads((out / "journal" / "complete.json").read_text())
    ids = explored(out)
    assert len(ids) == len(set(ids)) == facts["problems"] == 100 - facts["duplicates"]
    assert facts["problems_failed"] == 0
    assert not found.is_running()


def test_readers_see_whole_parts_while_a_run_is_killed(berry: Berry, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(out, SIMULATED, *SLOW)
    wait_until(lambda: len(journal(out)) >= 2, process)
    running = berry("status", out)
    process.kill()
    process.wait()
    killed = berry("status", out)
    for status in (running, killed):
        assert status.returncode == 0
        assert "(unfinished)" in status.stdout
    committed = sum(json.loads(entry)["num_problems"] for entry in journal(out).values())
    assert 0 < committed <= len(set(explored(out)))


def find_process(root: psutil.Process, name: str) -> psutil.Process | None:
    """A descendant by the name that it gives itself."""
    for process in root.children(recursive=True):
        try:
            if process.name().startswith(name):
                return process
        except psutil.NoSuchProcess:
            continue
    return None


@pytest.mark.parametrize("victim", ["ray::RolloutWor", "ray::VerifierAc"])
def test_an_actor_that_is_killed_is_replaced(tmp_path: Path, victim: str) -> None:
    out = tmp_path / "out"
    process = start(out, SIMULATED, *SLOW, "problems.size=100", "cluster.verifier_actors=1")
    wait_until(lambda: len(journal(out)) >= 2, process)
    found = find_process(psutil.Process(process.pid), victim)
    assert found is not None
    found.kill()
    assert process.wait() == 0
    facts = json.loads((out / "journal" / "complete.json").read_text())
    assert facts["restarts"] == (victim == "ray::RolloutWor")
    ids = explored(out)
    assert len(ids) == len(set(ids)) == facts["problems"] == 100 - facts["duplicates"]
    assert facts["problems_failed"] == 0


@pytest.mark.parametrize("victims", [["ray::RolloutWor", "gcs_server"], ["gcs_server", "raylet"]])
def test_a_run_whose_ray_dies_ends_with_one_line_and_goes_on_later(
    tmp_path: Path, victims: list[str]
) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        [BERRY, "run", SIMULATED, *SLOW, f"output={out}"], stderr=subprocess.PIPE
    )
    wait_until(lambda: len(journal(out)) >= 2, process)
    family = psutil.Process(process.pid).children(recursive=True)
    for victim in victims:
        found = find_process(psutil.Process(process.pid), victim)
        assert found is not None
        found.kill()
    errors = process.communicate()[1].decode()
    assert process.returncode == 3
    assert re.match(r"berry: Ray's head at .* command to resume$", errors.splitlines()[-1]), errors
    assert "Traceback" not in errors
    all_ended(family)
    kept = journal(out)
    assert start(out, SIMULATED, *SLOW, FAST).wait() == 0
    assert kept.items() <= journal(out).items()


def test_a_terminal_that_is_closed_interrupts_the_run(tmp_path: Path) -> None:
    """The shell's processes get SIGHUP, Ray's among them, and what is printed goes nowhere."""
    out = tmp_path / "out"
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [BERRY, "run", SIMULATED, *SLOW, f"output={out}"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=own_terminal,
    )
    os.close(theirs)
    stop = threading.Event()
    reading = threading.Thread(target=drain, args=(ours, stop))
    reading.start()
    wait_until(lambda: len(journal(out)) >= 2, process)
    family = psutil.Process(process.pid).children(recursive=True)
    stop.set()
    reading.join()
    os.close(ours)
    assert process.wait() == 130
    all_ended(family)


def own_terminal() -> None:
    """Makes standard input the terminal that a process hangs on, and a hang-up what ends it."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    # `nohup`, if the tests were started by it, has the signal ignored.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def all_ended(family: list[psutil.Process]) -> None:
    """Waits until none of them is left, as no process of a run may be."""
    _, alive = psutil.wait_procs(family, timeout=LONG_BEFORE_SECONDS)
    assert not alive, f"left behind: {alive}"


def drain(terminal: int, stop: threading.Event) -> None:
    """Reads what is shown, so that nobody waits to write it."""
    while not stop.is_set():
        if select.select([terminal], [], [], 0.1)[0]:
            os.read(terminal, 4096)


def test_a_run_joins_a_cluster(berry: Berry, tmp_path: Path) -> None:
    with ray_head() as address:
        done = berry("run", SIMULATED, "output=out", "problems.size=16", "--address", address)
        assert done.returncode == 0, done.stderr
        assert len(explored(tmp_path / "out")) > 0
