"""Items are worked on in other processes; their order, errors and ends are as if they were not."""

import asyncio
import errno
import functools
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Any, BinaryIO

import psutil
import pytest

from pipeline.datasets.folder import FolderError
from pipeline.errors import RunFailure
from pipeline.parallel import map_in_processes
from tests.patience import LONG_SECONDS, until, wait_until


def after(seconds: float) -> tuple[float, int]:
    time.sleep(seconds)
    return seconds, os.getpid()


def refuse(path: Path) -> None:
    raise FolderError(f"{path}: expected nothing")


def die(number: int) -> None:
    os.kill(os.getpid(), number)


async def collect(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    return [one async for one in map_in_processes(function, items, 2)]


def test_results_come_in_order_from_several_processes() -> None:
    wanted = [0.3, 0.0, 0.1, 0.0, 0.2, 0.0, 0.0]
    found = asyncio.run(collect(after, iter(wanted)))
    assert [seconds for seconds, _ in found] == wanted
    pids = {pid for _, pid in found}
    assert len(pids) == 2
    assert os.getpid() not in pids
    assert not any(map(psutil.pid_exists, pids))


def test_items_are_taken_as_there_is_room() -> None:
    taken = []

    def items() -> Iterable[float]:
        for number in range(100):
            taken.append(number)
            yield 0.0

    async def first() -> None:
        async with aclosing(map_in_processes(after, items(), 2)) as results:
            await anext(results)
            assert len(taken) == 4

    asyncio.run(first())


def test_an_error_keeps_its_class_and_message() -> None:
    with pytest.raises(FolderError, match=r"^a/b: expected nothing$"):
        asyncio.run(collect(refuse, [Path("a/b")]))


def test_a_process_that_dies_is_a_failure_of_the_machine() -> None:
    with pytest.raises(RunFailure, match=r"test_parallel died \(status -9\).*repeat the command"):
        asyncio.run(collect(die, [signal.SIGKILL]))


def test_cancelling_kills_what_is_under_way() -> None:
    before = set(multiprocessing.active_children())

    def born() -> set[multiprocessing.process.BaseProcess]:
        return set(multiprocessing.active_children()) - before

    async def cancelled() -> None:
        task = asyncio.create_task(collect(after, [LONG_SECONDS] * 4))
        await until(lambda: len(born()) == 2)
        working.extend(child.pid for child in born())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    working: list[int | None] = []
    asyncio.run(cancelled())
    assert len(working) == 2
    assert not any(psutil.pid_exists(pid) for pid in working if pid is not None)


def writer(pipe: Path) -> BinaryIO | None:
    """Opens a pipe to write; None while nobody reads it."""
    try:
        return os.fdopen(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK), "wb", buffering=0)
    except OSError as e:
        if e.errno != errno.ENXIO:
            raise
        return None


_SCRIPT = """
import asyncio, sys
from pathlib import Path
from pipeline.parallel import map_in_processes

async def main():
    async for _ in map_in_processes(Path.read_bytes, map(Path, sys.argv[1:]), 2):
        pass

asyncio.run(main())  # without the usual guard
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_program_that_is_stopped_leaves_no_process(tmp_path: Path, number: int) -> None:
    script = tmp_path / "mine.py"
    script.write_text(_SCRIPT)
    pipes = [tmp_path / "one", tmp_path / "other"]
    for pipe in pipes:
        os.mkfifo(pipe)
    program = subprocess.Popen(
        [sys.executable, str(script), *map(str, pipes)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    # Both processes read, and wait for a text that never comes.
    writers = [wait_until(functools.partial(writer, pipe), program) for pipe in pipes]
    family = psutil.Process(program.pid).children(recursive=True)
    assert len(family) == 4  # two that work, the fork server and Python's resource tracker
    if number == signal.SIGINT:
        os.killpg(program.pid, number)  # as a terminal does
    else:
        program.kill()
    _, errors = program.communicate(timeout=30)
    assert "Process" not in errors  # nothing of those that were started
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive
    for one in writers:
        one.close()
