"""Answers chosen from N samples: the closed forms against enumerating all draws."""

import math
from collections import Counter
from itertools import combinations
from random import Random
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward_models.evaluation.choosing import best_of_n, vote
from reward_models.evaluation.quality import measure

SCORES = st.none() | st.sampled_from([0.0, 0.25, 0.5, 1.0])
SAMPLES = st.lists(st.tuples(SCORES, st.booleans()), min_size=1, max_size=7)


@given(SAMPLES, st.integers(1, 7))
def test_best_of_more_than_there_are_is_refused(
    samples: list[tuple[float | None, bool]], more: int
) -> None:
    scores, right = [score for score, _ in samples], [passed for _, passed in samples]
    with pytest.raises(ValueError, match=f"expected n from 1 to {len(samples)}"):
        best_of_n(scores, right, len(samples) + more)


@given(SAMPLES, st.data())
def test_best_of_n_is_the_mean_over_all_draws(
    samples: list[tuple[float | None, bool]], data: st.DataObject
) -> None:
    n = data.draw(st.integers(1, len(samples)), label="n")
    scores, right = [score for score, _ in samples], [passed for _, passed in samples]
    chances = []
    for drawn in combinations(range(len(samples)), n):
        known = [-1.0 if (score := scores[index]) is None else score for index in drawn]
        best = [index for index, score in zip(drawn, known, strict=True) if score == max(known)]
        chances.append(sum(right[index] for index in best) / len(best))
    assert best_of_n(scores, right, n) == pytest.approx(sum(chances) / len(chances))


@given(SAMPLES)
def test_the_best_of_one_is_right_at_the_pass_rate(samples: list[tuple[float | None, bool]]) -> None:
    scores, right = [score for score, _ in samples], [passed for _, passed in samples]
    assert best_of_n(scores, right, 1) == pytest.approx(sum(right) / len(right))


def test_perfect_scores_reach_the_oracle_and_inverted_ones_the_opposite() -> None:
    right = [True, False, False, False]
    assert best_of_n([1.0, 0.0, 0.0, 0.0], right, 2) == pytest.approx(1 / 2)
    assert best_of_n([0.0, 1.0, 1.0, 1.0], right, 2) == 0
    assert best_of_n([1.0, 0.0, 0.0, 0.0], right, 4) == 1


def test_the_answer_with_the_most_votes_is_taken() -> None:
    answers, right = [0, 0, 1, None], [True, True, False, False]
    assert vote(answers, right, 4, Random(0)) == 1
    assert vote(answers, right, 1, Random(0)) == 0.5
    assert vote(answers, right, 4, Random(0), [0.1, 0.1, 0.9, 1.0]) == 0


def test_tied_votes_split_the_probability_and_no_answer_is_not_right() -> None:
    assert vote([0, 1], [True, False], 2, Random(0)) == 0.5
    assert vote([None, None], [False, False], 2, Random(0)) == 0
    # Thirds do not add up exactly.
    assert vote([0, 0, 0, 1], [True] * 3 + [False], 4, Random(0), [0.1, 0.1, 0.1, 0.3]) == 0.5


def test_a_vote_is_the_same_for_a_seed_and_near_the_truth() -> None:
    answers, right = [0] * 8 + [1] * 5, [True] * 8 + [False] * 5
    draws = [sum(index < 8 for index in drawn) > 1.5 for drawn in combinations(range(13), 3)]
    wanted = sum(draws) / len(draws)
    found = [vote(answers, right, 3, Random(seed)) for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]
    assert found == pytest.approx([wanted] * 3, abs=0.1)


@given(
    st.lists(st.tuples(st.none() | st.integers(0, 2), st.booleans()), min_size=1, max_size=6), st.data()
)
def test_a_vote_of_few_draws_is_exact(
    samples: list[tuple[int | None, bool]], data: st.DataObject
) -> None:
    n = data.draw(st.integers(1, len(samples)))
    wanted = []
    for drawn in combinations([(a, a is not None and right) for a, right in samples], n):
        votes = Counter(answer for answer, _ in drawn if answer is not None)
        winners = [answer for answer in votes if votes[answer] == max(votes.values())]
        shares = [mean(right for answer, right in drawn if answer == winner) for winner in winners]
        wanted.append(mean(shares) if shares else 0.0)
    answers, right = zip(*((a, a is not None and r) for a, r in samples), strict=True)
    assert vote(answers, right, n, Random(0)) == pytest.approx(mean(wanted))


def test_perfect_and_useless_scores() -> None:
    good = measure([0.0, 0.0, 1.0, 1.0], [0, 0, 1, 1])
    assert (good.auc, good.average_precision, good.brier, good.calibration_error) == (1, 1, 0, 0)
    level = measure([0.5] * 4, [0, 0, 1, 1])
    assert (level.auc, level.brier, level.calibration_error) == (0.5, 0.25, 0)
    assert level.loss == pytest.approx(math.log(2))


def test_a_fractional_target_counts_as_its_parts() -> None:
    shares = measure([0.2, 0.9], [0.25, 1.0], [4, 2])
    parts = measure([0.2] * 4 + [0.9] * 2, [1, 0, 0, 0, 1, 1])
    for name in ("auc", "average_precision", "loss", "brier", "calibration_error"):
        assert getattr(shares, name) == pytest.approx(getattr(parts, name)), name
    assert shares.number == 2


@pytest.mark.parametrize("target", [0, 1])
def test_without_both_classes_there_is_no_ranking_but_a_distance(target: int) -> None:
    found = measure([0.3, 0.6], [target] * 2)
    assert found.auc is None
    assert found.average_precision is None
    assert found.brier is not None
    nothing = measure([], [])
    assert (nothing.number, nothing.auc, nothing.brier, nothing.reliability) == (0, None, None, ())


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40))
def test_bins_hold_everything_once(samples: list[tuple[float, bool]]) -> None:
    found = measure([score for score, _ in samples], [right for _, right in samples])
    assert sum(one.weight for one in found.reliability) == len(samples)
    for one in found.reliability:
        assert one.low - 1e-9 <= one.mean_score <= one.high + 1e-9
    assert found.calibration_error is not None
    assert 0 <= found.calibration_error <= 1
