"""Which worker may write which shard: leases, and what is known about problems that kill engines.

A lease gives a shard to one worker, with a token. Only the newest lease of a shard counts: the report
of an earlier one, whose worker was taken for dead, is refused. A worker writes under its token alone,
so it can never overwrite its successor.

A problem that was under way when its engine died may have killed it. It is explored again, at most
`attempts` times, the last time alone among its kind, so that only problems that kill engines are given
up.
"""

import secrets
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline.datasets.counts import Counts
from pipeline.datasets.folder import StagedFile
from pipeline.datasets.shards import Shard
from pipeline.engines import Load
from pipeline.engines.metered import Usage
from pipeline.records import Failure, Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A shard for one worker. A position is a problem's place in the shard."""

    shard: Shard
    token: str
    resumes: bool = False
    """Whether an earlier lease may have stored work on the shard."""
    last_attempts: frozenset[int] = frozenset()
    """Positions that may kill the engine: the worker waits for permission to explore each."""
    elsewhere: frozenset[int] = frozenset()
    """Positions that workers with other engines explore."""
    given_up: Mapping[int, Failure] = field(default_factory=dict)
    """Position -> why it is not explored any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardReport:
    """A worker's report on a shard that it has written."""

    files: Mapping[str, StagedFile]
    """View -> its file."""
    counts: Counts
    usage: Usage
    """Usage of sampling by the worker so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """The process of an actor."""

    node: str
    """Ray's id of its node."""
    pid: int


class Running(NamedTuple):
    """A problem that a worker is exploring. Every heartbeat has many: a tuple is read back six times
    sooner than a frozen dataclass."""

    shard: int
    position: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """A worker's answer to a heartbeat."""

    process: Process | None = None
    usage: Usage = field(default_factory=Usage)
    counts: dict[int, Counts] = field(default_factory=dict)
    """Open shard -> counts of its finished problems."""
    places: int = 0
    """Problems that it explores at the same time."""
    waiting: dict[int, int] = field(default_factory=dict)
    """Shard -> number of its problems that are not begun."""
    running: tuple[Running, ...] = ()
    """The problems under way; if the engine has died, those that were under way then."""
    num_finished: int = 0
    """Problems finished so far, by this actor."""
    mean_seconds: float | None = None
    """Mean time of a finished problem; None before the first."""
    num_unjudged: int = 0
    """Responses that wait for a verdict."""
    num_writing: int = 0
    """Shards whose problems are all finished and whose files are being written."""
    load: Load | None = None
    """The engine's load when it was last looked at; None if unknown."""

    @property
    def num_waiting(self) -> int:
        """Problems that are not begun."""
        return sum(self.waiting.values())


class LeaseBook:
    """The driver's record of leases; pure, without I/O."""

    def __init__(self, attempts: int, begun: Collection[int] = ()) -> None:
        """`begun` are the shards on which an earlier process has stored work."""
        self._attempts = attempts
        self._begun = set(begun)
        self._session = secrets.token_hex(4)
        """In each token, so that no worker of an earlier process writes under the same name."""
        self._num_leases = 0
        self._returned: deque[Shard] = deque()
        self._current: dict[int, Lease] = {}
        self._deaths: dict[tuple[int, int], int] = {}
        """(shard, position) -> engines that died while it was under way."""
        self._reasons: dict[tuple[int, int], str] = {}
        self._unexplained: dict[int, int] = {}
        """Shard -> workers lost with it while none of its problems was known to be under way."""

    @property
    def current(self) -> Mapping[int, Lease]:
        """Shard -> its lease, for shards that are not finished."""
        return self._current

    @property
    def num_returned(self) -> int:
        """Shards whose worker was lost, and that wait for another."""
        return len(self._returned)

    def lease_returned(self) -> Lease | None:
        """A new lease of a shard whose worker was lost; None if there is none."""
        return self.lease(self._returned.popleft()) if self._returned else None

    def lease(self, shard: Shard) -> Lease:
        """A new lease of a shard."""
        self._num_leases += 1
        deaths = {
            position: self._deaths[shard.index, position]
            for position in range(len(shard.problems))
            if (shard.index, position) in self._deaths
        }
        lease = Lease(
            shard=shard,
            token=f"{self._session}-{self._num_leases}",
            resumes=shard.index in self._begun,
            last_attempts=frozenset(
                position for position, number in deaths.items() if 1 < self._attempts == number + 1
            ),
            given_up={
                position: self._give_up(shard.index, position)
                for position, number in deaths.items()
                if number >= self._attempts
            },
        )
        self._current[shard.index] = lease
        self._begun.add(shard.index)
        return lease

    def finish(self, lease: Lease) -> bool:
        """Ends a lease whose shard is written; False if the lease has lost its shard to another."""
        if not self.is_current(lease):
            return False
        index = lease.shard.index
        del self._current[index]
        self._begun.discard(index)
        self._unexplained.pop(index, None)
        for key in [key for key in self._deaths if key[0] == index]:
            del self._deaths[key]
            self._reasons.pop(key, None)
        return True

    def is_current(self, lease: Lease) -> bool:
        """Whether the lease still has its shard."""
        held = self._current.get(lease.shard.index)
        return held is not None and held.token == lease.token

    def give_back(self, lease: Lease, suspects: Iterable[int] | None, reason: str) -> None:
        """Ends a lease whose worker was lost.

        `suspects` are the positions that were under way; None if its node was lost, which is no
        problem's fault.
        """
        if not self.is_current(lease):
            return
        index = lease.shard.index
        del self._current[index]
        is_innocent = suspects is None
        suspects = list(suspects or ())
        if not suspects and not is_innocent:
            # The worker died before it could report. If that recurs, any of them may be the reason.
            self._unexplained[index] = self._unexplained.get(index, 0) + 1
            if self._unexplained[index] > 1:
                suspects = list(range(len(lease.shard.problems)))
        for position in suspects:
            key = index, position
            self._deaths[key] = self._deaths.get(key, 0) + 1
            self._reasons[key] = reason
        self._returned.append(lease.shard)

    def _give_up(self, shard: int, position: int) -> Failure:
        message = (
            f"given up after {self._attempts} attempts, the last: {self._reasons[shard, position]}"
        )
        return Failure(phase=Phase.SAMPLE, type="EngineDied", message=message)
