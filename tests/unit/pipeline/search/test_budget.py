"""What a budget lets through, beside what the contract suite asks of every strategy."""

from collections.abc import Sequence

import pytest

from pipeline.search import Expansion
from pipeline.search.budget import BudgetConfig, Budgeted
from pipeline.tree import ROOT, Tree
from tests.conftest import make_rollout


class Asking:
    """Always proposes the same."""

    def __init__(self, *wanted: Expansion) -> None:
        self.wanted = list(wanted)

    def propose(self, tree: Tree, pending: Sequence[Expansion]) -> list[Expansion]:
        return self.wanted


def budgeted(*wanted: Expansion, **budget: int) -> Budgeted:
    return Budgeted(Asking(*wanted), BudgetConfig(**budget), max_tokens=100, max_steps=10)


FOUR = Expansion(parent=ROOT, num_rollouts=4)


@pytest.mark.parametrize(
    ("budget", "num_rollouts"),
    [({"tokens": 399}, 3), ({"rollouts": 2}, 2), ({"nodes": 39}, 3), ({}, 4)],
)
def test_it_lets_through_what_is_sure_to_fit(budget: dict[str, int], num_rollouts: int) -> None:
    (allowed,) = budgeted(FOUR, **budget).propose(Tree([1], "ask"), [])
    assert allowed == Expansion(parent=ROOT, num_rollouts=num_rollouts)


def test_what_is_pending_counts_by_its_longest() -> None:
    pending = [Expansion(parent=ROOT, num_rollouts=3)]
    assert budgeted(FOUR, tokens=350).propose(Tree([1], "ask"), pending) == []


def test_the_last_rollout_gets_what_is_left_as_its_limit() -> None:
    (last,) = budgeted(FOUR, tokens=40, nodes=3).propose(Tree([1], "ask"), [])
    assert last == Expansion(parent=ROOT, num_rollouts=1, max_tokens=40, max_nodes=3)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (Expansion(parent=99, num_rollouts=1), "one of the tree's 3 nodes"),
        (Expansion(parent=ROOT, num_rollouts=0), "1 rollout or more"),
        (Expansion(parent=2, num_rollouts=1), "a node that can continue"),
    ],
)
def test_a_strategy_that_asks_for_the_impossible_is_told(wanted: Expansion, message: str) -> None:
    tree = Tree([1], "ask")
    tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout("a", "b"))
    with pytest.raises(ValueError, match=message):
        budgeted(wanted).propose(tree, [])
