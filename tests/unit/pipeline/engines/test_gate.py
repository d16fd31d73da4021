import asyncio

import pytest

from pipeline.engines.gate import Gate

pytestmark = pytest.mark.asyncio


async def test_a_change_waits_for_the_requests_inside_and_holds_the_next() -> None:
    gate, seen = Gate(), list[str]()
    leave = asyncio.Event()

    async def request(name: str, until: asyncio.Event | None = None) -> None:
        async with gate.passing():
            seen.append(f"{name} in")
            if until is not None:
                await until.wait()
            seen.append(f"{name} out")

    async def change() -> None:
        async with gate.closed(empty=True):
            seen.append("change")

    first = asyncio.create_task(request("first", leave))
    await asyncio.sleep(0)
    changing = asyncio.create_task(change())
    await asyncio.sleep(0)
    second = asyncio.create_task(request("second"))
    await asyncio.sleep(0)
    assert seen == ["first in"]
    leave.set()
    await asyncio.gather(first, changing, second)
    assert seen == ["first in", "first out", "change", "second in", "second out"]
    assert gate.num_inside == 0


async def test_a_change_that_keeps_the_requests_does_not_wait() -> None:
    gate = Gate()
    async with gate.passing(), gate.closed(empty=False):
        assert gate.num_inside == 1


async def test_changes_take_turns_and_a_failed_one_opens_the_gate() -> None:
    gate, inside = Gate(), 0

    async def change() -> None:
        nonlocal inside
        async with gate.closed(empty=True):
            inside += 1
            assert inside == 1
            await asyncio.sleep(0)
            inside -= 1
            raise ValueError

    results = await asyncio.gather(*(change() for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [ValueError] * 3
    async with gate.passing():
        assert gate.num_inside == 1


async def test_requests_wait_for_every_change_in_the_queue() -> None:
    gate, order = Gate(), list[str]()

    async def change(name: str) -> None:
        async with gate.closed(empty=True):
            await asyncio.sleep(0)
            order.append(name)

    async def request() -> None:
        async with gate.passing():
            order.append("request")

    await asyncio.gather(change("one"), change("other"), request())
    assert sorted(order) == ["one", "other", "request"]
