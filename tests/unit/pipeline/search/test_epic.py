"""EpicPRM's search: how many completions, from where, and what it concludes."""

import pytest

from pipeline.labels.first_error import trials_at_root
from pipeline.search import Expansion
from pipeline.search.epic import Epic
from pipeline.tree import ROOT, Tree
from tests.unit.pipeline.search.test_adaptive import FAIL, PASS, add, tree_of


def strategy(**options: object) -> Epic:
    return Epic(Epic.Config.model_validate({"rollouts": 4, "passes": 2, "least": 1, **options}))


def wrong(tree: Tree) -> int:
    return tree.leaf_of(tree.children(ROOT)[-1])


@pytest.mark.parametrize(
    ("num_passed", "options", "wanted"),
    [(1, {}, 8), (2, {}, 4), (3, {}, 3), (3, {"least": 5}, 5), (1, {"most": 6}, 6)],
)
def test_the_harder_a_problem_the_more_completions(
    num_passed: int, options: dict[str, object], wanted: int
) -> None:
    tree = tree_of(*[PASS] * num_passed, *[FAIL] * (4 - num_passed))
    proposed = strategy(**options).propose(tree, [])
    assert [one.num_rollouts for one in proposed] == [wanted] * (4 - num_passed)


@pytest.mark.parametrize(("num_passed", "step"), [(1, 2), (2, 3), (9, 4)])
def test_it_begins_early_in_hard_problems_and_late_in_easy_ones(num_passed: int, step: int) -> None:
    tree = tree_of(*[PASS] * num_passed, *[FAIL] * max(1, 4 - num_passed), steps=6)
    proposed = strategy().propose(tree, [])
    assert {tree.nodes[one.parent].step for one in proposed} == {step}


def test_a_step_is_right_if_half_as_many_pass_as_of_whole_rollouts() -> None:
    for num_passes, num_right in ((1, 3), (0, 0)):
        tree = tree_of(PASS, PASS, FAIL, FAIL, steps=6)
        middle = tree.path(wrong(tree))[3]
        for number in range(4):
            add(tree, middle.id, "on", outcome=PASS if number < num_passes else FAIL)
        found = strategy().bisect(tree, wrong(tree), trials_at_root(tree))
        assert (found.num_right, found.first_error) == (num_right, None)
        assert Expansion(parent=found.middle or 0, num_rollouts=4) in strategy().propose(tree, [])


def test_a_whole_number_of_completions_is_not_rounded_up() -> None:
    """Three passes at three in seven are seven completions; in floating point a little over."""
    tree = tree_of(*[PASS] * 3, *[FAIL] * 4)
    proposed = strategy(rollouts=7, passes=3).propose(tree, [])
    assert [one.num_rollouts for one in proposed] == [7] * 4


def test_it_ends_at_the_first_wrong_step() -> None:
    tree = tree_of(PASS, PASS, PASS, FAIL, steps=3)
    path = tree.path(wrong(tree))
    for _ in range(3):
        add(tree, path[1].id, "on", outcome=PASS)
        add(tree, path[2].id, "on", outcome=FAIL)
    assert strategy().propose(tree, []) == []
    assert strategy().bisect(tree, path[-1].id, trials_at_root(tree)).first_error == 1


def test_a_problem_that_never_passed_is_given_up() -> None:
    assert strategy().propose(tree_of(*[FAIL] * 4), []) == []
