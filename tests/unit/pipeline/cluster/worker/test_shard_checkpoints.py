"""A shard's checkpoints: later leases go on from them, and a damaged one costs only time."""

import asyncio
import random
from pathlib import Path

import pytest

from pipeline.cluster.worker.checkpoints import DamagedCheckpoint
from pipeline.datasets.folder import RunFolder
from pipeline.files import storage
from pipeline.records import Failure, Phase
from tests.conftest import make_problem
from tests.patience import until
from tests.unit.pipeline.cluster.worker.shard_works import (
    PROBLEMS,
    Solver,
    begin,
    content,
    ids_in,
    interrupted,
    lease,
    settle,
    whole,
    work_in,
)


async def test_a_later_lease_goes_on_from_the_checkpoint(folder: RunFolder) -> None:
    expected = await whole(folder)
    early, late = Solver(), Solver()
    await interrupted(folder, early, PROBLEMS[1], PROBLEMS[2], places=5)
    report = await work_in(folder, late).work(lease("a-2", resumes=True))
    # Two had one of two rollouts each; the others were finished.
    assert late.rollouts == {PROBLEMS[1].id: 1, PROBLEMS[2].id: 1}
    assert content(folder, report) == expected
    assert report.counts.problems == 6


async def test_checkpoints_add_up_and_repeat_nothing(folder: RunFolder) -> None:
    expected = await whole(folder)
    solver = Solver()
    work, task = await begin(folder, solver, PROBLEMS[1], PROBLEMS[2])
    await work.save()
    await work.save()
    assert len(folder.checkpoints(0)) == 1
    solver.gates[PROBLEMS[1].id].set()
    await settle()
    await work.save()
    assert len(folder.checkpoints(0)) == 2
    solver.gates[PROBLEMS[2].id].set()
    # What is in checkpoints and what is in memory are written together.
    assert content(folder, await task) == expected


async def test_a_damaged_or_foreign_checkpoint_costs_only_time(folder: RunFolder) -> None:
    expected = await whole(folder)
    await interrupted(folder, Solver(), PROBLEMS[1])
    (path,) = folder.checkpoints(0)
    sound = path.read_bytes()
    for number, damaged in enumerate([b"", sound[: len(sound) // 2], b"x" * 100]):
        path.write_bytes(damaged)
        report = await work_in(folder, Solver()).work(lease(f"b-{number}", resumes=True))
        assert content(folder, report) == expected
    path.write_bytes(sound)
    # The shard has other problems now.
    others = [make_problem(f"Another {n}?") for n in range(6)]
    report = await work_in(folder, Solver()).work(lease("c-1", others, resumes=True))
    assert ids_in(folder, report) == [problem.id for problem in others]


async def test_a_flipped_bit_anywhere_in_a_checkpoint_changes_no_row(folder: RunFolder) -> None:
    expected = await whole(folder)
    await interrupted(folder, Solver(), PROBLEMS[1])
    (path,) = folder.checkpoints(0)
    sound, chance = path.read_bytes(), random.Random(0)
    for number in range(200):
        damaged = bytearray(sound)
        damaged[chance.randrange(len(sound))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        report = await work_in(folder, Solver()).work(lease(f"b-{number}", resumes=True))
        assert content(folder, report) == expected
        assert report.counts.problems == len(PROBLEMS)


async def test_a_checkpoint_that_is_damaged_later_costs_the_lease(folder: RunFolder) -> None:
    """What was finished is not in memory any more; the next lease explores it again."""
    expected, solver = await whole(folder), Solver()
    work, task = await begin(folder, solver, PROBLEMS[1])
    await work.save()
    (path,) = folder.checkpoints(0)
    sound = path.read_bytes()
    path.write_bytes(sound[:1000] + bytes(byte ^ 255 for byte in sound[1000:]))
    solver.gates[PROBLEMS[1].id].set()
    with pytest.raises(DamagedCheckpoint, match="this checkpoint is damaged"):
        await task
    report = await work_in(folder, Solver()).work(lease("a-2", resumes=True))
    assert content(folder, report) == expected


async def test_failed_problems_are_explored_again_after_a_crash(folder: RunFolder) -> None:
    failure = Failure(phase=Phase.SAMPLE, type="EngineDied", message="given up")
    solver = Solver()
    solver.hold(PROBLEMS[1])
    work = work_in(folder, solver)
    task = asyncio.create_task(work.work(lease(given_up={0: failure})))
    await settle()
    await work.save()
    task.cancel()
    assert PROBLEMS[0].id not in solver.begun
    late = Solver()
    report = await work_in(folder, late).work(lease("a-2", resumes=True))
    assert set(late.begun) == {PROBLEMS[0].id, PROBLEMS[1].id}
    assert report.counts.problems_failed == 0


async def test_problems_go_to_disk_when_memory_is_full(folder: RunFolder) -> None:
    expected = await whole(folder)
    solver = Solver()
    solver.hold(PROBLEMS[5])
    work = work_in(folder, solver, num_bytes=1)
    watching = asyncio.create_task(work.watch())
    task = asyncio.create_task(work.work(lease()))
    await until(lambda: folder.checkpoints(0))
    solver.gates[PROBLEMS[5].id].set()
    assert content(folder, await task) == expected
    watching.cancel()


async def test_checkpoints_are_written_at_intervals(folder: RunFolder) -> None:
    solver = Solver()
    solver.hold(PROBLEMS[5])
    work = work_in(folder, solver, seconds=0.01)
    watching = asyncio.create_task(work.watch())
    task = asyncio.create_task(work.work(lease()))
    await until(lambda: folder.checkpoints(0))
    task.cancel()
    watching.cancel()


async def test_a_checkpoint_that_another_worker_is_writing_is_not_read(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was taken for dead may go on writing while its successor starts."""
    seen: list[list[str]] = []

    def move(source: Path, target: Path) -> None:
        seen.append([path.name for path in folder.checkpoints(0)])
        storage.move(source, target)

    monkeypatch.setattr("pipeline.cluster.worker.checkpoints.move", move)
    solver = Solver()
    solver.hold(PROBLEMS[1])
    work = work_in(folder, solver)
    task = asyncio.create_task(work.work(lease()))
    await settle()
    await work.save()
    task.cancel()
    assert seen == [[]]
    assert [path.name[:6] for path in folder.checkpoints(0)] == ["00001-"]
