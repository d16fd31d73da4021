"""The posterior over the first wrong step, against what can be said without it."""

import pytest

from pipeline.first_error import FirstError, Trials, first_error, trials_at_root
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
