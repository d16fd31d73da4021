"""First errors, counted as in ProcessBench."""

from dataclasses import replace

import pytest

from reward_models.evaluation.first_errors import Marked, find_first_errors, threshold_curve

RESPONSES = [
    Marked(scores=[0.9, 0.4, 0.8], first_error=1, problem="a"),  # found
    Marked(scores=[0.9, 0.4, 0.1], first_error=2, problem="b"),  # too early
    Marked(scores=[0.9, 0.9], first_error=0, problem="c"),  # not found
    Marked(scores=[0.9, 0.5], first_error=None, problem="d"),  # right, and none is found
]


def test_first_errors_are_found_where_the_score_first_falls() -> None:
    found = find_first_errors(RESPONSES)
    assert (found.num_wrong, found.num_right) == (3, 1)
    assert found.on_wrong == pytest.approx(1 / 3)
    assert found.on_right == 1
    assert found.f1 == pytest.approx(0.5)


def test_without_both_classes_there_is_no_f1() -> None:
    assert find_first_errors([]).f1 is None
    only_right = find_first_errors([Marked(scores=[0.1], first_error=None)], seed=0)
    assert (only_right.on_wrong, only_right.on_right, only_right.f1) == (None, 0, None)
    assert threshold_curve([]) == []


def test_a_higher_threshold_finds_another_error() -> None:
    strict = find_first_errors(RESPONSES, 0.95)
    assert strict.on_wrong == pytest.approx(1 / 3)
    assert strict.on_right == 0
    curve = threshold_curve(RESPONSES)
    assert [one.threshold for one in curve][:2] == [0.05, 0.1]
    assert next(one for one in curve if one.threshold == 0.5) == find_first_errors(RESPONSES)


def test_intervals_are_by_problems_and_the_same_for_a_seed() -> None:
    many = [replace(one, problem=(one.problem, copy)) for one in RESPONSES for copy in range(20)]
    found = find_first_errors(many, seed=1)
    assert found == find_first_errors(many, seed=1)
    assert found.on_wrong is not None
    low, high = found.intervals["on_wrong"] or (0, 0)
    assert low < found.on_wrong < high
