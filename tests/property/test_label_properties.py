"""Step labels are what a naive recount from the leaves gives, for every tree."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pipeline.labels.first_error import first_error, trials_at_root
from pipeline.labels.step_labels import LabelConfig, credible_interval, label_tree
from pipeline.tree import Finish, Tree
from tests.grown import trees
from verifiers import Outcome

CONFIGS = st.builds(
    LabelConfig,
    interval=st.sampled_from([0.5, 0.95]),
    confidence=st.floats(0.05, 0.95),
    truncated_fails=st.booleans(),
)


def recount(tree: Tree, node_id: int) -> tuple[int, int, int]:
    """Trials, passes and truncated rollouts among all endings below a node, each walked to."""
    ended = [n for n in tree.nodes if n.finish not in (None, Finish.STEP)]
    below = [n for n in ended if any(one.id == node_id for one in tree.path(n.id))]
    judged = [tree.verdicts[n.id].outcome for n in below if n.id in tree.verdicts]
    fails, passes = judged.count(Outcome.FAIL), judged.count(Outcome.PASS)
    return passes + fails, passes, sum(n.finish is Finish.LENGTH for n in below)


def recount_started(tree: Tree, leaf: int, node_id: int) -> tuple[int, int, int]:
    """Trials, passes and truncated rollouts among those that start at a step's end, by token ids."""
    if node_id == leaf:
        ends = [leaf]
    else:
        steps = [node.token_ids for node in tree.path(node_id)]
        alike = [n.id for n in tree.nodes if [one.token_ids for one in tree.path(n.id)] == steps]
        ends = [
            tree.leaf_of(child)
            for twin in alike
            for child in tree.children(twin)
            if tree.rollout(tree.leaf_of(child))[0].id == child
        ]
        if any(tree.nodes[end].finish in (Finish.STEP, Finish.PRUNED) for end in ends):
            return 0, 0, 0
    passed = [tree.passed(end) for end in ends]
    truncated = sum(tree.nodes[end].finish is Finish.LENGTH for end in ends)
    return len(passed) - passed.count(None), passed.count(True), truncated


@given(trees, CONFIGS)
def test_counts_and_labels_are_those_of_a_recount(tree: Tree, config: LabelConfig) -> None:
    labelled = list(label_tree(tree, config))
    assert [one.leaf for one in labelled] == tree.leaves()
    for one in labelled:
        path = tree.path(one.leaf)[1:]
        assert len(one.steps) == len(path) >= 1
        for node, label in zip(path, one.steps, strict=True):
            trials, passes, truncated = recount(tree, node.id)
            trials += truncated if config.truncated_fails else 0
            assert (label.trials, label.passes, label.truncated) == (trials, passes, truncated)
            started, passed, cut_off = recount_started(tree, one.leaf, node.id)
            started += cut_off if config.truncated_fails else 0
            assert (label.started_trials, label.started_passes) == (started, passed)
            assert label.hard is (None if not started else passed > 0)
            assert label.soft == (passed / started if started else None)
            expected = credible_interval(passed, started, config.interval) if started else None
            assert label.interval == expected


@given(trees, CONFIGS)
def test_the_first_wrong_step_is_told_where_it_is_certain_enough(
    tree: Tree, config: LabelConfig
) -> None:
    at_root = trials_at_root(tree)
    judged = any(verdict.outcome.is_trial for verdict in tree.verdicts.values())
    for one in label_tree(tree, config):
        right = [step.p_correct for step in one.steps]
        if not judged:
            assert set(right) == {None}
            assert one.first_error is None
            continue
        posterior = first_error(tree, tree.path(one.leaf), at_root)
        assert right == posterior.right
        *wrong, none = posterior.probabilities
        if one.first_error is None:
            assert max(wrong) < config.confidence or none >= max(wrong)
        else:
            assert wrong[one.first_error] == max(*wrong, none) >= config.confidence


@given(st.integers(0, 60), st.integers(0, 60), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_interval_leaves_the_same_mass_at_both_ends(passes: int, fails: int, mass: float) -> None:
    interval = credible_interval(passes, passes + fails, mass)
    belief = stats.beta(passes + 0.5, fails + 0.5)
    below, above = belief.cdf(interval.low), belief.sf(interval.high)
    assert math.isclose(below, (1 - mass) / 2 if passes else 0, rel_tol=1e-6)
    assert math.isclose(above, (1 - mass) / 2 if fails else 0, rel_tol=1e-6)
    if passes or fails:
        assert interval.low <= passes / (passes + fails) <= interval.high
    mirrored = credible_interval(fails, passes + fails, mass)
    assert mirrored.low == pytest.approx(1 - interval.high)


@given(trees)
def test_a_verdict_taken_back_leaves_the_tree_as_if_it_had_never_been(tree: Tree) -> None:
    judged = dict(tree.verdicts)
    before = [(s.visits, s.trials, s.passes, s.truncated) for s in tree.stats]
    for leaf in judged:
        tree.withdraw(leaf)
    assert tree.verdicts == {}
    assert not any(s.trials or s.passes for s in tree.stats)
    for leaf, verdict in judged.items():
        tree.judge(leaf, verdict)
    assert [(s.visits, s.trials, s.passes, s.truncated) for s in tree.stats] == before
