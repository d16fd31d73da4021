"""What the event log of a run says about its workers, leases and weights; Ray is not asked."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pipeline.datasets.metrics import read_lines
from pipeline.files.publishing import explained
from pipeline.inspection.ages import age

_MOST_LINES = 16
"""Workers with a line of their own."""


@dataclass(slots=True, kw_only=True)
class WorkerState:
    """A worker's seat, which several actors may have had."""

    number: int
    state: Literal["ready", "lost", "given_up"] = "ready"
    since: str | None = None
    """Time of the last change of `state`."""
    restarts: int = 0
    """Actors that were lost."""
    reason: str | None = None
    """Why the last one was lost, or none can be started."""
    shards: int = 0
    """Shards that it has leased and that are not committed."""


@dataclass(slots=True, kw_only=True)
class OpenLease:
    """A shard that is leased and not committed."""

    shard: int
    worker: int
    time: str | None


@dataclass(slots=True, kw_only=True)
class ClusterState:
    """The newest process of a run, as far as its events say."""

    started: str | None = None
    """When that process began to start its workers."""
    workers: dict[int, WorkerState] = field(default_factory=dict)
    leases: dict[int, OpenLease] = field(default_factory=dict)
    """Shard -> its lease."""
    restarts: int = 0
    """Workers lost."""
    pool_restarts: int = 0
    """Verifiers and reward models that hung and were restarted."""
    weights: str | None = None
    """Version of the newest weights that an actor took over; None for the config's own."""
    last_commit: str | None = None
    """Time of the last committed shard, of all processes."""
    num_events: int = 0

    @classmethod
    def read(cls, run: Path) -> "ClusterState":
        """Reads the log of a run folder, local or in a store. Raises FolderError and StorageError."""
        with explained(run):
            return cls.of(_parsed(read_lines(run, "events")))

    @classmethod
    def of(cls, events: Iterable[Mapping[str, Any]]) -> "ClusterState":
        """The state after these events; those of another form, as an edited file has them, are passed
        over."""
        state = cls()
        for event in events:
            with suppress(KeyError, TypeError, ValueError, OverflowError):
                state.take(event)
        for lease in state.leases.values():
            if (worker := state.workers.get(lease.worker)) is not None:
                worker.shards += 1
        return state

    @property
    def oldest_lease(self) -> OpenLease | None:
        """The lease that is open for the longest time; None without any."""
        return min(self.leases.values(), key=lambda one: one.time or "", default=None)

    def to_json(self) -> dict[str, Any]:
        """Its JSON form."""
        oldest = self.oldest_lease
        return {
            "started": self.started,
            "workers": [asdict(one) for _, one in sorted(self.workers.items())],
            "restarts": self.restarts,
            "pool_restarts": self.pool_restarts,
            "open_leases": len(self.leases),
            "oldest_lease": None if oldest is None else asdict(oldest),
            "weights": self.weights,
            "last_commit": self.last_commit,
        }

    def take(self, event: Mapping[str, Any]) -> None:
        """Changes with one more event."""
        time, kind = _text(event.get("time")), event.get("event")
        self.num_events += 1
        if kind == "run_started":
            # What the processes before this one had leased or started is gone.
            self.workers, self.leases = {}, {}
            self.restarts = self.pool_restarts = 0
            self.started = time
        elif kind == "lease":
            shard, worker = int(event["shard"]), int(event["worker"])
            self.leases[shard] = OpenLease(shard=shard, worker=worker, time=time)
        elif kind == "commit":
            self.leases.pop(int(event["shard"]), None)
            self.last_commit = time
        elif kind == "pool_actor_restarted":
            self.pool_restarts += 1
        elif kind == "weights" and event.get("changed"):
            self.weights = str(event["version"])
        elif kind in ("worker_ready", "worker_lost", "worker_given_up"):
            self._take_worker(int(event["worker"]), kind, event)

    def _take_worker(self, number: int, kind: str, event: Mapping[str, Any]) -> None:
        worker = self.workers.setdefault(number, WorkerState(number=number))
        worker.since, worker.reason = _text(event.get("time")), _text(event.get("reason"))
        if kind == "worker_ready":
            worker.state = "ready"
            return
        worker.state = "lost" if kind == "worker_lost" else "given_up"
        if kind == "worker_lost":
            worker.restarts += 1
            self.restarts += 1
            self.leases = {key: one for key, one in self.leases.items() if one.worker != number}


def _text(value: object) -> str | None:
    """The value if it is text."""
    return value if isinstance(value, str) else None


def cluster_lines(state: ClusterState, *, is_running: bool | None) -> list[str]:
    """The lines of `berry status`; none without events."""
    if not state.num_events:
        return []
    lines = []
    if state.last_commit is not None:
        lines.append(f"commit     the last one {age(state.last_commit)} ago ({state.last_commit})")
    if state.weights is not None:
        lines.append(f"weights    version {state.weights}, by `berry weights`")
    if is_running is False:
        return lines
    numbers = {"ready": 0, "lost": 0, "given_up": 0}
    for worker in state.workers.values():
        numbers[worker.state] += 1
    pools = f", {state.pool_restarts} of verifiers and reward models" if state.pool_restarts else ""
    found = ", ".join(f"{number} {what.replace('_', ' ')}" for what, number in numbers.items())
    lines.append(f"workers    {found}; {state.restarts} restarts{pools}")
    if (oldest := state.oldest_lease) is not None:
        lines.append(
            f"leases     {len(state.leases)} shards open, the oldest for {age(oldest.time)} (shard "
            f"{oldest.shard}, worker {oldest.worker})"
        )
    return lines + list(_worker_lines(state))


def _worker_lines(state: ClusterState) -> Iterable[str]:
    """A line for each worker, those that are not ready first."""
    workers = sorted(state.workers.values(), key=lambda one: (one.state == "ready", one.number))
    for one in workers[:_MOST_LINES]:
        why = f"; the last one {one.reason}" if one.reason else ""
        yield (
            f"{f'worker {one.number}':<10} {one.state.replace('_', ' ')} for {age(one.since)}, "
            f"{one.shards} shards, {one.restarts} restarts{why}"
        )
    if (more := len(workers) - _MOST_LINES) > 0:
        yield f"           and {more} more, which --json lists"


def _parsed(lines: Iterable[bytes]) -> Iterable[dict[str, Any]]:
    """The entries; a crash can leave half a line."""
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry
