"""Another verifier is started while responses wait, and only then."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.cluster import pools
from pipeline.cluster.leases import WorkerStatus
from pipeline.cluster.pools import Pools
from pipeline.cluster.ray_session import ClusterError
from tests.patience import until
from tests.unit.pipeline.cluster.in_process import PoolActor


class Crew:
    """Starts verifiers while there is room."""

    def __init__(self, room: int) -> None:
        self.verifiers: list[Any] = [PoolActor(0.0)]
        self.reward_actors: list[list[Any]] = []
        self.asked, self.room = 0, room
        self.fails = False

    async def start_pools(self) -> None: ...

    async def another_verifier(self) -> PoolActor | None:
        self.asked += 1
        if self.fails:
            raise ClusterError("its node died")
        if len(self.verifiers) > self.room:
            return None
        actor = PoolActor(0.0)
        self.verifiers.append(actor)
        return actor


class Seating:
    """Two workers with responses to judge, and a seat that stays empty."""

    def __init__(self, unjudged: int) -> None:
        status = WorkerStatus(num_unjudged=unjudged)
        self.seats = [
            SimpleNamespace(actor="a worker", status=status, is_given_up=False) for _ in range(2)
        ]
        self.seats.append(SimpleNamespace(actor=None, status=WorkerStatus(), is_given_up=True))

    async def patiently(self, start: Any, name: str) -> None:
        await start


class Observer:
    def __init__(self) -> None:
        self.events: list[dict[str, object]] = []
        self.messages: list[str] = []

    def event(self, kind: str, **facts: object) -> None:
        self.events.append({"event": kind, **facts})

    def message(self, text: str) -> None:
        self.messages.append(text)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "_POOL_SECONDS", 0.001)


def looking(verifiers: object, crew: Crew, seating: Seating, observer: Observer) -> Any:
    cluster = SimpleNamespace(verifier_actors=verifiers, silence_seconds=60.0)
    config: Any = SimpleNamespace(cluster=cluster)
    parts: Any = (crew, seating, observer)
    return asyncio.create_task(Pools(config, *parts).run())


@pytest.mark.usefixtures("quick")
async def test_verifiers_are_added_while_responses_wait_and_there_is_room() -> None:
    crew, seating, observer = Crew(room=2), Seating(unjudged=500), Observer()
    task = looking("auto", crew, seating, observer)
    await until(lambda: crew.asked >= 5)
    assert len(crew.verifiers) == 3
    assert [one["verifiers"] for one in observer.events] == [2, 3]
    assert observer.messages[-1] == "1000 responses wait for a verdict: 3 verifiers now"
    task.cancel()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("verifiers", "unjudged"), [("auto", 128), (1, 500)])
async def test_no_verifier_is_added_for_a_few_responses_or_without_auto(
    verifiers: object, unjudged: int
) -> None:
    crew = Crew(room=9)
    task = looking(verifiers, crew, Seating(unjudged), Observer())
    await asyncio.sleep(0.1)
    assert crew.asked == 0
    assert not task.done()
    task.cancel()


@pytest.mark.usefixtures("quick")
async def test_room_for_a_worker_is_not_taken() -> None:
    crew, seating = Crew(room=9), Seating(500)
    seating.seats[1].actor = None
    task = looking("auto", crew, seating, Observer())
    await asyncio.sleep(0.1)
    assert crew.asked == 0
    seating.seats[1].actor = "a worker"
    await until(lambda: crew.asked)
    task.cancel()


@pytest.mark.usefixtures("quick")
async def test_a_verifier_that_cannot_start_ends_nothing() -> None:
    crew = Crew(room=9)
    crew.fails = True
    task = looking("auto", crew, Seating(500), Observer())
    await until(lambda: crew.asked >= 3)
    assert not task.done()
    task.cancel()
