"""Checks in processes: one that hangs, dies or raises is lost alone."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from verifiers.workers import CheckFailed, ProcessWorkers


def check(item: str) -> str:
    """Does what the item says; runs in a checking process."""
    match item:
        case "hang":
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGALRM})
            while True:
                pass
        case "die":
            os._exit(7)
        case "raise":
            raise RuntimeError("no luck")
        case "eat":
            return str(len(bytearray(2**31)))
    return item.upper()


@pytest_asyncio.fixture
async def workers() -> AsyncIterator[ProcessWorkers[str, str]]:
    workers = ProcessWorkers(check, max_workers=2, timeout_seconds=1.0, memory_mb=512)
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
async def test_a_guilty_item_is_lost_alone(
    workers: ProcessWorkers[str, str], item: str, reason: str
) -> None:
    items = ["a", "b", item, "c"]
    results = await asyncio.gather(*map(workers.run, items), return_exceptions=True)
    assert results[:2] == ["A", "B"]
    assert results[3] == "C"
    assert isinstance(results[2], CheckFailed)
    assert reason in str(results[2])


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
