"""The estimator of pass@k, against enumerating all draws of k rollouts."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward_models.evaluation.choosing import pass_at_k

OUTCOMES = st.lists(st.booleans(), min_size=1, max_size=8)


@given(outcomes=OUTCOMES, more=st.integers(1, 8))
def test_more_draws_than_rollouts_are_refused(outcomes: list[bool], more: int) -> None:
    with pytest.raises(ValueError, match="expected k of at most"):
        pass_at_k(len(outcomes), sum(outcomes), len(outcomes) + more)


@given(outcomes=OUTCOMES, data=st.data())
def test_it_is_the_fraction_of_draws_with_a_pass(outcomes: list[bool], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(outcomes)), label="k")
    draws = [any(draw) for draw in combinations(outcomes, k)]
    assert pass_at_k(len(outcomes), sum(outcomes), k) == pytest.approx(sum(draws) / len(draws))
