"""Leases: a shard is finished once, by its newest lease; a problem that kills engines is given up."""

import pickle

from hypothesis import given
from hypothesis import strategies as st

from pipeline.cluster.leases import Lease, LeaseBook, Running, WorkerStatus
from pipeline.datasets.shards import Shard
from pipeline.records import Phase
from tests.conftest import make_problem

PROBLEMS = tuple(make_problem(f"Problem {n}?") for n in range(4))


def shard(index: int) -> Shard:
    return Shard(index=index, problems=PROBLEMS)


@given(st.lists(st.tuples(st.sampled_from(["lease", "finish", "lose"]), st.integers(0, 5))))
def test_whatever_happens_to_workers_a_shard_is_finished_once(events: list[tuple[str, int]]) -> None:
    book, leases, finished, number = LeaseBook(attempts=3), list[Lease](), list[int](), 0
    for what, which in events:
        if what == "lease":
            lease = book.lease_returned()
            if lease is None:
                lease, number = book.lease(shard(number)), number + 1
            leases.append(lease)
        elif leases and what == "finish":
            # Any lease may report at any time, also one whose worker was taken for dead.
            lease = leases[which % len(leases)]
            if book.finish(lease):
                finished.append(lease.shard.index)
        elif leases:
            book.give_back(leases[which % len(leases)], [which % 4], "died")
    assert len(finished) == len(set(finished))
    assert len({lease.token for lease in leases}) == len(leases)
    while (lease := book.lease_returned()) is not None:
        assert book.finish(lease)
        finished.append(lease.shard.index)
    finished += [index for index in list(book.current) if book.finish(book.current[index])]
    assert sorted(finished) == list(range(number))


def test_a_late_report_is_refused_and_a_lost_lease_is_given_back_once() -> None:
    book = LeaseBook(attempts=3)
    early = book.lease(shard(7))
    book.give_back(early, [0], "did not answer")
    late = book.lease_returned()
    assert late is not None
    assert not book.finish(early)
    book.give_back(early, [0], "died after all")
    assert book.is_current(late)
    assert book.num_returned == 0
    assert book.finish(late)
    assert not book.finish(late)


def again(book: LeaseBook, lease: Lease, *suspects: int) -> Lease:
    """Loses the lease with these problems under way, and leases the shard again."""
    book.give_back(lease, suspects, "the engine died")
    found = book.lease_returned()
    assert found is not None
    return found


def test_a_problem_that_kills_engines_is_explored_alone_at_last_and_then_given_up() -> None:
    book = LeaseBook(attempts=3)
    first = book.lease(shard(0))
    assert not first.last_attempts
    second = again(book, first, 1, 2)
    assert not second.last_attempts
    third = again(book, second, 2, 3)
    assert third.last_attempts == {2}
    fourth = again(book, third, 2)
    assert not fourth.last_attempts
    assert list(fourth.given_up) == [2]
    failure = fourth.given_up[2]
    assert (failure.phase, failure.type) == (Phase.SAMPLE, "EngineDied")
    assert failure.message == "given up after 3 attempts, the last: the engine died"


def test_one_attempt_is_the_last_without_being_alone() -> None:
    book = LeaseBook(attempts=1)
    lease = book.lease(shard(0))
    assert not lease.last_attempts
    assert list(again(book, lease, 3).given_up) == [3]


def test_workers_that_die_before_they_report_make_every_problem_a_suspect() -> None:
    """Otherwise a problem that kills its worker at once would be explored for ever."""
    book = LeaseBook(attempts=2)
    lease = again(book, book.lease(shard(0)))
    assert not lease.last_attempts
    assert again(book, lease).last_attempts == {0, 1, 2, 3}


def test_lost_nodes_make_no_problem_a_suspect() -> None:
    book = LeaseBook(attempts=2)
    lease: Lease | None = book.lease(shard(0))
    for _ in range(5):
        assert lease is not None
        assert not lease.last_attempts
        book.give_back(lease, None, "its node was lost")
        lease = book.lease_returned()


def test_a_finished_shard_is_forgotten() -> None:
    book = LeaseBook(attempts=2)
    assert book.finish(again(book, book.lease(shard(0)), 1))
    # Its number again, as after a repair.
    assert not book.lease(shard(0)).last_attempts


def test_what_was_begun_before_resumes() -> None:
    book = LeaseBook(attempts=2, begun={3})
    assert book.lease(shard(3)).resumes
    lease = book.lease(shard(4))
    assert not lease.resumes
    assert again(book, lease).resumes


def test_a_heartbeat_of_many_problems_is_small() -> None:
    running = tuple(Running(shard=7, position=n, seconds=0.5 * n) for n in range(512))
    status = WorkerStatus(running=running)
    packed = pickle.dumps(status)
    assert pickle.loads(packed) == status
    assert len(packed) < 24 * len(running)
