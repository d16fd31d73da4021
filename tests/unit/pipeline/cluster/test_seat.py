"""When a worker counts as lost, and when it needs more problems."""

import pytest

from pipeline.cluster.leases import Lease, Running, WorkerStatus
from pipeline.cluster.seat import Seat, WorkerLost
from pipeline.datasets.counts import Counts
from pipeline.datasets.shards import Shard
from pipeline.engines import Load
from pipeline.engines.metered import Usage
from tests.conftest import make_problem

UNDER_WAY = (Running(shard=0, position=0, seconds=1.0),)


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("pipeline.cluster.seat.time", clock)
    return clock


@pytest.fixture
def seat(clock: Clock) -> Seat:
    seat = Seat(0, silence_seconds=60, stall_seconds=600)
    seat.give_to("an actor", WorkerStatus(places=4))
    return seat


def usage(tokens: int) -> Usage:
    return Usage(num_tokens=tokens)


def test_a_worker_without_progress_is_lost(seat: Seat, clock: Clock) -> None:
    for _ in range(6):
        clock.now += 100
        seat.update(WorkerStatus(running=UNDER_WAY), 0.0)
    clock.now += 1
    with pytest.raises(WorkerLost, match="made no progress for 601 seconds with 1 problems"):
        seat.update(WorkerStatus(running=UNDER_WAY), 0.0)


def test_one_new_token_is_progress_and_an_idle_worker_needs_none(seat: Seat, clock: Clock) -> None:
    for number in range(20):
        clock.now += 500
        seat.update(WorkerStatus(running=UNDER_WAY, usage=usage(number)), 0.0)
    for _ in range(20):
        clock.now += 500
        seat.update(WorkerStatus(usage=usage(19)), 0.0)


def test_what_was_slow_before_may_be_slow_again(seat: Seat, clock: Clock) -> None:
    clock.now += 500
    seat.update(WorkerStatus(running=UNDER_WAY, usage=usage(1)), 30.0)
    assert seat.silence_seconds == 300
    clock.now += 4999
    seat.update(WorkerStatus(running=UNDER_WAY, usage=usage(1)), 0.0)
    clock.now += 2
    with pytest.raises(WorkerLost):
        seat.update(WorkerStatus(running=UNDER_WAY, usage=usage(1)), 0.0)


def test_the_next_actor_starts_with_a_clean_record(seat: Seat, clock: Clock) -> None:
    seat.update(WorkerStatus(usage=usage(5)), 50.0)
    seat.lose("another actor", "late news of an earlier one")
    seat.check()
    seat.lose("an actor", "died")
    with pytest.raises(WorkerLost, match="died"):
        seat.check()
    seat.vacate()
    seat.give_to("the next", WorkerStatus(usage=usage(2)))
    seat.check()
    assert seat.silence_seconds == 60
    assert seat.usage.num_tokens == 7


def test_a_worker_has_enough_in_store_and_not_much_more(seat: Seat, clock: Clock) -> None:
    problems = tuple(make_problem(f"Problem {n}?") for n in range(4))
    leases = [Lease(shard=Shard(index=n, problems=problems), token=str(n)) for n in range(8)]
    for lease in leases:
        if seat.wants_more:
            seat.leases[lease.shard.index] = lease
    # Twice its places.
    assert seat.num_unfinished == 8
    # It finishes six a second.
    clock.now += 1
    seat.update(WorkerStatus(places=4, num_finished=6, counts={0: Counts(problems=4)}), 0.0)
    assert seat.num_unfinished == 4
    for lease in leases[2:]:
        if seat.wants_more:
            seat.leases[lease.shard.index] = lease
    # Its places, and what it finishes in three seconds.
    assert 22 <= seat.num_unfinished <= 24
    seat.end_lease(leases[0], usage(9))
    assert seat.usage.num_tokens == 9
    assert 0 not in seat.leases


def test_the_figures_of_a_seat_are_those_of_all_its_actors(seat: Seat) -> None:
    load = Load(num_running=3, num_waiting=1, kv_used=0.12345)
    status = WorkerStatus(running=UNDER_WAY, usage=usage(5), load=load, waiting={0: 2})
    seat.update(status, 0.0)
    # It reported before its shard was written.
    assert (seat.num_running, seat.num_waiting) == (0, 0)
    seat.leases[0] = Lease(shard=Shard(index=0, problems=(make_problem("?"),)), token="0")
    assert (seat.num_running, seat.num_waiting) == (1, 2)
    now = seat.figures
    assert (now.worker, now.tokens, now.problems_running) == (0, 5, 1)
    assert (now.sequences_running, now.sequences_waiting, now.kv_used) == (3, 1, 0.123)
    seat.vacate()
    empty = seat.figures
    assert (empty.tokens, empty.problems_running) == (5, 0)
    # Nobody knows what an engine does that is gone.
    assert (empty.sequences_running, empty.kv_used) == (None, None)
