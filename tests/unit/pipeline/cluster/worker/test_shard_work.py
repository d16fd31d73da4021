"""What a worker does with its shards: order, checkpoints, lent problems, engines that die."""

import asyncio
import contextlib
import errno
import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.cluster.leases import Lease, LeaseBook, ShardReport
from pipeline.cluster.worker.checkpoints import DamagedCheckpoint
from pipeline.cluster.worker.open_shard import OpenShard
from pipeline.cluster.worker.places import Places
from pipeline.cluster.worker.shard_work import ShardWork, Storing
from pipeline.datasets.encoded import EncodedTrace
from pipeline.datasets.folder import FolderError, RunFolder
from pipeline.datasets.part import StagedFile
from pipeline.datasets.shards import Shard
from pipeline.engines import EngineDied
from pipeline.engines.metered import Usage
from pipeline.explore import half_grown
from pipeline.failures import failed_trace
from pipeline.files import storage
from pipeline.files.storage import StorageError
from pipeline.records import Failure, Phase, Problem, Trace
from pipeline.tree import ROOT, Finish, Rollout, Step, Tree
from tests.conftest import make_problem
from tests.patience import until

PROBLEMS = tuple(make_problem(f"Problem {n}?") for n in range(6))
VIEWS = ("trees", "traces")


class Solver:
    """Explores problems when it is told to; each grows two rollouts."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.rollouts: dict[str, int] = {}
        """Problem -> rollouts that were grown here."""
        self.gates: dict[str, asyncio.Event] = {}
        self.dies_at: str | None = None

    def hold(self, *problems: Problem) -> None:
        """Has these wait after their first rollout."""
        self.gates |= {problem.id: asyncio.Event() for problem in problems}

    async def __call__(
        self, problem: Problem, tree: Tree | None, on_tree: Callable[[Tree], None]
    ) -> EncodedTrace:
        self.begun.append(problem.id)
        tree = tree or Tree([1, 2], "prompt", 5)
        on_tree(tree)
        await asyncio.sleep(0)
        if problem.id == self.dies_at:
            raise EngineDied("the engine died")
        while tree.num_rollouts < 2:
            step = Step(token_ids=(3, tree.num_rollouts), text="step", logprob=None)
            tree.add(
                ROOT,
                tree.reserve(ROOT, 1),
                Rollout(steps=(step,), finish=Finish.STOP, model_version="1"),
            )
            self.rollouts[problem.id] = self.rollouts.get(problem.id, 0) + 1
            if (gate := self.gates.get(problem.id)) is not None:
                await gate.wait()
        return encoded(half_grown(problem, tree))


def encoded(trace: Trace) -> EncodedTrace:
    return EncodedTrace.of(trace, views=VIEWS)


def failed(problem: Problem, failure: Failure) -> EncodedTrace:
    return encoded(failed_trace(problem, 0, failure))


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path, {})


def work_in(
    folder: RunFolder, solver: Solver, places: int = 8, num_bytes: int = 2**30, seconds: float = 1e6
) -> ShardWork:
    storing = Storing(
        staging=folder.staging,
        checkpoints=folder.checkpoints,
        views=VIEWS,
        seconds=seconds,
        num_bytes=num_bytes,
    )
    return ShardWork(solver, failed, Places(places), storing, Usage)


def lease(token: str = "a-1", problems: Sequence[Problem] = PROBLEMS, **options: object) -> Lease:
    return Lease(shard=Shard(index=0, problems=tuple(problems)), token=token, **options)  # type: ignore[arg-type]


async def settle(rounds: int = 50) -> None:
    for _ in range(rounds):
        await asyncio.sleep(0)


def ids_in(folder: RunFolder, report: ShardReport) -> list[str]:
    table = pq.read_table(folder.path / report.files["trees"].path)
    ids: list[str] = table["problem_id"].to_pylist()
    return ids


def content(folder: RunFolder, report: ShardReport) -> dict[str, bytes]:
    return {view: (folder.path / file.path).read_bytes() for view, file in report.files.items()}


async def begin(
    folder: RunFolder, solver: Solver, *held: Problem, places: int = 8
) -> tuple[ShardWork, "asyncio.Task[ShardReport]"]:
    """A worker that has done all but these problems, which wait after their first rollout."""
    solver.hold(*held)
    work = work_in(folder, solver, places)
    task = asyncio.create_task(work.work(lease()))
    await settle()
    return work, task


async def interrupted(folder: RunFolder, solver: Solver, *held: Problem, places: int = 8) -> None:
    """A worker that is killed after a checkpoint: what it would do then is lost."""
    work, task = await begin(folder, solver, *held, places=places)
    await work.save()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def whole(folder: RunFolder) -> dict[str, bytes]:
    """The files of a shard whose work nothing disturbed."""
    report = await work_in(folder, Solver()).work(lease("whole"))
    return content(folder, report)


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
