"""What the driver pays for many engines: a real driver, and workers that only pretend to work.

The workers live in a few Ray actors, each of which answers for many: leases, reports and heartbeats go
through Ray as in any run. A worker reports a quarter of a problem a second (5,000 tokens a second,
20,000 tokens a problem) and files without rows.
"""

import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import ray

import pipeline.run as driver
from benchmarks.cluster.tiny import tiny_config, write_sums
from pipeline.cluster.leases import Lease, Running, ShardReport, WorkerStatus
from pipeline.config import RunConfig
from pipeline.datasets.counts import Counts
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.staging import staged_file, staging_folder
from pipeline.datasets.views.table import VIEWS
from pipeline.engines.metered import Usage
from pipeline.files.publishing import write_parquet
from pipeline.progress import Snapshot

PROBLEMS_PER_SECOND = 0.25
"""Of one engine."""
TOKENS = 20_000
_PLACES = 64
_HOSTS = 4
_WINDOW_SECONDS = 40.0


@dataclass
class _Pretended:
    """The state of one worker."""

    began: float = field(default_factory=time.monotonic)
    open: dict[int, tuple[float, int]] = field(default_factory=dict)
    """Shard -> when it began, and its number of problems."""
    finished: int = 0
    credit: int = 0
    """Problems of its first shard that were done before it began to pretend."""


class Host:
    """Answers for many workers."""

    def __init__(self, config: RunConfig, seconds_per_problem: float) -> None:
        self._config, self._seconds = config, seconds_per_problem
        self._workers: dict[int, _Pretended] = {}

    async def work(self, number: int, lease: Lease) -> ShardReport:
        """Waits as long as the problems would take; the first shard is half done on the average."""
        worker = self._workers.setdefault(number, _Pretended())
        size, index = len(lease.shard.problems), lease.shard.index
        takes = size * self._seconds
        done = random.uniform(0, 1) if not worker.open and not worker.finished else 0.0
        worker.credit += int(done * size)
        # A worker has as many shards open as it needs, and finishes them one after the other.
        before = sum(
            max(0.0, begun + n * self._seconds - time.monotonic()) for begun, n in worker.open.values()
        )
        begun = time.monotonic() + before - done * takes
        worker.open[index] = begun, size
        await asyncio.sleep(max(0.0, begun + takes - time.monotonic()))
        del worker.open[index]
        worker.finished += size
        folder, files = staging_folder(self._config.output, index, lease.token), {}
        folder.mkdir(parents=True, exist_ok=True)
        for view in self._config.dataset.stored_views:
            written = write_parquet(folder / f"{view}.parquet", VIEWS[view].schema, [])
            files[view] = staged_file(written)
        return ShardReport(files=files, counts=_counts(size), usage=_usage(worker.finished))

    async def status(self, number: int) -> WorkerStatus:
        """As a worker with full places reports."""
        worker = self._workers.setdefault(number, _Pretended())
        now, counts, waiting = time.monotonic(), {}, {}
        running: list[Running] = []
        for index, (begun, size) in worker.open.items():
            done = min(size, max(0, int((now - begun) / self._seconds)))
            counts[index] = _counts(done)
            free = max(0, _PLACES - len(running))
            positions = range(done, min(size, done + free))
            running += [Running(shard=index, position=p, seconds=now - begun) for p in positions]
            waiting[index] = size - done - len(positions)
        finished = worker.finished + sum(one.problems for one in counts.values()) - worker.credit
        return WorkerStatus(
            usage=_usage(finished),
            counts=counts,
            places=_PLACES,
            waiting=waiting,
            running=tuple(running),
            num_finished=finished,
            mean_seconds=self._seconds * _PLACES,
        )


def _counts(size: int) -> Counts:
    counts = Counts(
        problems=size,
        problems_solved=size,
        rollouts=size,
        nodes=9 * size,
        tokens=TOKENS * size,
        kept=size,
    )
    counts.statuses.update({"completed": size})
    counts.verdicts.update({"pass": size})
    return counts


def _usage(finished: int) -> Usage:
    return Usage(num_tokens=TOKENS * finished, num_rollouts=finished, num_prompt_tokens=99 * finished)


