"""Intervals by problems cover the truth where intervals by items would not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward_models.evaluation.bootstrap import bootstrap, mean_of
from reward_models.evaluation.quality import measure


def test_samples_of_a_problem_are_no_independent_items() -> None:
    """Each problem's eight samples are all right or all wrong, with half of the problems each."""
    random = np.random.default_rng(0)
    covered, widths = 0, list[float]()
    for seed in range(60):
        right = np.repeat(random.integers(0, 2, size=40), 8)
        found = bootstrap(mean_of(list(right)), [place // 8 for place in range(320)], seed)
        assert found is not None
        covered += found[0] <= 0.5 <= found[1]
        widths.append(found[1] - found[0])
    assert covered / 60 > 0.85
    assert min(widths) > 0.2  # as items: about 0.11


def test_one_problem_has_no_interval_and_the_same_seed_the_same() -> None:
    assert bootstrap(mean_of([1.0, 0.0]), ["a", "a"]) is None
    values, problems = [1.0, 0.0, 0.0, 1.0], ["a", "b", "c", "d"]
    assert bootstrap(mean_of(values), problems, 3) == bootstrap(mean_of(values), problems, 3)
    assert bootstrap(lambda weights: None, problems) is None


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]), st.sampled_from([0, 0.25, 1])),
        min_size=1,
        max_size=30,
    ),
    st.data(),
)
def test_the_area_is_that_of_scikit_learn(
    items: list[tuple[float, float]], data: st.DataObject
) -> None:
    from sklearn.metrics import roc_auc_score

    weights = data.draw(st.lists(st.integers(1, 3), min_size=len(items), max_size=len(items)))
    scores, targets = zip(*items, strict=True)
    found = measure(scores, targets, weights)
    both = [w * t for (_, t), w in zip(items, weights, strict=True)]
    neither = [w * (1 - t) for (_, t), w in zip(items, weights, strict=True)]
    if not sum(both) or not sum(neither):
        assert found.auc is None
        return
    wanted = roc_auc_score(
        [1] * len(items) + [0] * len(items), scores * 2, sample_weight=both + neither
    )
    assert found.auc == pytest.approx(wanted)


def test_scores_that_only_tell_easy_problems_from_hard_ones_do_not_choose_within_one() -> None:
    scores = [0.9, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1]
    right = [1, 1, 1, 0, 0, 0, 0, 1]
    found = measure(scores, right, problems=["easy"] * 4 + ["hard"] * 4)
    assert found.auc == pytest.approx(0.75)
    assert found.auc_within == pytest.approx(0.5)


def test_problems_of_one_sort_say_nothing_of_choosing() -> None:
    found = measure([0.9, 0.8, 0.1, 0.2], [1, 1, 0, 1], problems=["a", "a", "b", "b"])
    assert found.auc_within == 1
    assert measure([0.9, 0.8], [1, 1], problems=["a", "b"]).auc_within is None
