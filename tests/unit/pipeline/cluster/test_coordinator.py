"""The driver with real workers in this process, which die, hang and come back at any moment."""

import asyncio
import random
import threading
from collections.abc import Awaitable
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.cluster.coordinator import Coordinator
from pipeline.cluster.ray_session import ClusterError
from pipeline.datasets.metrics import Queues
from pipeline.datasets.shards import Shard
from pipeline.engines import EngineStartError
from pipeline.files.storage import StorageError
from tests.patience import LONG_SECONDS, until
from tests.unit.pipeline.cluster.in_process import PROBLEMS, SIZE, Actor, PoolActor, Run
from tests.unit.pipeline.config.test_config import MINIMAL


@pytest.fixture(autouse=True)
def _no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.cluster.actors.this_process", lambda: None)
    monkeypatch.setattr("pipeline.cluster.seating._BEAT_SECONDS", 0.02)
    monkeypatch.setattr("pipeline.cluster.seating._RESTART_SECONDS", 0.01)
    monkeypatch.setattr("pipeline.cluster.tail._LEAST_SECONDS", 0.0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The data of a run that nothing disturbs."""
    run = Run(tmp_path_factory.mktemp("runs") / "whole", "engine.token_seconds=0", "cluster.workers=1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.cluster.actors.this_process", lambda: None)
        asyncio.run(run.coordinator.run())
    assert sorted(run.published) == list(range(len(PROBLEMS) // SIZE))
    return run.data()


@pytest.mark.parametrize("seed", range(6))
async def test_workers_that_die_and_hang_change_no_byte(
    tmp_path: Path, whole: dict[str, bytes], seed: int
) -> None:
    run, chance = Run(tmp_path / "run"), random.Random(seed)
    task = asyncio.create_task(run.coordinator.run())
    stopped: list[Actor] = []
    for _ in range(12):
        await asyncio.sleep(chance.uniform(0.0, 0.08))
        if task.done():
            break
        victim = chance.choice(run.crew.actors[-3:])
        match chance.choice(["kill", "stop", "go on"]):
            case "kill":
                victim.kill()
            case "stop":
                victim.stop()
                stopped.append(victim)
            case _ if stopped:
                # Its shards may be with others by now.
                stopped.pop().go_on()
    for actor in stopped:
        actor.go_on()
    await task
    assert len(run.published) == len(set(run.published)) == len(PROBLEMS) // SIZE
    run.folder.finish({})
    assert run.data() == whole


async def test_a_late_worker_cannot_publish(tmp_path: Path, whole: dict[str, bytes]) -> None:
    run = Run(tmp_path / "run", "cluster.workers=2")
    task = asyncio.create_task(run.coordinator.run())
    await until(lambda: "lease" in run.observer.events and len(run.crew.actors) > 1)
    late = run.crew.actors[0]
    late.stop()
    await until(lambda: "worker_lost" in run.observer.events)
    # It goes on before it is killed, and finishes what it had.
    late.go_on()
    await task
    assert len(run.published) == len(set(run.published))
    run.folder.finish({})
    assert run.data() == whole


async def test_a_seat_that_cannot_be_filled_again_is_no_failure(
    tmp_path: Path, whole: dict[str, bytes]
) -> None:
    run = Run(tmp_path / "run")

    def fail_later(number: int) -> None:
        if number >= 3:
            raise EngineStartError("no memory left")

    run.crew.on_start = fail_later
    task = asyncio.create_task(run.coordinator.run())
    await until(lambda: len(run.published) >= 1)
    run.crew.actors[1].kill()
    await task
    assert run.data() == whole
    assert any("the run goes on with 2 workers" in text for text in run.observer.messages)


async def test_a_seat_is_filled_again_however_often_its_machines_are_lost(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", "cluster.workers=2", "engine.token_seconds=0.0005")

    def fail_for_a_while(number: int) -> None:
        if 2 <= number < 7:
            raise ClusterError("the node is gone")

    run.crew.on_start = fail_for_a_while
    task = asyncio.create_task(run.coordinator.run())
    await until(lambda: len(run.published) >= 1)
    run.crew.actors[1].kill()
    await until(lambda: run.observer.events.count("worker_ready") == 3)
    assert "worker_given_up" not in run.observer.events
    await task


async def test_the_last_worker_that_cannot_be_replaced_ends_the_run(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", "cluster.workers=1", "engine.token_seconds=0.001")

    def fail_later(number: int) -> None:
        if number >= 1:
            raise ClusterError("the node is gone")

    run.crew.on_start = fail_later
    task = asyncio.create_task(run.coordinator.run())
    await until(lambda: "lease" in run.observer.events)
    run.crew.actors[0].kill()
    with pytest.raises(ClusterError, match="worker 0 could not be started in 3 attempts: the node"):
        await task


async def test_an_engine_that_never_starts_is_reported_at_once(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")

    def fail(number: int) -> None:
        raise EngineStartError("no such model")

    run.crew.on_start = fail
    with pytest.raises(EngineStartError, match="no such model"):
        await run.coordinator.run()


async def test_a_worker_that_hangs_while_it_starts_is_started_again(
    tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.cluster.seating.describe_room", lambda config: None)
    run = Run(tmp_path / "run", "cluster.workers=1", "cluster.wait_seconds=0.2")
    started = run.crew.started

    async def hangs(actor: Actor) -> Any:
        if actor is run.crew.actors[0]:
            await asyncio.Event().wait()
        return await started(actor)

    run.crew.started = hangs  # type: ignore[method-assign]
    await run.coordinator.run()
    assert len(run.crew.actors) == 2
    assert run.data() == whole


@pytest.mark.parametrize(
    ("missing", "said"), [(None, "did not start within"), ("all", "it hangs, or all")]
)
async def test_nothing_is_waited_for_without_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str | None, said: str
) -> None:
    monkeypatch.setattr("pipeline.cluster.seating.describe_room", lambda config: missing)
    run = Run(tmp_path / "run", "cluster.workers=1", "cluster.wait_seconds=0.05")

    async def hangs(actor: Actor) -> Any:
        await asyncio.Event().wait()

    run.crew.started = hangs  # type: ignore[method-assign]
    with pytest.raises(ClusterError, match=said):
        await run.coordinator.run()
    assert bool(run.observer.messages) == (missing is not None)


async def test_work_begins_with_the_first_worker_that_is_ready(tmp_path: Path) -> None:
    run, others = Run(tmp_path / "run"), asyncio.Event()
    started = run.crew.started

    async def slowly(actor: Actor) -> Any:
        if actor is not run.crew.actors[1]:
            await others.wait()
        return await started(actor)

    run.crew.started = slowly  # type: ignore[method-assign]
    task = asyncio.create_task(run.coordinator.run())
    await until(lambda: len(run.published) >= 3)
    assert run.observer.events.count("worker_ready") == 1
    others.set()
    await task


async def test_idle_workers_help_with_the_last_shard(tmp_path: Path, whole: dict[str, bytes]) -> None:
    run = Run(
        tmp_path / "run",
        "dataset.problems_per_part=40",
        "cluster.problems_in_flight=2",
        "engine.token_seconds=0.0005",
    )
    shard = Shard(index=0, problems=tuple(PROBLEMS))
    run.coordinator = Coordinator(run.config, cast("Any", run.crew), [shard], run.publish, run.observer)
    await run.coordinator.run()
    helpers = [actor for actor in run.crew.actors if "help" in actor.calls]
    assert helpers
    assert run.folder.counts.problems == len(PROBLEMS)
    assert run.published == [0]


async def test_a_call_of_ray_that_blocks_stops_no_other_worker(tmp_path: Path) -> None:
    run, released = Run(tmp_path / "run"), threading.Event()
    new_worker = run.crew.new_worker

    def blocking(number: int, engine: int = 0) -> Actor:
        # As Ray does for a minute once its head is gone.
        assert number != 1 or released.wait(LONG_SECONDS)
        return new_worker(number, engine)

    run.crew.new_worker = blocking  # type: ignore[method-assign]
    task = asyncio.create_task(run.coordinator.run())
    await until(lambda: len(run.published) >= 2)
    assert not released.is_set()
    released.set()
    await task


async def test_a_verifier_that_hangs_is_restarted_and_may_take_its_time_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.cluster.pools._POOL_SECONDS", 0.01)
    run = Run(tmp_path / "run", "engine.token_seconds=0.002", "cluster.silence_seconds=0.2")
    actor = PoolActor(start_seconds=0.5)
    run.crew.verifiers.append(actor)
    task = asyncio.create_task(run.coordinator.run())
    await until(lambda: "lease" in run.observer.events)
    actor.hangs = True
    await task
    # For its silence, and not while it starts.
    assert actor.restarted == ["process"]


async def test_a_store_that_stays_broken_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Awaitable[None]:
        raise StorageError("the store keeps failing")

    monkeypatch.setattr("pipeline.cluster.worker.open_shard.write_parquet", broken)
    with pytest.raises(StorageError, match="the store keeps failing"):
        await Run(tmp_path / "run").coordinator.run()


async def test_a_fault_of_the_worker_itself_fails_the_problems_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.cluster.worker.open_shard import OpenShard

    real = OpenShard.todo

    def faulty(shard: OpenShard) -> list[int]:
        if shard.index == 2 and not shard.lease.given_up:
            raise KeyError("a fault of berry's own")
        return real(shard)

    monkeypatch.setattr(OpenShard, "todo", faulty)
    run = Run(tmp_path / "run")
    await run.coordinator.run()
    assert run.folder.counts.problems == len(PROBLEMS)
    assert run.folder.counts.problems_failed == SIZE


async def test_a_fault_that_recurs_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(*_: object) -> None:
        raise KeyError("a fault of berry's own")

    monkeypatch.setattr("pipeline.cluster.worker.open_shard.write_parquet", faulty)
    with pytest.raises(ClusterError, match="cannot be written: KeyError"):
        await Run(tmp_path / "run").coordinator.run()


TWO_ENGINES = (
    "engines=[{use: simulated, error_rate: 0.1, token_seconds: 0.0001},"
    " {use: simulated, error_rate: 0.4, token_seconds: 0.0001, share: 2}]"
)


def trees(run: Run) -> dict[str, Any]:
    """Problem -> its nodes."""
    run.folder.finish({})
    rows = pq.read_table(run.config.output / "data" / "trees").to_pylist()
    return {row["problem_id"]: row["nodes"] for row in rows}


@pytest.mark.parametrize("kills", [0, 3])
async def test_each_problem_goes_to_its_engine_whoever_has_its_shard(
    tmp_path: Path, kills: int
) -> None:
    alone = [
        Run(tmp_path / name, f"engine.error_rate={rate}") for name, rate in (("a", 0.1), ("b", 0.4))
    ]
    settings = {**MINIMAL, "engines": yaml.safe_load(TWO_ENGINES.partition("=")[2])}
    del settings["engine"]
    run = Run(tmp_path / "run", settings=settings)
    for one in alone:
        await one.coordinator.run()
    task = asyncio.create_task(run.coordinator.run())
    for _ in range(kills):
        await until(lambda: len(run.published) >= 1)
        run.crew.actors[-1].kill()
        await asyncio.sleep(0.03)
    await task
    assert run.folder.counts.problems_failed == 0
    engines = {problem.id: run.config.engine_index(problem.id) for problem in PROBLEMS}
    assert set(engines.values()) == {0, 1}
    expected = [trees(one) for one in alone]
    assert expected[0] != expected[1]
    assert trees(run) == {problem: expected[index][problem] for problem, index in engines.items()}


async def test_queues_and_workers_are_known_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.cluster.actors._LOAD_SECONDS", 0.01)
    run = Run(tmp_path / "run", "engine.token_seconds=0.002", "cluster.workers=2")
    task = asyncio.create_task(run.coordinator.run())
    await until(lambda: bool(run.coordinator.queues.sequences_running))
    queues, workers = run.coordinator.queues, run.coordinator.workers
    assert queues.problems_running
    assert queues.shards_open
    assert queues.sequences_waiting == queues.shards_committing == 0
    assert [one.worker for one in workers] == [0, 1]
    await task
    assert run.coordinator.queues == Queues(**dict.fromkeys(asdict(queues), 0))
    assert (
        sum(one.tokens for one in run.coordinator.workers) == run.coordinator.seating.usage.num_tokens
    )
