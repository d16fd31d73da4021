"""A worker with one shard, and problems that are explored when a test says so."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import pyarrow.parquet as pq

from pipeline.cluster.leases import Lease, ShardReport
from pipeline.cluster.worker.places import Places
from pipeline.cluster.worker.shard_work import ShardWork, Storing
from pipeline.datasets.encoded import EncodedTrace
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.shards import Shard
from pipeline.engines import EngineDied
from pipeline.engines.metered import Usage
from pipeline.explore import half_grown
from pipeline.failures import failed_trace
from pipeline.records import Failure, Problem, Trace
from pipeline.tree import ROOT, Finish, Rollout, Step, Tree
from tests.conftest import make_problem

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
    # The options are those of a Lease, whatever their types.
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
