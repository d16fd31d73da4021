"""The end of a run, with workers that do at once what they are asked."""

import asyncio
from typing import Any

from pipeline.cluster.leases import LeaseBook, WorkerStatus
from pipeline.cluster.seat import Seat
from pipeline.cluster.tail import Tail
from pipeline.datasets.shards import Shard
from tests.conftest import make_problem


class Method:
    def __init__(self, answer: object) -> None:
        self._answer = answer

    def remote(self, *arguments: object) -> "asyncio.Future[Any]":
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        answer.set_result(self._answer)
        return answer


class Worker:
    lend = Method([3])
    help = Method(True)


async def test_a_worker_that_has_helped_asks_for_more_before_its_next_heartbeat() -> None:
    book = LeaseBook(3)
    lease = book.lease(Shard(index=0, problems=tuple(make_problem(str(n), "1") for n in range(4))))
    owner, helper = Seat(0, 60, 60), Seat(1, 60, 60)
    owner.give_to(Worker(), WorkerStatus(places=1, waiting={0: 1}))
    owner.leases[0] = lease
    helper.give_to(Worker(), WorkerStatus(places=1))
    Tail(book, [owner, helper]).help(helper)
    assert helper.num_free == 0
    async with asyncio.timeout(5):
        await helper.changed.wait()
    assert helper.num_free == 1
