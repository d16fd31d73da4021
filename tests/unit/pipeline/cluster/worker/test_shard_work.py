"""What a worker does with its shards: order, lent problems, engines that die."""

import asyncio
import errno
import os

import pytest

from pipeline.cluster.leases import Lease, LeaseBook
from pipeline.cluster.worker.open_shard import OpenShard
from pipeline.cluster.worker.shard_work import ShardWork
from pipeline.datasets.folder import FolderError, RunFolder
from pipeline.datasets.part import StagedFile
from pipeline.datasets.shards import Shard
from pipeline.engines import EngineDied
from pipeline.files.storage import StorageError
from tests.unit.pipeline.cluster.worker.shard_works import (
    PROBLEMS,
    Solver,
    begin,
    content,
    ids_in,
    lease,
    settle,
    whole,
    work_in,
)


async def test_problems_are_written_in_order_whenever_they_finish(folder: RunFolder) -> None:
    expected = await whole(folder)
    solver = Solver()
    work, task = await begin(folder, solver, PROBLEMS[0], PROBLEMS[3])
    assert work.status().counts[0].problems == 4
    assert {(one.shard, one.position) for one in work.status().running} == {(0, 0), (0, 3)}
    for number in (3, 0):
        solver.gates[PROBLEMS[number].id].set()
        await settle()
    report = await task
    assert ids_in(folder, report) == [problem.id for problem in PROBLEMS]
    assert content(folder, report) == expected
    assert report.counts.problems == 6
    assert report.files["trees"].num_rows == 6
    assert work.status().waiting == {}


async def test_a_shard_counts_as_written_while_it_is_and_not_before(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on, write = asyncio.Event(), OpenShard.write

    async def slowly(shard: OpenShard) -> dict[str, StagedFile]:
        await goes_on.wait()
        return await write(shard)

    monkeypatch.setattr(OpenShard, "write", slowly)
    solver = Solver()
    work, task = await begin(folder, solver, PROBLEMS[0])
    assert work.status().num_writing == 0
    solver.gates[PROBLEMS[0].id].set()
    await settle()
    assert work.status().num_writing == 1
    goes_on.set()
    await task
    assert work.status().num_writing == 0


async def test_no_more_problems_are_under_way_than_there_are_places(folder: RunFolder) -> None:
    solver = Solver()
    work, task = await begin(folder, solver, *PROBLEMS, places=2)
    assert solver.begun == [problem.id for problem in PROBLEMS[:2]]
    assert work.status().waiting == {0: 4}
    for gate in solver.gates.values():
        gate.set()
    await task
    assert work.status().num_finished == 6


async def test_a_dead_engine_ends_the_lease_and_names_what_was_under_way(folder: RunFolder) -> None:
    solver = Solver()
    solver.hold(PROBLEMS[0], PROBLEMS[1])
    solver.dies_at = PROBLEMS[3].id
    work = work_in(folder, solver, places=3)
    task = asyncio.create_task(work.work(lease()))
    # The third place becomes free for the problem that kills the engine.
    with pytest.raises(EngineDied):
        await task
    assert sorted(one.position for one in work.status().running) == [0, 1, 3]


async def test_what_is_lent_is_left_alone_until_its_result_comes(folder: RunFolder) -> None:
    expected = await whole(folder)
    owner, helper = Solver(), Solver()
    work, task = await begin(folder, owner, PROBLEMS[0], places=1)
    other = work_in(folder, helper)
    lent = work.lend(0, "a-1", 4)
    assert lent == [2, 3, 4, 5]
    assert work.lend(0, "another token", 4) == []
    assert work.status().waiting == {0: 1}
    for position in lent[1:]:
        result = await other.explore_for_another(PROBLEMS[position])
        assert work.accept(0, "a-1", position, result)
        assert not work.accept(0, "a-1", position, result)
        assert not work.accept(0, "another token", position, result)
    work.take_back(0, "a-1", lent[0])
    owner.gates[PROBLEMS[0].id].set()
    report = await task
    assert set(owner.begun) == {problem.id for problem in PROBLEMS[:3]}
    assert content(folder, report) == expected


async def test_the_first_of_two_results_counts(folder: RunFolder) -> None:
    expected = await whole(folder)
    owner, helper = Solver(), Solver()
    work, task = await begin(folder, owner, PROBLEMS[4])
    assert [one.position for one in work.status().running] == [4]
    copy = await work_in(folder, helper).explore_for_another(PROBLEMS[4])
    assert work.accept(0, "a-1", 4, copy)
    assert content(folder, await task) == expected
    assert work.status().running == ()


async def test_a_last_attempt_waits_for_permission_and_nothing_begins_beside_it(
    folder: RunFolder,
) -> None:
    solver = Solver()
    solver.hold(PROBLEMS[0], PROBLEMS[1])
    work = work_in(folder, solver, places=1)
    task = asyncio.create_task(work.work(lease(last_attempts=frozenset({1}))))
    await settle()
    assert solver.begun == [PROBLEMS[0].id]
    attempt = asyncio.create_task(work.explore_last(0, "a-1", 1))
    await settle()
    solver.gates[PROBLEMS[0].id].set()
    await settle()
    # A place is free, but nothing begins.
    assert solver.begun == [PROBLEMS[0].id, PROBLEMS[1].id]
    assert not attempt.done()
    solver.gates[PROBLEMS[1].id].set()
    await attempt
    report = await task
    assert report.counts.problems == 6
    # A second permission, or one for an earlier lease, does nothing.
    await work.explore_last(0, "a-1", 1)


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, StorageError), (errno.EIO, StorageError), (errno.EACCES, FolderError)],
)
async def test_a_store_that_fails_is_no_fault_of_the_problems(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    def broken(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("pipeline.cluster.worker.open_shard.write_parquet", broken)
    with pytest.raises(kind):
        await work_in(folder, Solver()).work(lease())


async def one_by_one(work: ShardWork, lease: Lease) -> None:
    for position in sorted(lease.last_attempts):
        await work.explore_last(0, lease.token, position)


async def test_a_book_of_leases_and_a_worker_agree(folder: RunFolder) -> None:
    """A problem that kills the engine whenever it is explored is given up, and no other is."""
    expected_failed, book = PROBLEMS[2].id, LeaseBook(attempts=3)
    current: Lease | None = book.lease(Shard(index=0, problems=PROBLEMS))
    for _ in range(10):
        assert current is not None
        solver = Solver()
        solver.dies_at = expected_failed
        work = work_in(folder, solver)
        task = asyncio.create_task(work.work(current))
        await asyncio.sleep(0)
        last = asyncio.create_task(one_by_one(work, current))
        try:
            report = await task
        except EngineDied as e:
            under_way = [one.position for one in work.status().running]
            book.give_back(current, under_way, str(e))
            current = book.lease_returned()
        else:
            break
        finally:
            last.cancel()
    assert report.counts.problems == 6
    assert report.counts.problems_failed == 1
