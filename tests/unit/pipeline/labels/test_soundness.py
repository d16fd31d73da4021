"""How likely what passed is right at every step, against trees whose answer is plain."""

import pytest
from hypothesis import given

from pipeline.labels.first_error import first_error, trials_at_root
from pipeline.labels.majority import VOTE
from pipeline.labels.soundness import Soundness
from pipeline.prune import PruneConfig, Pruner
from pipeline.records import Stage, trajectories
from pipeline.tree import ROOT, Tree
from tests.conftest import make_rollout
from tests.grown import trees
from verifiers import Outcome, Verdict

PASS, FAIL = Outcome.PASS, Outcome.FAIL


def add(tree: Tree, parent: int, *texts: str, outcome: Outcome, verifier: str = "test") -> int:
    leaf = tree.add(parent, tree.reserve(parent, 1), make_rollout(*texts))
    tree.judge(leaf, Verdict(outcome=outcome, reason="test", verifier=verifier, version="1"))
    return leaf


def doubtful_tree() -> tuple[Tree, int, int]:
    """Behind its second step a failed response is wrong: one rollout in seven passes from there, by
    luck, and six in seven from the step before. The leaves of a branch from each that passed."""
    tree = Tree([1], "ask")
    failed = add(tree, ROOT, "a", "b", "c", "d", outcome=FAIL)
    for name in range(7):
        add(tree, ROOT, f"whole {name}", "end", outcome=PASS if name else FAIL)
    first, second = (node.id for node in tree.path(failed)[1:3])
    right = [add(tree, first, f"right {name}", outcome=PASS if name else FAIL) for name in range(7)]
    wrong = [add(tree, second, f"wrong {name}", outcome=FAIL if name else PASS) for name in range(7)]
    return tree, right[-1], wrong[0]


def test_a_branch_is_as_doubtful_as_the_failed_response_that_it_goes_on_from() -> None:
    tree, right, wrong = doubtful_tree()
    found = Soundness(tree)
    sound, doubted = found.of_prefix(right), found.of_prefix(wrong)
    assert sound is not None
    assert doubted is not None
    assert doubted < 0.3 < 0.9 < sound
    own = first_error(tree, tree.path(wrong), trials_at_root(tree)).right
    assert doubted < own[1], "that it passed speaks for it, that the other failed against it"
    all_right = found.of_response(wrong)
    assert all_right is not None
    assert all_right <= doubted


def test_a_whole_rollout_has_no_prefix_and_goes_by_its_own_posterior() -> None:
    tree, _, _ = doubtful_tree()
    whole = next(leaf for leaf in tree.leaves() if tree.response(leaf).startswith("whole 1"))
    found = Soundness(tree)
    assert found.of_prefix(whole) is None
    own = first_error(tree, tree.path(whole), trials_at_root(tree)).right
    assert found.of_response(whole) == own[-1]


def test_a_vote_and_a_tree_without_trials_say_nothing() -> None:
    voted, unjudged = Tree([1], "ask"), Tree([1], "ask")
    leaf = add(voted, ROOT, "a", outcome=PASS, verifier=VOTE)
    add(unjudged, ROOT, "a", outcome=Outcome.ERROR)
    for tree in (voted, unjudged):
        assert Soundness(tree).of_response(leaf) is None
        assert Soundness(tree).of_prefix(leaf) is None


@given(trees)
def test_of_any_tree_it_is_a_probability_and_no_prefix_is_less_likely(tree: Tree) -> None:
    found = Soundness(tree)
    for leaf in tree.leaves():
        prefix, whole = found.of_prefix(leaf), found.of_response(leaf)
        assert whole is None or 0 <= whole <= (1 if prefix is None else prefix) <= 1


def stages(tree: Tree, **options: float | None) -> dict[int, Stage | None]:
    pruner = Pruner(PruneConfig.model_validate(options))
    return {one.leaf: one.stage for one in pruner.prune(trajectories(tree), tree)}


def test_branches_from_doubtful_prefixes_are_dropped_unless_told_otherwise() -> None:
    tree, right, wrong = doubtful_tree()
    assert stages(tree)[wrong] is Stage.DOUBTFUL_PREFIX
    assert stages(tree)[right] is None
    assert stages(tree, min_p_prefix=None)[wrong] is None
    assert stages(tree, min_p_prefix=None, min_p_correct=0.5)[wrong] is Stage.DOUBTFUL


def test_every_survivor_says_how_likely_all_of_it_is_right() -> None:
    tree, right, wrong = doubtful_tree()
    decisions = {one.leaf: one for one in Pruner(PruneConfig()).prune(trajectories(tree), tree)}
    assert decisions[right].p_correct == pytest.approx(Soundness(tree).of_response(right))
    assert decisions[wrong].p_correct is None
    assert "under 0.7" in decisions[wrong].reason