class _Method:
    def __init__(self, call: Callable[..., Any], number: int, seen: dict[str, int], name: str) -> None:
        self._call, self._number, self._seen, self._name = call, number, seen, name

    def remote(self, *arguments: Any) -> Any:
        """Calls the worker's host."""
        self._seen[self._name] = self._seen.get(self._name, 0) + 1
        return self._call(self._number, *arguments)


class _Worker:
    """What the driver takes for a worker's actor."""

    def __init__(self, host: Any, number: int, seen: dict[str, int]) -> None:
        self.status = _Method(host.status.remote, number, seen, "status")
        self.work = _Method(host.work.remote, number, seen, "work")
        self.save = self.status


class _Crew:
    """Stands in for `pipeline.cluster.crew.Crew`."""

    def __init__(self, config: RunConfig, seconds_per_problem: float) -> None:
        self.verifiers: list[Any] = []
        self.reward_actors: list[list[Any]] = []
        self.calls: dict[str, int] = {}
        host: Any = ray.remote(num_cpus=0)(Host)
        host = host.options(max_concurrency=10_000)
        self._hosts = [host.remote(config, seconds_per_problem) for _ in range(_HOSTS)]

    async def __aenter__(self) -> "_Crew":
        return self

    async def __aexit__(self, *exception: object) -> None: ...

    async def start_pools(self) -> None: ...

    async def watch_head(self, done: asyncio.Event) -> None:
        await done.wait()

    async def check_head(self) -> None: ...

    async def started(self, actor: Any) -> tuple[str, ...]:
        return ()

    async def end_worker(self, actor: Any, process: object = None, *, closes: bool = True) -> None: ...

    def new_worker(self, number: int, engine: int = 0) -> Any:
        return _Worker(self._hosts[number % _HOSTS], number, self.calls)


class _Quiet:
    def message(self, text: str) -> None: ...

    def update(self, snapshot: Snapshot) -> None: ...


async def _measure(config: RunConfig, crew: _Crew) -> dict[str, float]:
    folder = RunFolder.claim(config.output, driver.describe(config))
    run = asyncio.create_task(driver._Run(config, folder, _Quiet()).run())
    engines = config.cluster.first_workers
    while crew.calls.get("work", 0) < engines and not run.done():  # noqa: ASYNC110 - calls, no event
        await asyncio.sleep(0.5)
    # The first beats of all come at once; after that they keep their distance.
    await asyncio.sleep(25)
    began, cpu, calls, parts = (
        time.monotonic(),
        time.process_time(),
        dict(crew.calls),
        len(folder.parts),
    )
    await asyncio.sleep(_WINDOW_SECONDS)
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    found = {
        "engines": engines,
        "seconds": seconds,
        "cpu": cpu,
        "beats": crew.calls["status"] - calls["status"],
        "leases": crew.calls["work"] - calls["work"],
        "commits": len(folder.parts) - parts,
        "rss": float(psutil.Process().memory_info().rss),
    }
    if run.done():
        run.result()
    run.cancel()
    await asyncio.wait([run])
    folder.close()
    return found


def main(result: Path, engines: int, problems_per_part: int) -> None:
    """Measures one number of engines in this process."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Three shards for each engine, and what it finishes meanwhile.
        problems = write_sums(
            folder / "p.jsonl", engines * 3 * max(problems_per_part, _PLACES) + 20_000
        )
        settings = [
            f"cluster.workers={engines}",
            f"dataset.problems_per_part={problems_per_part}",
            "cluster.drain_seconds=0",
        ]
        config = tiny_config(folder, problems, settings)
        ray.init(
            address="local",
            num_cpus=4,
            include_dashboard=False,
            log_to_driver=False,
            _node_ip_address="127.0.0.1",
            object_store_memory=2**28,
        )
        crew = _Crew(config, 1 / PROBLEMS_PER_SECOND)
        vars(driver)["Crew"] = lambda *_: crew
        result.write_text(json.dumps(asyncio.run(_measure(config, crew))))
        ray.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
