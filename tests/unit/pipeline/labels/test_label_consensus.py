"""With `labels.consensus` a step has labels only where rollouts and a reward model agree."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import ConfigError, load_config
from pipeline.labels.step_labels import DEFAULT, LabelConfig, TrajectoryLabels, label_tree
from pipeline.tree import ROOT, Tree
from tests.conftest import make_rollout, make_verdict
from verifiers import Outcome

STEPS = 4


def labelled(
    scores: Sequence[float | None], consensus: float | None = 0.5, passes: Sequence[int] = (4, 4, 0, 0)
) -> TrajectoryLabels:
    """A response that failed, of four steps; of four rollouts from each so many passed."""
    tree = Tree([1], "ask")

    def add(parent: int, *steps: str, passed: bool) -> int:
        leaf = tree.add(parent, tree.reserve(parent, 1), make_rollout(*steps))
        tree.judge(leaf, make_verdict(Outcome.PASS if passed else Outcome.FAIL))
        return leaf

    path = tree.path(add(ROOT, "a", "b", "c", "d", passed=False))[1:]
    for node, number in zip(path[:-1], passes, strict=False):
        for index in range(4):
            add(node.id, f"{node.text}{index}", passed=index < number)
    for index in range(4):
        add(ROOT, f"{index}", passed=index < 3)
    tree.scores = {n.id: s for n, s in zip(path, scores, strict=True) if s is not None}
    return next(
        one for one in label_tree(tree, LabelConfig(consensus=consensus)) if one.leaf == path[-1].id
    )


def test_where_both_agree_all_labels_stay() -> None:
    agreed = labelled([0.9, 0.9, 0.1, 0.1])
    assert [step.hard for step in agreed.steps] == [True, True, False, False]
    assert [step.soft for step in agreed.steps] == [1.0, 1.0, 0.0, 0.0]
    assert agreed == labelled([0.9, 0.9, 0.1, 0.1], consensus=None)
    assert agreed.first_error == 2


def test_where_they_disagree_there_is_no_label_but_the_counts_stay() -> None:
    doubted = labelled([0.9, 0.1, 0.1, 0.1])
    assert [step.hard for step in doubted.steps] == [True, None, False, False]
    assert [step.soft for step in doubted.steps] == [1.0, None, 0.0, 0.0]
    assert [step.p_correct is None for step in doubted.steps] == [False, True, False, False]
    assert doubted.steps[1].started_trials == 4
    assert doubted.first_error is None


def test_a_model_that_objects_once_objects_to_all_that_follows() -> None:
    assert [step.hard for step in labelled([0.1, 0.9, 0.9, 0.9]).steps] == [None, None, False, False]


def test_an_unscored_step_and_what_follows_is_withheld_unless_the_model_objects() -> None:
    steps = labelled([0.9, None, 0.9, 0.1]).steps
    assert [step.hard for step in steps] == [True, None, None, False]
    assert labelled([None] * STEPS).first_error is None


def test_the_bound_is_met_by_a_score_that_equals_it() -> None:
    # 0.1 in 32 bits, as scores are stored, is over the double 0.1; 0.7 is under it.
    assert labelled([0.699999988079071, 1.0, 0.0, 0.0], consensus=0.7).steps[0].hard is True


@given(st.lists(st.none() | st.floats(0, 1), min_size=STEPS, max_size=STEPS), st.floats(0, 1))
def test_a_score_takes_labels_away_and_makes_none(scores: list[float | None], bound: float) -> None:
    for step, before in zip(labelled(scores, bound).steps, labelled(scores, None).steps, strict=True):
        assert step.hard in (None, before.hard)
        assert step.soft in (None, before.soft)
        assert step.p_correct in (None, before.p_correct)
        assert step.interval == before.interval


def test_a_run_without_a_judge_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"labels.consensus: expected a process reward model"):
        load_config(Path("configs/simulated.yaml"), ["labels.consensus=0.5"])
    assert DEFAULT.consensus is None
