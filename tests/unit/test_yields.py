"""The estimator of pass@k, against drawing k of the rollouts in every way there is."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward_models.evaluation.choosing import pass_at_k


@given(outcomes=st.lists(st.booleans(), min_size=1, max_size=8), k=st.integers(1, 8))
def test_it_is_the_share_of_draws_with_a_pass(outcomes: list[bool], k: int) -> None:
    if k > len(outcomes):
        with pytest.raises(ValueError, match="expected k of at most"):
            pass_at_k(len(outcomes), sum(outcomes), k)
        return
    draws = [any(draw) for draw in combinations(outcomes, k)]
    assert pass_at_k(len(outcomes), sum(outcomes), k) == pytest.approx(sum(draws) / len(draws))
