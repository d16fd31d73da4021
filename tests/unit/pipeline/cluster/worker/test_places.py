"""The places of a worker, whose number may change while problems wait."""

import asyncio

import pytest

from pipeline.cluster.worker.places import Places, next_number
from pipeline.engines import Load


class Visitors:
    """Tasks that take a place each, and keep it until they are told to leave."""

    def __init__(self, places: Places, number: int) -> None:
        self.places, self.inside, self.most = places, list[int](), 0
        self.leave = [asyncio.Event() for _ in range(number)]
        self.tasks = [asyncio.create_task(self.visit(n)) for n in range(number)]

    async def visit(self, number: int) -> None:
        async with self.places:
            self.inside.append(number)
            self.most = max(self.most, len(self.inside))
            await self.leave[number].wait()
            self.inside.remove(number)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_places_are_taken_in_order_and_never_too_many() -> None:
    visitors = Visitors(Places(2), 5)
    await settle()
    assert visitors.inside == [0, 1]
    visitors.leave[1].set()
    await settle()
    assert visitors.inside == [0, 2]
    for event in visitors.leave:
        event.set()
    await asyncio.gather(*visitors.tasks)
    assert visitors.most == 2
    assert visitors.places.num_free == 2


async def test_their_number_may_grow_and_shrink_under_way() -> None:
    visitors = Visitors(places := Places(1), 6)
    await settle()
    places.resize(4)
    await settle()
    assert visitors.inside == [0, 1, 2, 3]
    places.resize(2)
    for number in (0, 1):
        visitors.leave[number].set()
    await settle()
    assert visitors.inside == [2, 3]
    visitors.leave[2].set()
    await settle()
    assert visitors.inside == [3, 4]
    for event in visitors.leave:
        event.set()
    await asyncio.gather(*visitors.tasks)


async def test_a_visitor_that_is_cancelled_leaves_its_place_to_the_next() -> None:
    visitors = Visitors(places := Places(1), 4)
    await settle()
    visitors.tasks[1].cancel()
    visitors.leave[0].set()
    # In the very round in which it is admitted.
    await asyncio.sleep(0)
    visitors.tasks[2].cancel()
    await settle()
    assert visitors.inside == [3]
    visitors.leave[3].set()
    await asyncio.gather(*visitors.tasks, return_exceptions=True)
    assert places.num_free == 1


def load(kv_used: float | None, num_preempted: int | None = 0, num_waiting: int = 0) -> Load:
    return Load(num_running=10, num_waiting=num_waiting, kv_used=kv_used, num_preempted=num_preempted)


@pytest.mark.parametrize(
    ("now", "taken", "expected"),
    [
        (load(0.2), 8, 11),
        (load(0.2), 7, 8),
        (load(0.95), 8, 8),
        (load(0.2, num_waiting=1), 8, 8),
        (load(None), 8, 8),
        (load(0.2, num_preempted=3), 8, 6),
        (load(0.2, num_preempted=None), 8, 11),
    ],
)
async def test_the_number_follows_the_engine(now: Load, taken: int, expected: int) -> None:
    visitors = Visitors(places := Places(8), taken)
    await settle()
    assert next_number(places, load(0.1), now) == expected
    for event in visitors.leave:
        event.set()
    await asyncio.gather(*visitors.tasks)


def test_one_place_always_stays() -> None:
    assert next_number(Places(1), load(0.9), load(0.9, num_preempted=1)) == 1
