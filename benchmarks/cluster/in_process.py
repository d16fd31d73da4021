"""A run whose workers live in this process: a real driver, real workers, a simulated engine.

Ray's processes would compete for the cores of a small machine. Here only the calls between driver and
workers are replaced; the engine waits as long as a model would take, so that one core holds many
workers.
"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pipeline.cluster.actors as actors
from benchmarks.cluster.tiny import tiny_config
from pipeline.cluster.actors import RolloutWorker
from pipeline.cluster.coordinator import Coordinator
from pipeline.cluster.leases import Lease, ShardReport
from pipeline.config import RunConfig
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.shards import Shard
from pipeline.records import Problem, Trace
from pipeline.run import describe

_LOOK_SECONDS = 0.05


class _Method:
    def __init__(self, worker: RolloutWorker, name: str) -> None:
        self._worker, self._name = worker, name

    def remote(self, *arguments: Any) -> "asyncio.Future[Any]":
        """Calls the worker."""
        answer: asyncio.Future[Any] = asyncio.ensure_future(
            getattr(self._worker, self._name)(*arguments)
        )
        return answer


class _Actor:
    def __init__(self, worker: RolloutWorker) -> None:
        self.worker = worker

    def __getattr__(self, name: str) -> _Method:
        return _Method(self.worker, name)


class _Watch:
    """Which problems have begun, and how long each took."""

    def __init__(self) -> None:
        self.begun: set[str] = set()
        self.longest = 0.0
        self.busy = 0.0

    def around(self, explorer: Any) -> Any:
        """The explorer, watched."""
        watch = self

        class Watched:
            async def explore(self, problem: Problem, *others: Any) -> Trace:
                began = time.monotonic()
                watch.begun.add(problem.id)
                trace: Trace = await explorer.explore(problem, *others)
                took = time.monotonic() - began
                watch.longest, watch.busy = max(watch.longest, took), watch.busy + took
                return trace

        return Watched()


class _Crew:
    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self.verifiers: list[Any] = []
        self.reward_actors: list[list[Any]] = []
        self.workers: list[RolloutWorker] = []
        self.watch = _Watch()

    async def check_head(self) -> None: ...

    async def start_pools(self) -> None: ...

    def new_worker(self, number: int, engine: int = 0) -> _Actor:
        self.workers.append(RolloutWorker(self._config.with_engine(engine), [], []))
        return _Actor(self.workers[-1])

    async def started(self, actor: Any) -> Any:
        await actor.start.remote()
        actor.worker._explorer = self.watch.around(actor.worker._explorer)
        return ()

    async def end_worker(self, actor: Any, process: object = None, *, closes: bool = True) -> None:
        await actor.close.remote()


class _Observer:
    def message(self, text: str) -> None: ...

    def event(self, kind: str, **facts: object) -> None: ...


class InProcess:
    """One run, and what it did with the places of its workers."""

    def __init__(self, folder: Path, problems: Sequence[Problem], settings: Sequence[str]) -> None:
        vars(actors)["this_process"] = lambda: None  # asks Ray, which is not there
        (folder / "p.jsonl").touch()
        self.config = tiny_config(folder, folder / "p.jsonl", settings)
        self._folder = RunFolder.claim(self.config.output, describe(self.config))
        size = self.config.dataset.problems_per_part
        self._shards = [
            Shard(index=index, problems=tuple(problems[start : start + size]))
            for index, start in enumerate(range(0, len(problems), size))
        ]
        self._crew = _Crew(self.config)
        self._num_problems = len(problems)
        self._looks: list[tuple[float, int, int]] = []
        """Time, places with a problem, problems that have not begun."""
        self.seconds = 0.0

    def run(self) -> None:
        """Runs to the end."""
        asyncio.run(self._run())
        self._folder.close()

    @property
    def tail_began(self) -> float:
        """When the last problem began."""
        return max((at for at, _, waiting in self._looks if waiting), default=0.0)

    @property
    def idle_share(self) -> float:
        """Share of the places without a problem before the tail."""
        places = self.config.cluster.first_workers * self.config.cluster.first_places
        before = [taken for at, taken, _ in self._looks if at <= self.tail_began]
        return 1 - sum(before) / len(before) / places

    @property
    def tail_seconds(self) -> float:
        """Time from the begin of the last problem to the end."""
        return self.seconds - self.tail_began

    @property
    def longest(self) -> float:
        """Seconds of the problem that took longest."""
        return self._crew.watch.longest

    async def _run(self) -> None:
        coordinator = Coordinator(
            self.config, cast("Any", self._crew), self._shards, self._publish, _Observer()
        )
        began = time.monotonic()
        looking = asyncio.create_task(self._look(began))
        await coordinator.run()
        self.seconds = time.monotonic() - began
        looking.cancel()
        for worker in self._crew.workers:
            await worker.close()

    async def _look(self, began: float) -> None:
        while True:
            taken = sum(worker._places.num_taken for worker in self._crew.workers)
            left = self._num_problems - len(self._crew.watch.begun)
            self._looks.append((time.monotonic() - began, taken, left))
            await asyncio.sleep(_LOOK_SECONDS)

    async def _publish(self, lease: Lease, report: ShardReport) -> None:
        await asyncio.to_thread(
            self._folder.commit,
            lease.shard.index,
            report.files,
            num_problems=len(lease.shard.problems),
            problems_digest=lease.shard.digest,
            counts=report.counts,
        )
