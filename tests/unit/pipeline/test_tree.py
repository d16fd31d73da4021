import pytest

from pipeline.records import Status, trajectories
from pipeline.tree import ROOT, Finish, Rollout, Tree
from tests.conftest import make_rollout, make_verdict
from verifiers import Outcome


def test_a_prefix_is_the_walk_from_the_root() -> None:
    tree = Tree([1, 2], "ask")
    leaf = tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout("ab", "c"))
    assert tree.prefix_token_ids(leaf) == [1, 2, ord("a"), ord("b"), ord("c")]
    assert tree.response(leaf) == "abc"
    assert [node.step for node in tree.path(leaf)] == [0, 1, 2]


def test_every_rollout_below_a_prefix_counts_once_for_it() -> None:
    tree = Tree([1], "ask")
    first = tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout("a", "b", "c"))
    branch_point = tree.path(first)[1].id
    second = tree.add(branch_point, tree.reserve(branch_point, 1), make_rollout("d"))
    tree.judge(first, make_verdict(Outcome.PASS))
    tree.judge(second, make_verdict(Outcome.FAIL))
    stats = tree.stats[branch_point]
    assert (stats.visits, stats.trials, stats.passes, stats.value) == (2, 2, 1, 0.5)
    assert tree.stats[first].value == 1.0
    assert tree.stats[second].value == 0.0


@pytest.mark.parametrize("outcome", [Outcome.ABSTAIN, Outcome.ERROR])
def test_a_verdict_that_cannot_tell_is_no_trial(outcome: Outcome) -> None:
    tree = Tree([1], "ask")
    leaf = tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout("a"))
    tree.judge(leaf, make_verdict(outcome))
    assert tree.stats[ROOT].visits == 1
    assert tree.stats[ROOT].value is None


def test_a_truncated_response_is_no_trial_whatever_is_said_of_it() -> None:
    tree = Tree([1], "ask")
    leaf = tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout("a", finish=Finish.LENGTH))
    tree.judge(leaf, make_verdict(Outcome.PASS))
    assert tree.stats[ROOT].trials == 0
    assert [found.status for found in trajectories(tree)] == [Status.TRUNCATED]


def test_a_leaf_is_judged_once() -> None:
    tree = Tree([1], "ask")
    leaf = tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout("a"))
    tree.judge(leaf, make_verdict())
    with pytest.raises(ValueError, match="already has a verdict"):
        tree.judge(leaf, make_verdict())


def test_a_rollout_without_steps_is_refused() -> None:
    tree = Tree([1], "ask")
    with pytest.raises(ValueError, match="at least one step"):
        tree.add(ROOT, 0, Rollout(steps=(), finish=Finish.STOP, model_version="x"))


def test_sorting_keeps_each_score_with_its_prefix() -> None:
    tree = Tree([1], "ask")
    first, second = tree.reserve(ROOT, 1), tree.reserve(ROOT, 1)
    late = tree.add(ROOT, second, make_rollout("a", "b"))
    early = tree.add(ROOT, first, make_rollout("c", finish=Finish.PRUNED))
    tree.scores = {late: 0.5, early: 0.25}
    tree.outcome_scores = {late: 0.75}
    tree.cut_scores = {early: 0.25, tree.rollout(late)[0].id: 0.125}
    ordered = tree.sorted()
    for before, after in (
        (tree.scores, ordered.scores),
        (tree.outcome_scores, ordered.outcome_scores),
        (tree.cut_scores, ordered.cut_scores),
    ):
        assert {tree.address(node): s for node, s in before.items()} == {
            ordered.address(node): s for node, s in after.items()
        }
    assert [ordered.address(node) for node in ordered.explored()] == [(1,)]
