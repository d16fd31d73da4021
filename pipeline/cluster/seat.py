"""The seat of a rollout worker, which several actors may have one after the other."""

import asyncio
import time
from dataclasses import replace
from typing import Any

from pipeline.cluster.leases import Lease, WorkerStatus
from pipeline.datasets.metrics import WorkerFigures
from pipeline.engines.metered import Usage

_TIMES_NORMAL = 10
"""How much longer than ever before an answer or progress may take."""
_AHEAD_SECONDS = 3.0
"""Seconds of work that a worker has in store, so that it never waits for the driver."""


class WorkerLost(Exception):
    """A worker died, or hangs; the message is one line."""

    def __init__(self, reason: str, *, is_silent: bool = False) -> None:
        """`is_silent`: it does not answer any more."""
        super().__init__(reason)
        self.is_silent = is_silent


class Seat:
    """What the driver knows of a worker."""

    def __init__(
        self, number: int, silence_seconds: float, stall_seconds: float, engine: int = 0
    ) -> None:
        """`engine` is the index of its engine among the config's. The times are the least after which
        silence and standstill mean that the actor is lost."""
        self.number, self.engine = number, engine
        self._least_silence, self._least_stall = silence_seconds, stall_seconds
        self.actor: Any = None
        """The actor, once it is ready; None while the seat is empty."""
        self.status = WorkerStatus()
        self.task: asyncio.Task[None]
        """Fills and serves the seat."""
        self.work: set[asyncio.Task[None]] = set()
        """One task for each of its leases."""
        self.is_given_up = False
        """Whether no further worker is started for it."""
        self.leases: dict[int, Lease] = {}
        """Shard -> the lease that the actor has."""
        self.num_helping = 0
        """Problems of other workers that it explores."""
        self.changed = asyncio.Event()
        """Wakes the task that serves the seat."""
        self._lost: WorkerLost | None = None
        self._before = Usage()
        """Usage of earlier actors."""
        self._rate = 0.0
        """Finished problems a second, of late."""
        self._answered = self._moved = time.monotonic()
        self._longest_answer = self._longest_stall = 0.0

    @property
    def usage(self) -> Usage:
        """Last reported usage of all its actors."""
        return self._before + self.status.usage

    @property
    def figures(self) -> WorkerFigures:
        """Its engine, for metrics.jsonl."""
        usage, load = self.usage, self.status.load
        kv_used = None if load is None else load.kv_used
        return WorkerFigures(
            worker=self.number,
            tokens=usage.num_live_tokens,
            prompt_tokens=usage.num_prompt_tokens,
            prompt_tokens_cached=usage.num_cached_tokens,
            sequences_running=None if load is None else load.num_running,
            sequences_waiting=None if load is None else load.num_waiting,
            kv_used=None if kv_used is None else round(kv_used, 3),
            problems_running=self.num_running,
        )

    @property
    def num_running(self) -> int:
        """Problems of its leases under way, by its last report. It may be older than a lease's end."""
        return sum(one.shard in self.leases for one in self.status.running)

    @property
    def num_waiting(self) -> int:
        """Problems of its leases that are not begun, by its last report."""
        return sum(number for shard, number in self.status.waiting.items() if shard in self.leases)

    @property
    def num_unfinished(self) -> int:
        """Problems of its leases that it has to finish, at most, by its last report."""
        counts = self.status.counts
        return sum(
            min(
                len(lease.shard.problems) - len(lease.elsewhere),
                len(lease.shard.problems) - (counts[index].problems if index in counts else 0),
            )
            for index, lease in self.leases.items()
        )

    @property
    def wants_more(self) -> bool:
        """Whether it could run out of problems before its next report."""
        in_store = max(self.status.places, self._rate * _AHEAD_SECONDS)
        return self.num_unfinished < self.status.places + in_store

    @property
    def num_free(self) -> int:
        """Places without a problem."""
        return max(0, self.status.places - self.num_unfinished - self.num_helping)

    def give_to(self, actor: Any, status: WorkerStatus) -> None:
        """Seats an actor that is ready."""
        self.actor, self.status, self._lost = actor, status, None
        self._answered = self._moved = time.monotonic()
        self._longest_answer = self._longest_stall = self._rate = 0.0

    def vacate(self) -> None:
        """Empties the seat; its figures stay."""
        self._before = self.usage
        self.actor, self.status = None, WorkerStatus()
        self.leases.clear()
        self.num_helping = 0

    def end_lease(self, lease: Lease, usage: Usage) -> None:
        """Removes a lease whose shard is written, if the actor still has it."""
        if self.leases.get(lease.shard.index) is lease:
            del self.leases[lease.shard.index]
            self.status = replace(self.status, usage=usage)
        self.changed.set()

    def lose(self, actor: Any, reason: str) -> None:
        """Reports that an actor died, if it still has the seat."""
        if self.actor is actor and self._lost is None:
            self._lost = WorkerLost(reason)
            self.changed.set()

    def check(self) -> None:
        """Raises WorkerLost if the actor was reported dead."""
        if self._lost is not None:
            raise self._lost

    @property
    def silence_seconds(self) -> float:
        """How long an answer may take: much longer than any before."""
        return max(self._least_silence, _TIMES_NORMAL * self._longest_answer)

    def update(self, status: WorkerStatus, answer_seconds: float) -> None:
        """Takes an answer to a heartbeat. Raises WorkerLost if nothing moves any more."""
        now = time.monotonic()
        before, self.status = self.status, status
        self._longest_answer = max(self._longest_answer, answer_seconds)
        finished = status.num_finished - before.num_finished
        self._rate = max(finished / max(now - self._answered, 1e-3), self._rate / 2)
        self._answered = now
        if not status.running or _work_done(status) != _work_done(before):
            self._longest_stall = max(self._longest_stall, now - self._moved if status.running else 0.0)
            self._moved = now
        elif now - self._moved > max(self._least_stall, _TIMES_NORMAL * self._longest_stall):
            raise WorkerLost(
                f"made no progress for {now - self._moved:.0f} seconds with "
                f"{len(status.running)} problems under way"
            )


def _work_done(status: WorkerStatus) -> tuple[int, int, int]:
    return status.num_finished, status.usage.num_live_tokens, status.usage.num_rollouts
