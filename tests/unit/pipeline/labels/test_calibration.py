"""Pass rates against held-out rollouts: counted by hand, and calibrated where the rates are known."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.datasets.counts import Counts
from pipeline.labels.calibration import BINS, calibration_counts, read_calibration
from pipeline.records import Trace, trajectories
from pipeline.tree import ROOT, Tree
from tests.conftest import make_problem, make_rollout, make_verdict
from tests.grown import trees
from verifiers import Outcome


def judged(tree: Tree, parent: int, *steps: str, passes: bool) -> int:
    leaf = tree.add(parent, tree.reserve(parent, 1), make_rollout(*steps))
    tree.judge(leaf, make_verdict(Outcome.PASS if passes else Outcome.FAIL))
    return leaf


def test_every_other_rollout_is_held_out() -> None:
    tree = Tree([1], "ask")
    first = judged(tree, ROOT, "a", "b", passes=True)
    a = tree.path(first)[1].id
    for passes in (False, True, True):
        judged(tree, a, "x", "y", passes=passes)
    counts = calibration_counts(tree)
    # After `a` 1, 0, 1, 1: two of two predict 5/6, and one of two passes. After `x` 0, 1, 1: one of
    # two predicts 1/2, and one of one passes.
    assert counts == Counter(
        {
            **{"8.held_out": 2, "8.passes": 1, "8.predicted": 1667},
            **{"5.held_out": 1, "5.passes": 1, "5.predicted": 500},
            "squared": 722 + 250,
        }
    )
    found = read_calibration(counts)
    assert found is not None
    assert found.held_out == 3
    assert found.error == pytest.approx((2 * (5 / 6 - 1 / 2) + 1 / 2) / 3, abs=1e-3)
    assert found.brier == pytest.approx((25 / 36 + 1 / 36 + 1 / 4) / 3, abs=1e-3)


def test_without_two_rollouts_nothing_is_known() -> None:
    tree = Tree([1], "ask")
    judged(tree, ROOT, "a", passes=True)
    assert calibration_counts(tree) == Counter()
    assert read_calibration({}) is None


def test_equal_responses_are_no_samples_of_what_comes_next() -> None:
    tree = Tree([1], "ask")
    for _ in range(4):
        judged(tree, ROOT, "a", passes=True)
    assert sum(n for key, n in calibration_counts(tree).items() if key.endswith("held_out")) == 2


def test_a_vote_calibrates_nothing() -> None:
    tree = Tree([1], "ask")
    for number in range(4):
        leaf = tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout(f"a{number}"))
        verdict = make_verdict()
        object.__setattr__(verdict, "verifier", "consensus")
        tree.judge(leaf, verdict)
    problem = make_problem(answer=None)
    trace = Trace(problem=problem, seed=0, tree=tree, trajectories=trajectories(tree))
    assert Counts.of(trace).calibration == Counter()
    assert Counts.of(trace).verifiers == Counter()


@given(trees)
def test_counts_are_within_bounds(tree: Tree) -> None:
    counts = calibration_counts(tree)
    for place in range(BINS):
        held, passes = counts[f"{place}.held_out"], counts[f"{place}.passes"]
        assert 0 <= passes <= held
        low, high = 100 * place * held, 100 * (place + 1) * held
        assert low - held <= counts[f"{place}.predicted"] <= high + held
    if (found := read_calibration(counts)) is not None:
        assert 0 <= found.error <= 1
        assert -0.01 <= found.brier <= 1.01


@given(st.integers(0, 2**32))
def test_rollouts_at_rates_of_the_prior_are_calibrated(seed: int) -> None:
    """Rates from Beta(1/2, 1/2), for which the posterior mean is the best prediction."""
    chance, counts = random.Random(seed), Counter[str]()
    for _ in range(300):
        rate, tree = chance.betavariate(0.5, 0.5), Tree([1], "ask")
        for number in range(chance.randint(2, 16)):
            judged(tree, ROOT, f"a{number}", passes=chance.random() < rate)
        counts.update(calibration_counts(tree))
    found = read_calibration(counts)
    assert found is not None
    assert found.error < 0.12
    for one in found.ranges:
        # Rollouts of one tree have one rate, so they count as fewer than they are.
        assert abs(one.predicted - one.measured) < 5 * (0.25 * 8 / one.held_out) ** 0.5


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.85])
def test_many_rollouts_at_one_rate_are_predicted_at_it(rate: float) -> None:
    chance, counts = random.Random(3), Counter[str]()
    for _ in range(20):
        tree = Tree([1], "ask")
        for number in range(400):
            judged(tree, ROOT, f"a{number}", passes=chance.random() < rate)
        counts.update(calibration_counts(tree))
    found = read_calibration(counts)
    assert found is not None
    assert found.error < 0.03
    assert found.brier == pytest.approx(rate * (1 - rate), abs=0.02)
