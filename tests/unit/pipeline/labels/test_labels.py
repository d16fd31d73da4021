"""Labels of a tree that a reader can count by hand."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from pipeline.labels.step_labels import DEFAULT, LabelConfig, credible_interval, label_tree
from pipeline.tree import ROOT, Finish, Tree
from tests.conftest import make_rollout, make_verdict
from verifiers import Outcome


def add(tree: Tree, parent: int, *steps: str, outcome: Outcome | None) -> int:
    """A rollout; one without an outcome was cut off."""
    finish = Finish.LENGTH if outcome is None else Finish.STOP
    leaf = tree.add(parent, tree.reserve(parent, 1), make_rollout(*steps, finish=finish))
    if outcome is not None:
        tree.judge(leaf, make_verdict(outcome))
    return leaf


def example() -> Tree:
    """Ways on from each step of the first rollout: 2 of 3 pass after `a`, 1 of 4 after `ab`."""
    tree = Tree([1], "ask")
    first = add(tree, ROOT, "a", "b", "c", outcome=Outcome.FAIL)
    a, b = (node.id for node in tree.path(first)[1:3])
    add(tree, a, "x", outcome=Outcome.PASS)
    add(tree, a, "y", outcome=Outcome.ABSTAIN)
    add(tree, a, "z", outcome=Outcome.ERROR)
    add(tree, b, "p", outcome=Outcome.FAIL)
    add(tree, b, "q", outcome=None)
    return tree.sorted()


def test_labels_are_of_the_rollouts_that_start_at_the_step() -> None:
    first = next(iter(label_tree(example(), DEFAULT)))
    a, b, c = first.steps
    assert [(s.trials, s.passes, s.truncated) for s in (a, b, c)] == [(3, 1, 1), (2, 0, 1), (1, 0, 0)]
    assert (a.started_trials, a.started_passes, a.hard, a.soft) == (1, 1, True, 1.0)
    assert (b.started_trials, b.started_passes, b.hard, b.soft) == (1, 0, False, 0.0)
    assert a.p_correct is not None
    assert c.p_correct is not None
    assert 1 > a.p_correct > c.p_correct == 0


def test_a_response_decides_its_last_step_itself() -> None:
    last = [one.steps[-1] for one in label_tree(example(), DEFAULT)]
    failed, undecided = (1, False, 0.0), (0, None, None)
    assert [(step.started_trials, step.hard, step.soft) for step in last] == [
        *(failed, failed, undecided, (1, True, 1.0), undecided, undecided)
    ]


def test_a_step_from_which_nothing_started_has_no_label() -> None:
    tree = Tree([1], "ask")
    add(tree, ROOT, "a", "b", outcome=Outcome.PASS)
    (one,) = label_tree(tree, DEFAULT)
    a, b = one.steps
    assert (a.trials, a.passes, a.started_trials) == (1, 1, 0)
    assert (a.hard, a.soft, a.interval) == (None, None, None)
    assert (b.hard, b.soft) == (True, 1.0)


def test_rollouts_that_begin_alike_share_what_started_there() -> None:
    tree = Tree([1], "ask")
    first = add(tree, ROOT, "a", "b", outcome=Outcome.FAIL)
    add(tree, ROOT, "a", "c", outcome=Outcome.FAIL)
    add(tree, tree.path(first)[1].id, "d", outcome=Outcome.PASS)
    for one in label_tree(tree, DEFAULT):
        assert (one.steps[0].started_trials, one.steps[0].soft) == (1, 1.0)


def test_a_step_where_a_score_stopped_rollouts_has_no_label() -> None:
    tree = Tree([1], "ask")
    first = add(tree, ROOT, "a", "b", outcome=Outcome.FAIL)
    a = tree.path(first)[1].id
    add(tree, a, "c", outcome=Outcome.PASS)
    tree.add(a, tree.reserve(a, 1), make_rollout("d", finish=Finish.PRUNED))
    steps = next(iter(label_tree(tree, DEFAULT))).steps
    assert (steps[0].passes, steps[0].started_trials, steps[0].soft) == (1, 0, None)


def test_what_was_cut_off_fails_only_if_asked_for() -> None:
    first, _, cut, *_ = label_tree(example(), LabelConfig(truncated_fails=True))
    a, b, _ = first.steps
    assert (a.trials, a.passes, a.truncated, a.soft) == (4, 1, 1, 1.0)
    assert (b.trials, b.truncated, b.started_trials, b.soft) == (3, 1, 2, 0.0)
    assert (cut.steps[-1].started_trials, cut.steps[-1].hard) == (1, False)


def test_without_a_trial_nothing_is_known() -> None:
    tree = Tree([1], "ask")
    add(tree, ROOT, "a", "b", outcome=Outcome.ABSTAIN)
    add(tree, ROOT, "c", outcome=None)
    for one in label_tree(tree, DEFAULT):
        assert one.first_error is None
        for step in one.steps:
            assert (step.trials, step.hard, step.soft) == (0, None, None)
            assert (step.interval, step.p_correct) == (None, None)


def test_a_paused_rollout_that_went_on_is_no_ending() -> None:
    tree = Tree([1], "ask")
    paused = tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout("a", finish=Finish.STEP))
    leaf = add(tree, paused, "b", outcome=Outcome.PASS)
    (one,) = label_tree(tree, DEFAULT)
    assert one.leaf == leaf
    assert [(step.trials, step.passes) for step in one.steps] == [(1, 1), (1, 1)]


def test_the_first_wrong_step_is_found_where_rollouts_tell_it() -> None:
    tree = Tree([1], "ask")
    first = add(tree, ROOT, "a", "b", "c", "d", outcome=Outcome.FAIL)
    a, b, c = (node.id for node in tree.path(first)[1:4])
    for _ in range(6):
        add(tree, ROOT, "whole", "answer", outcome=Outcome.PASS)
        add(tree, a, "fine", outcome=Outcome.PASS)
        add(tree, b, "lost", outcome=Outcome.FAIL)
        add(tree, c, "lost", outcome=Outcome.FAIL)
    labelled = {one.leaf: one for one in label_tree(tree, DEFAULT)}
    assert labelled[first].first_error == 1
    right = [step.p_correct or 0.0 for step in labelled[first].steps]
    assert right[0] > 0.9 > 0.1 > right[1]


def test_a_known_interval() -> None:
    """Brown, Cai and DasGupta (2001), table 5: 3 of 10 passed, and none or all of them."""
    interval = credible_interval(3, 10, 0.95)
    assert (interval.low, interval.high) == pytest.approx((0.093, 0.606), abs=5e-4)
    assert credible_interval(0, 10, 0.95).low == 0
    assert credible_interval(10, 10, 0.95).high == 1


@pytest.mark.parametrize("options", [{"interval": 1}, {"confidence": 0}, {"majority": {"use": "x"}}])
def test_options_out_of_range_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        LabelConfig.model_validate(options)


def test_commands_that_label_nothing_do_not_load_scipy() -> None:
    script = "import sys, pipeline.config, pipeline.explore; print('scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
