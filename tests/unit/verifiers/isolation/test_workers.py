"""Checks in processes: an item that hangs, dies or raises affects no other."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import pytest_asyncio

from tests.patience import LONG_SECONDS, until
from verifiers.isolation.workers import CheckFailed, ProcessWorkers


def check(item: str) -> str:
    """Obeys the item. Runs in a checking process."""
    match item:
        case "hang":
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGALRM})
            while True:
                pass
        case "die":
            os._exit(7)
        case "exit":
            raise SystemExit(3)
        case "raise":
            raise RuntimeError("no luck")
        case "eat":
            return str(len(bytearray(2**31)))
    return item.upper()


@pytest_asyncio.fixture
async def workers() -> AsyncIterator[ProcessWorkers[str, str]]:
    workers = ProcessWorkers(check, max_workers=2, timeout_seconds=LONG_SECONDS, memory_mb=512)
    yield workers
    await workers.close()


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ("hang", "took longer than 1 seconds"),
        ("die", "process died"),
        ("raise", "RuntimeError: no luck"),
        ("eat", "needed more than 512 MB"),
    ],
)
async def test_a_guilty_item_is_lost_alone(item: str, reason: str) -> None:
    limit = 1.0 if item == "hang" else LONG_SECONDS
    workers = ProcessWorkers(check, max_workers=2, timeout_seconds=limit, memory_mb=512)
    items = ["a", "b", item, "c"]
    results = await asyncio.gather(*map(workers.run, items), return_exceptions=True)
    await workers.close()
    assert results[:2] == ["A", "B"]
    assert results[3] == "C"
    assert isinstance(results[2], CheckFailed)
    assert reason in str(results[2])


def count_and_hang(path: str) -> str:
    """Records its process; hangs in the first one."""
    seen = Path(path).read_text().split() if Path(path).exists() else []
    Path(path).write_text(" ".join([*seen, str(os.getpid())]))
    while not seen:
        pass
    return seen[0]


async def test_one_over_the_limit_is_tried_again_once_in_a_fresh_process(tmp_path: Path) -> None:
    workers = ProcessWorkers(count_and_hang, max_workers=1, timeout_seconds=1.0, memory_mb=512)
    note = tmp_path / "processes"
    try:
        assert await workers.run(str(note))
    finally:
        await workers.close()
    first, second = note.read_text().split()
    assert first != second


def note_and_hang(path: str) -> None:
    with Path(path).open("a") as notes:
        notes.write(f"{os.getpid()}\n")
    while True:
        pass


async def test_an_item_over_the_limit_twice_is_lost(tmp_path: Path) -> None:
    workers = ProcessWorkers(note_and_hang, max_workers=1, timeout_seconds=1.0, memory_mb=512)
    try:
        with pytest.raises(CheckFailed, match="longer than 1 seconds"):
            await workers.run(str(tmp_path / "notes"))
    finally:
        await workers.close()
    assert len(set((tmp_path / "notes").read_text().split())) == 2


def test_threads_with_loops_of_their_own_share_the_workers() -> None:
    workers = ProcessWorkers(check, max_workers=2, timeout_seconds=LONG_SECONDS, memory_mb=512)

    async def ask(name: str) -> list[str]:
        return await asyncio.gather(*(workers.run(f"{name}{number}") for number in range(50)))

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda name: asyncio.run(ask(name)), "abcd"))
    asyncio.run(workers.close())
    assert answers == [[f"{name}{number}" for number in range(50)] for name in "ABCD"]


async def test_many_items_come_back_in_order(workers: ProcessWorkers[str, str]) -> None:
    items = [f"item {number}" for number in range(500)]
    assert await asyncio.gather(*map(workers.run, items)) == [item.upper() for item in items]


async def test_a_broken_pool_is_replaced(workers: ProcessWorkers[str, str]) -> None:
    assert await workers.run("a") == "A"
    workers._pool.stop()
    with pytest.raises(CheckFailed, match="could not be started"):
        await workers.run("b")
    assert await workers.run("c") == "C"


async def test_closing_twice_is_fine_and_a_closed_pool_opens_again(
    workers: ProcessWorkers[str, str],
) -> None:
    assert await workers.run("a") == "A"
    await workers.close()
    await workers.close()
    assert await workers.run("b") == "B"


def is_loaded(module: str) -> bool:
    return module in sys.modules


async def test_imports_come_before_the_first_item_of_every_pool() -> None:
    for module in ("colorsys", "wave"):
        workers = ProcessWorkers(
            is_loaded, max_workers=1, timeout_seconds=LONG_SECONDS, memory_mb=512, preload=[module]
        )
        assert await workers.run(module)
        await workers.close()


def test_a_script_without_a_main_guard_works(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import asyncio\n"
        "from verifiers import Target\n"
        "from verifiers.math.verifier import MathVerifier\n"
        "async def main():\n"
        "    verifier = MathVerifier(MathVerifier.Config())\n"
        "    target = Target(kind='math', value='1/2')\n"
        "    print((await verifier.verify('', r'\\boxed{\\sqrt{1/4}}', target)).outcome)\n"
        "    await verifier.close()\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("pass\n", "")


async def test_callers_that_wait_when_the_workers_close_get_an_error(tmp_path: Path) -> None:
    workers = ProcessWorkers(
        note_and_hang, max_workers=1, timeout_seconds=LONG_SECONDS, memory_mb=512, batch_size=1
    )
    notes = [str(tmp_path / name) for name in "abc"]
    waiting = [asyncio.ensure_future(workers.run(note)) for note in notes]
    await until(lambda: any(Path(note).exists() for note in notes))
    late = asyncio.ensure_future(workers.run(str(tmp_path / "late")))
    await asyncio.sleep(0)
    await workers.close()
    results = await asyncio.gather(*waiting, late, return_exceptions=True)
    assert all(isinstance(result, CheckFailed) for result in results), results
    assert all("closed" in str(result) for result in results)


async def test_a_check_that_exits_is_a_failed_check(workers: ProcessWorkers[str, str]) -> None:
    with pytest.raises(CheckFailed, match="tried to exit with 3"):
        await workers.run("exit")
    assert await workers.run("a") == "A"


def test_a_file_of_the_users_does_not_take_the_place_of_pythons(tmp_path: Path) -> None:
    (tmp_path / "queue.py").write_text("raise SystemExit('not the queue you look for')")
    (tmp_path / "sympy.py").write_text("raise SystemExit('not the sympy you look for')")
    (tmp_path / "in.jsonl").write_text('{"gold": "2", "response": "\\\\boxed{\\\\sqrt{4}}"}\n')
    berry = Path(sys.executable).parent / "berry"
    command = [str(berry), "verify", "math", "--input", "in.jsonl", "--output", "out.jsonl"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert '"pass"' in (tmp_path / "out.jsonl").read_text()
