"""When `survivors` goes on with a problem, and when it leaves it."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.search import Expansion
from pipeline.search.survivors import Survivors
from pipeline.tree import ROOT, Finish, Tree
from tests.conftest import make_rollout, make_verdict
from verifiers import Outcome

ONE_MORE = [Expansion(parent=ROOT, num_rollouts=1)]


def survivors(**options: float) -> Survivors:
    return Survivors(Survivors.Config.model_validate(options))


def grown(*responses: str) -> Tree:
    """A tree of whole rollouts: an upper-case response passes, another one fails."""
    tree = Tree([1], "ask")
    for response in responses:
        add(tree, response, passes=response.isupper())
    return tree


def add(tree: Tree, response: str, *, passes: bool) -> None:
    leaf = tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout(response))
    tree.judge(leaf, make_verdict(Outcome.PASS if passes else Outcome.FAIL))


@pytest.mark.parametrize(
    ("responses", "goes_on"),
    [
        ((), True),
        (("a",), True),
        (("a", "b"), False),
        (("A",), True),
        (("A", "A"), False),
        (("A", "A "), False),
        (("A", "B"), True),
        (("A", "b"), False),
        (("A", "B", "c"), True),
        (("A", "B", "C"), False),
    ],
)
def test_it_goes_on_while_the_next_rollout_is_likely_to_bring_a_new_survivor(
    responses: tuple[str, ...], goes_on: bool
) -> None:
    assert survivors().propose(grown(*responses), []) == (ONE_MORE if goes_on else [])


def test_a_lower_price_tries_hard_problems_for_longer_and_a_better_prior_too() -> None:
    failed = grown("a", "b", "c")
    assert survivors().propose(failed, []) == []
    assert survivors(least_first=0.1).propose(failed, []) == ONE_MORE
    assert survivors(prior_passes=3, prior_fails=3).propose(failed, []) == ONE_MORE


def test_a_price_at_which_nothing_would_be_sampled_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"at most the prior's mean of 0\.100"):
        survivors(prior_passes=0.1, prior_fails=0.9)


def test_it_waits_for_what_is_under_way() -> None:
    assert survivors().propose(grown(), ONE_MORE) == []


def test_what_is_cut_off_or_cannot_be_judged_brings_no_survivor_and_ends() -> None:
    tree = grown()
    tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout("a", finish=Finish.LENGTH))
    leaf = tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout("b"))
    tree.judge(leaf, make_verdict(Outcome.ERROR))
    assert survivors().propose(tree, []) == []


@given(rate=st.floats(0, 1), kinds=st.integers(1, 50), seed=st.integers(0, 1000))
def test_it_ends_for_any_pass_rate_with_no_more_survivors_than_wanted(
    rate: float, kinds: int, seed: int
) -> None:
    tree, strategy, draw = grown(), survivors(), Random(seed)
    while strategy.propose(tree, []):
        add(tree, f"response {draw.randrange(kinds)}", passes=draw.random() < rate)
        assert tree.num_rollouts <= 8
    passed = {tree.response(leaf) for leaf in tree.leaves() if tree.passed(leaf)}
    assert len(passed) <= strategy.config.most
