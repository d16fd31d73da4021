"""The estimate of the time that a run will still take."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.inspection.time_left import TimeLeft


def test_nothing_is_claimed_before_some_problems_have_finished() -> None:
    left = TimeLeft(capacity=64)
    assert left.update(30.0, 0, 24) is None
    assert left.update(40.0, 2, 22) is None
    assert left.update(40.0, 3, 21) == 280.0


def test_short_problems_that_finish_first_say_nothing_of_a_long_run() -> None:
    left = TimeLeft(capacity=64)
    assert left.update(1.0, 10, 100_000) is None
    assert left.update(100.0, 64, 100_000) is not None


def test_it_counts_down_between_two_problems_but_never_to_nothing() -> None:
    left = TimeLeft(capacity=1)
    assert left.update(30.0, 3, 3) == 30.0
    assert left.update(40.0, 3, 3) == 20.0
    assert left.update(400.0, 3, 3) == 15.0
    assert left.update(401.0, 6, 0) == 0.0


def test_an_estimate_that_was_far_too_low_is_put_right() -> None:
    left = TimeLeft(capacity=1)
    assert left.update(3.0, 3, 97) == 97.0
    assert left.update(400.0, 4, 96) == 9600.0


@given(st.integers(1, 40), st.lists(st.floats(0.01, 20.0), min_size=4, max_size=60))
def test_it_does_not_climb_while_the_pace_varies(capacity: int, gaps: list[float]) -> None:
    """Problems finish one by one after gaps that vary by three orders of size, within a minute."""
    left, now, shown = TimeLeft(capacity), 0.0, list[float]()
    for done, gap in enumerate(gaps):
        for part in range(1, 4):
            estimate = left.update(now + part * gap / 4, done, len(gaps) - done)
            if estimate is not None:
                shown.append(estimate)
        now += gap
    for earlier, later in pairwise(shown):
        assert later <= earlier or later > max(2 * earlier, earlier + 60)
