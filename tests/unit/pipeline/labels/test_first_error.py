"""The posterior over the first wrong step, against what can be said without it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.labels.first_error import FirstError, Trials, first_error, trials_at_root
from pipeline.tree import ROOT, Tree
from tests.conftest import make_rollout, make_verdict
from verifiers import Outcome

HALF = Trials(passes=4, fails=4)
NONE = Trials()


def test_without_rollouts_each_step_of_a_failed_trajectory_may_be_the_first_wrong_one() -> None:
    posterior = FirstError(HALF, [NONE] * 5, passed=False)
    *steps, none = posterior.probabilities
    assert sum(posterior.probabilities) == pytest.approx(1)
    assert min(steps) > 0.1
    assert none < 0.05
    assert posterior.right == sorted(posterior.right, reverse=True)


def test_what_passed_is_right_to_its_end() -> None:
    posterior = FirstError(HALF, [NONE] * 5, passed=True)
    assert posterior.most_likely()[0] is None
    assert min(posterior.right) > 0.85


def test_the_mistake_lies_where_passes_end() -> None:
    trials = [Trials(6, 2), Trials(7, 1), Trials(0, 8), Trials(0, 8), NONE]
    step, chance = FirstError(HALF, trials, passed=False).most_likely()
    assert step == 2
    assert chance > 0.95


def test_a_lucky_pass_from_a_wrong_prefix_is_outvoted() -> None:
    trials = [Trials(7, 1), Trials(0, 8), Trials(0, 8), Trials(1, 7), Trials(0, 8)]
    posterior = FirstError(HALF, trials, passed=False)
    assert posterior.most_likely()[0] == 1
    assert posterior.right[3] < 0.1


def test_fails_say_little_of_a_problem_that_hardly_ever_passes() -> None:
    trials = [Trials(0, 4), NONE, NONE, NONE]
    easy = FirstError(Trials(9, 1), trials, passed=False)
    hard = FirstError(Trials(1, 30), trials, passed=False)
    assert easy.right[0] < 0.1 < hard.right[0]


def test_a_rollout_tells_nothing_where_the_answer_is_known() -> None:
    known = FirstError(HALF, [Trials(9, 0), Trials(0, 9), NONE], passed=False)
    open_ = FirstError(HALF, [NONE, NONE, NONE], passed=False)
    assert known.gain(0) < 0.02 < open_.gain(0)
    assert known.gain(1) < 0.02


def test_a_rollout_is_worth_something_where_only_several_can_change_the_answer() -> None:
    """One fail more does not unseat step 0, eight would make step 1 certain."""
    posterior = FirstError(HALF, [Trials(0, 2), NONE, NONE], passed=False)
    best, chance = posterior.most_likely()
    assert best == 0
    assert chance < 0.9
    assert posterior.gain(0) > 0


def test_a_whole_rollout_is_counted_once() -> None:
    """As its own outcome, and not among those of the whole problem too."""
    tree = Tree([1], "ask")
    wrong = add(tree, ROOT, "a", "b", outcome=Outcome.FAIL)
    add(tree, ROOT, "c", "d", outcome=Outcome.PASS)
    found = first_error(tree, tree.path(wrong), trials_at_root(tree))
    assert found.right == FirstError(Trials(1, 0), [NONE, NONE], passed=False).right


def test_no_trial_is_no_evidence() -> None:
    assert Trials().and_one(None) == Trials()
    undecided = FirstError(NONE, [NONE] * 3, passed=None)
    assert sum(undecided.probabilities) == pytest.approx(1)


def add(tree: Tree, parent: int, *texts: str, outcome: Outcome) -> int:
    leaf = tree.add(parent, tree.reserve(parent, 1), make_rollout(*texts))
    tree.judge(leaf, make_verdict(outcome))
    return leaf


def test_rollouts_that_begin_alike_are_evidence_for_each_other() -> None:
    tree = Tree([1], "ask")
    wrong = add(tree, ROOT, "a", "b", "x", outcome=Outcome.FAIL)
    alone = first_error(tree, tree.path(wrong), trials_at_root(tree))
    add(tree, ROOT, "a", "b", "c", outcome=Outcome.PASS)
    together = first_error(tree, tree.path(wrong), trials_at_root(tree))
    assert together.right[1] > alone.right[1] + 0.3
    assert together.most_likely()[0] == 2


def test_a_rollout_counts_for_the_last_prefix_that_it_shares_alone() -> None:
    tree = Tree([1], "ask")
    wrong = add(tree, ROOT, "a", "b", "x", outcome=Outcome.FAIL)
    first = tree.path(wrong)[1].id
    branch = add(tree, first, "c", "d", outcome=Outcome.PASS)
    below_branch = tree.path(branch)[2].id
    before = first_error(tree, tree.path(wrong), HALF).probabilities
    add(tree, below_branch, "e", outcome=Outcome.FAIL)
    assert first_error(tree, tree.path(wrong), HALF).probabilities == before


counts = st.builds(Trials, passes=st.integers(0, 2000), fails=st.integers(0, 2000))


@given(
    at_root=counts,
    at_steps=st.lists(counts, min_size=1, max_size=64),
    passed=st.sampled_from([True, False, None]),
)
def test_no_counts_break_it(at_root: Trials, at_steps: list[Trials], passed: bool | None) -> None:
    posterior = FirstError(at_root, at_steps, passed)
    assert sum(posterior.probabilities) == pytest.approx(1)
    assert all(0 <= chance <= 1 for chance in posterior.probabilities)
    assert posterior.right == sorted(posterior.right, reverse=True)
    assert all(posterior.gain(index) > -1e-9 for index in range(len(at_steps)))


@given(at_root=counts, at_steps=st.lists(counts, min_size=1, max_size=64))
def test_a_response_that_failed_is_not_right_to_its_end(
    at_root: Trials, at_steps: list[Trials]
) -> None:
    assert FirstError(at_root, at_steps, False).right[-1] == 0


@pytest.mark.parametrize(
    ("at_root", "at_steps"),
    [
        (Trials(1, 1), [Trials(0, 141)]),
        (Trials(1, 1), [Trials(600, 0), Trials(0, 600), NONE]),
        (Trials(537, 0), [Trials(0, 537)]),
        (HALF, [Trials(300, 300)] * 8),
    ],
)
def test_hundreds_of_trials_that_no_level_explains(at_root: Trials, at_steps: list[Trials]) -> None:
    assert sum(FirstError(at_root, at_steps, False).probabilities) == pytest.approx(1)


def test_trajectories_that_share_counts_are_counted_once() -> None:
    """Its own rollout is no evidence about a trajectory, whichever node of the same prefix is asked."""
    tree = Tree([1], "ask")
    leaves = [add(tree, ROOT, "a", "b", outcome=Outcome.PASS) for _ in range(3)]
    branch = add(tree, tree.path(leaves[0])[1].id, "c", outcome=Outcome.FAIL)
    at_root = trials_at_root(tree)
    one, two, three = (first_error(tree, tree.path(leaf), at_root).right for leaf in leaves)
    assert one == two == three
    own = first_error(tree, tree.path(branch), at_root)
    add(tree, tree.path(leaves[0])[1].id, "d", outcome=Outcome.FAIL)
    assert first_error(tree, tree.path(branch), at_root).right[0] < own.right[0]
