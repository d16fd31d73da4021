"""Figures for Prometheus, by Ray's own metrics: each node's Ray offers those of its actors.

They are set at heartbeats and when a problem ends, never for single tokens. Prometheus sees the names
below as `ray_NAME`, and counters as `ray_NAME_total`. Without Ray, as in tests, nothing is measured.
"""

import time
from collections.abc import Mapping
from typing import Any

import ray
from ray.util.metrics import Counter, Gauge, Histogram

from pipeline.cluster.leases import WorkerStatus
from pipeline.engines import Load
from pipeline.inspection.cluster_state import ClusterState
from pipeline.records import Phase, Trace

_WORKER = ("worker", "model_version")
_SECONDS = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0]
"""Upper bounds of the histogram's buckets."""

GAUGES = {
    "berry_problems_in_flight": ("Problems that the worker is exploring", _WORKER),
    "berry_problems_waiting": ("Problems of its shards that have not begun", _WORKER),
    "berry_responses_unjudged": ("Responses that wait for a verifier's verdict", _WORKER),
    "berry_engine_running": ("Sequences in the engine's batch", _WORKER),
    "berry_engine_waiting": ("Sequences that wait for room in the batch", _WORKER),
    "berry_kv_used": ("Used fraction of the key-value cache", _WORKER),
    "berry_workers_ready": ("Workers that are ready", ()),
    "berry_leases_open": ("Shards that are leased and not committed", ()),
    "berry_oldest_lease_seconds": ("Age of the oldest open lease", ()),
}
COUNTERS = {
    "berry_problems_finished": ("Problems finished", _WORKER),
    "berry_rollouts": ("Rollouts finished", _WORKER),
    "berry_tokens": ("Tokens sampled", _WORKER),
    "berry_prompt_tokens": ("Prefix tokens, as if no prefix were shared", _WORKER),
    "berry_prompt_tokens_cached": ("Those taken from the prefix cache", _WORKER),
    "berry_preemptions": ("Sequences that lost their place in the cache", _WORKER),
    "berry_verdicts": ("Verdicts", (*_WORKER, "outcome")),
    "berry_errors": ("Failures of problems, by the phase that failed", (*_WORKER, "kind")),
    "berry_stage_seconds": ("Seconds of a stage, of all its calls together", (*_WORKER, "stage")),
    "berry_stage_calls": ("Calls of a stage", (*_WORKER, "stage")),
    "berry_shards_leased": ("Leases of shards to workers", ()),
    "berry_shards_published": ("Shards committed", ()),
    "berry_published_bytes": ("Bytes of committed files", ()),
    "berry_restarts": ("Workers, verifiers and reward models lost", ()),
}
HISTOGRAMS = {"berry_problem_seconds": ("Time to explore a problem", _WORKER)}
"""Name -> description and tags, for each kind of metric."""


class _Metrics:
    """The metrics of one process."""

    def __init__(self, *names: str) -> None:
        self._measured: dict[str, Any] = {}
        self._totals: dict[tuple[str, str], float] = {}
        """(counter, stage or "") -> what it was raised to, under all its other tags together."""
        for name in names if ray.is_initialized() else ():
            if name in GAUGES:
                text, tags = GAUGES[name]
                self._measured[name] = Gauge(name, text, tag_keys=tags)
            elif name in COUNTERS:
                text, tags = COUNTERS[name]
                self._measured[name] = Counter(name, text, tag_keys=tags)
            else:
                text, tags = HISTOGRAMS[name]
                self._measured[name] = Histogram(name, text, boundaries=_SECONDS, tag_keys=tags)

    def set(self, name: str, value: float | None, tags: Mapping[str, str]) -> None:
        """Sets a gauge; None leaves it."""
        if value is not None and name in self._measured:
            self._measured[name].set(value, tags=dict(tags))

    def add(self, name: str, amount: float, tags: Mapping[str, str]) -> None:
        """Raises a counter."""
        if amount > 0 and name in self._measured:
            self._measured[name].inc(amount, tags=dict(tags))

    def raise_to(self, name: str, total: float | None, tags: Mapping[str, str]) -> None:
        """Adds to a counter what is new since the last call; None adds nothing."""
        if total is None:
            return
        key = name, tags.get("stage", "")
        before = self._totals.get(key, 0)
        self.add(name, total - before, tags)
        self._totals[key] = max(total, before)

    def observe(self, name: str, value: float, tags: Mapping[str, str]) -> None:
        """Adds a value to a histogram."""
        if name in self._measured:
            self._measured[name].observe(value, tags=dict(tags))


