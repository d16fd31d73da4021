"""Where `mcts` starts rollouts, on trees grown by hand."""

from collections.abc import Sequence
from typing import Any

import pytest

from pipeline.search import Expansion
from pipeline.search.mcts import Mcts
from pipeline.tree import ROOT, Tree
from tests.conftest import make_rollout, make_verdict
from verifiers import Outcome


def mcts(**options: Any) -> Mcts:
    return Mcts(Mcts.Config(**{"rollouts": 10_000, **options}))


def grow(tree: Tree, parent: int, num_steps: int, passed: bool) -> list[int]:
    """Adds a judged rollout; the ids of its nodes."""
    leaf = tree.add(parent, tree.reserve(parent, 1), make_rollout(*["x"] * num_steps))
    tree.judge(leaf, make_verdict(Outcome.PASS if passed else Outcome.FAIL))
    return [node.id for node in tree.rollout(leaf)]


def start(strategy: Mcts, tree: Tree, pending: Sequence[Expansion] = ()) -> int:
    """Where the one rollout that it asks for starts."""
    (expansion,) = strategy.propose(tree, pending)
    assert expansion == Expansion(parent=expansion.parent, num_rollouts=1)
    return expansion.parent


@pytest.fixture
def fork() -> tuple[Tree, list[int], list[int]]:
    """A tree of two rollouts that failed, with as many children as the root may have."""
    tree = Tree([1], "ask")
    return tree, grow(tree, ROOT, 4, False), grow(tree, ROOT, 4, False)


NARROW = {"widening": 2, "widening_exponent": 0}


def test_children_become_more_with_visits() -> None:
    tree = Tree([1], "ask")
    strategy = mcts(widening=1, widening_exponent=0.5)
    assert start(strategy, tree) == ROOT
    grow(tree, ROOT, 1, True)
    assert start(strategy, tree) == ROOT, "an ended response cannot go on"
    one = grow(tree, ROOT, 3, True)
    # Two visits allow two children.
    assert start(strategy, tree) == one[1]
    grow(tree, one[1], 1, True)
    grow(tree, one[1], 1, True)
    assert len(tree.children(ROOT)) == 2
    grow(tree, one[1], 1, True)
    assert start(strategy, tree) == ROOT, "five visits allow three"


def test_a_whole_number_of_children_is_not_rounded_up() -> None:
    """0.28 * 25 is a little over 7 in floating point: it allows seven children, not eight."""
    tree = Tree([1], "ask")
    one = grow(tree, ROOT, 3, True)
    for _ in range(6):
        grow(tree, ROOT, 1, True)
    for _ in range(18):
        grow(tree, one[0], 1, True)
    assert (tree.stats[ROOT].visits, len(tree.children(ROOT))) == (25, 7)
    assert start(mcts(widening=0.28, widening_exponent=1), tree) != ROOT


def test_the_better_scored_child_is_preferred(fork: tuple[Tree, list[int], list[int]]) -> None:
    tree, one, other = fork
    strategy = mcts(**NARROW)
    assert start(strategy, tree) == one[0], "the first by slot of equals"
    tree.scores[other[0]] = 0.9
    tree.scores[one[0]] = 0.2
    assert start(strategy, tree) == other[0]


def test_the_child_whose_rollouts_pass_is_preferred(fork: tuple[Tree, list[int], list[int]]) -> None:
    tree, _, other = fork
    grow(tree, other[0], 3, True)
    assert tree.address(start(mcts(**NARROW, c_puct=0.1), tree))[0] == 1
    assert tree.address(start(mcts(**NARROW, c_puct=10), tree))[0] == 0, "it is visited less"


def test_what_is_under_way_counts_as_a_visit(fork: tuple[Tree, list[int], list[int]]) -> None:
    tree, one, other = fork
    strategy = mcts(**NARROW, in_flight=3)
    first, second, third = (expansion.parent for expansion in strategy.propose(tree, []))
    assert first == one[0]
    assert second == other[0]
    assert third == one[1], "the first step has its two children once what is under way is there"
    pending = [Expansion(parent=node, num_rollouts=1) for node in (first, second)]
    assert start(strategy, tree, pending) == third


def test_no_more_are_under_way_than_may_be_and_no_more_in_all() -> None:
    tree = Tree([1], "ask")
    strategy = mcts(rollouts=5, in_flight=4)
    asked = strategy.propose(tree, [])
    assert len(asked) == 4
    assert strategy.propose(tree, asked) == []
    grow(tree, ROOT, 2, False)
    grow(tree, ROOT, 2, False)
    assert len(strategy.propose(tree, asked[:2])) == 1


def test_a_proposal_costs_the_same_in_a_tree_of_any_size() -> None:
    class PrunableRollout(Tree):
        looked_at = 0

        def children(self, node_id: int) -> Sequence[int]:
            children = super().children(node_id)
            self.looked_at += len(children)
            return children

    costs = []
    for size in (50, 2000):
        tree = PrunableRollout([1], "ask")
        strategy = mcts(widening_exponent=0.1)
        for turn in range(size):
            grow(tree, start(strategy, tree), 5, turn % 3 == 0)
        tree.looked_at = 0
        start(strategy, tree)
        costs.append(tree.looked_at)
        assert len(tree) > 3 * size
    assert max(costs) < 80