class WorkerMetrics:
    """The metrics of a rollout worker."""

    def __init__(self, worker: str) -> None:
        """`worker` is its name, as in the name of its log."""
        self._metrics = _Metrics(
            *(
                name
                for table in (GAUGES, COUNTERS, HISTOGRAMS)
                for name, (_, tags) in table.items()
                if tags
            )
        )
        self._tags = {"worker": worker, "model_version": ""}
        self._stages: dict[Phase, tuple[int, float]] = {}
        """Stage -> its calls and their seconds so far."""

    def beat(self, status: WorkerStatus, load: Load | None, model_version: str) -> None:
        """Sets everything that a heartbeat knows."""
        metrics, usage = self._metrics, status.usage
        if model_version != self._tags["model_version"]:
            self._leave_version(model_version)
        gauges: dict[str, float | None] = {
            "berry_problems_in_flight": len(status.running),
            "berry_problems_waiting": status.num_waiting,
            "berry_responses_unjudged": status.num_unjudged,
            "berry_engine_running": None if load is None else load.num_running,
            "berry_engine_waiting": None if load is None else load.num_waiting,
            "berry_kv_used": None if load is None else load.kv_used,
        }
        for name, number in gauges.items():
            metrics.set(name, number, self._tags)
        totals: dict[str, float | None] = {
            "berry_problems_finished": status.num_finished,
            "berry_rollouts": usage.num_rollouts,
            "berry_tokens": usage.num_live_tokens,
            "berry_prompt_tokens": usage.num_prompt_tokens,
            "berry_prompt_tokens_cached": usage.num_cached_tokens,
            "berry_preemptions": None if load is None else load.num_preempted,
        }
        for name, total in totals.items():
            metrics.raise_to(name, total, self._tags)

        for phase, (calls, seconds) in self._stages.items():
            tags = {**self._tags, "stage": str(phase)}
            metrics.raise_to("berry_stage_calls", calls, tags)
            metrics.raise_to("berry_stage_seconds", seconds, tags)

    def took(self, phase: Phase, seconds: float) -> None:
        """Counts a call of a stage; heartbeats report it, since there are many calls."""
        calls, so_far = self._stages.get(phase, (0, 0.0))
        self._stages[phase] = calls + 1, so_far + seconds

    def explored(self, trace: Trace, seconds: float) -> None:
        """Counts a problem that was explored, and its verdicts."""
        self._metrics.observe("berry_problem_seconds", seconds, self._tags)
        for trajectory in trace.trajectories:
            if trajectory.verdict is not None:
                tags = {**self._tags, "outcome": str(trajectory.verdict.outcome)}
                self._metrics.add("berry_verdicts", 1, tags)
        for failure in trace.failures:
            self.failed(str(failure.phase))

    def failed(self, kind: str) -> None:
        """Counts a failure of a problem."""
        self._metrics.add("berry_errors", 1, {**self._tags, "kind": kind})

    def _leave_version(self, new: str) -> None:
        """A gauge keeps its last value under its old tags, so that sums would count it twice."""
        if self._tags["model_version"]:
            for name, (_, tags) in GAUGES.items():
                if tags:
                    self._metrics.set(name, 0, self._tags)
        self._tags = {**self._tags, "model_version": new}


class DriverMetrics:
    """The metrics of a run's driver, from the events that it logs."""

    def __init__(self) -> None:
        self._metrics = _Metrics(
            *(name for table in (GAUGES, COUNTERS) for name, (_, tags) in table.items() if not tags)
        )
        self._state = ClusterState()
        self._leased: dict[int, float] = {}
        """Open shard -> when it was leased, in monotonic seconds."""

    def take(self, event: Mapping[str, Any]) -> None:
        """Counts an event."""
        self._state.take(event)
        kind = event["event"]
        if kind == "lease":
            self._leased[event["shard"]] = time.monotonic()
            self._metrics.add("berry_shards_leased", 1, {})
        elif kind == "commit":
            self._metrics.add("berry_shards_published", 1, {})
            self._metrics.add("berry_published_bytes", event["bytes"], {})
        elif kind in ("worker_lost", "pool_actor_restarted"):
            self._metrics.add("berry_restarts", 1, {})

    def report(self) -> None:
        """Sets what changes with time."""
        self._leased = {key: at for key, at in self._leased.items() if key in self._state.leases}
        oldest = min(self._leased.values(), default=None)
        ready = sum(one.state == "ready" for one in self._state.workers.values())
        self._metrics.set("berry_workers_ready", ready, {})
        self._metrics.set("berry_leases_open", len(self._leased), {})
        age = 0.0 if oldest is None else time.monotonic() - oldest
        self._metrics.set("berry_oldest_lease_seconds", age, {})
