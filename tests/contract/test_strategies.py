"""What every strategy guarantees: it ends, it is a function of the tree, it asks for what exists."""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import KINDS
from pipeline.search import Expansion, Strategy
from pipeline.tree import ROOT, Tree
from tests.conftest import make_rollout, make_verdict

STRATEGIES: list[tuple[str, dict[str, Any], int]] = [
    ("best_of_n", {"n": 5}, 5),
    ("branching", {"rollouts": 3, "points": 2, "branches": 2, "depth": 0}, 3),
    ("branching", {"rollouts": 3, "points": 2, "branches": 2, "depth": 1}, 3 * (1 + 4)),
    ("branching", {"rollouts": 2, "points": 2, "branches": 3, "depth": 2}, 2 * (1 + 6 + 36)),
    ("branching", {"rollouts": 2, "points": 0, "depth": 3}, 2),
]
"""Strategy, options, and the number of rollouts it asks for where they are long enough."""


def build(name: str, options: dict[str, Any]) -> Strategy:
    strategy: Strategy = KINDS["strategy"].part({"use": name, **options}).build()
    return strategy


def search(strategy: Strategy, random: Random, max_steps: int, min_steps: int = 1) -> Tree:
    """Runs a search whose expansions come back one by one, in random order."""
    tree, under_way = Tree([1], "ask"), list[tuple[Expansion, int]]()
    for _ in range(10_000):
        for expansion in strategy.propose(tree, [pending for pending, _ in under_way]):
            assert 0 <= expansion.parent < len(tree)
            assert expansion.num_rollouts >= 1
            assert tree.nodes[expansion.parent].finish is None, "a finished response has no next step"
            under_way.append((expansion, tree.reserve(expansion.parent, expansion.num_rollouts)))
        if not under_way:
            return tree
        expansion, slot = under_way.pop(random.randrange(len(under_way)))
        for index in range(expansion.num_rollouts):
            texts = [f"{tree.address(expansion.parent)}{slot + index}"] * random.randint(
                min_steps, max_steps
            )
            leaf = tree.add(expansion.parent, slot + index, make_rollout(*texts))
            tree.judge(leaf, make_verdict())
    raise AssertionError("the strategy does not end")


@pytest.mark.parametrize(("name", "options", "num_rollouts"), STRATEGIES)
class TestEveryStrategy:
    @settings(max_examples=20)
    @given(random=st.randoms(use_true_random=False), max_steps=st.integers(1, 6))
    def test_it_ends_and_asks_for_no_more_than_its_formula(
        self, name: str, options: dict[str, Any], num_rollouts: int, random: Random, max_steps: int
    ) -> None:
        strategy = build(name, options)
        tree = search(strategy, random, max_steps)
        assert 1 <= len(tree.leaves()) <= num_rollouts
        assert strategy.propose(tree, []) == []

    @settings(max_examples=10)
    @given(random=st.randoms(use_true_random=False))
    def test_long_rollouts_get_all_of_it(
        self, name: str, options: dict[str, Any], num_rollouts: int, random: Random
    ) -> None:
        tree = search(build(name, options), random, max_steps=9, min_steps=9)
        assert len(tree.leaves()) == num_rollouts

    def test_the_shape_does_not_depend_on_the_order_of_arrival(
        self, name: str, options: dict[str, Any], num_rollouts: int
    ) -> None:
        shapes = [
            [
                (node.parent, node.slot, node.step)
                for node in search(build(name, options), Random(seed), 5, 5).sorted().nodes
            ]
            for seed in range(3)
        ]
        assert shapes[0] == shapes[1] == shapes[2]

    def test_it_goes_on_from_a_stored_tree(
        self, name: str, options: dict[str, Any], num_rollouts: int
    ) -> None:
        """What a fresh instance asks for is the same, and nothing pending is asked for twice."""
        tree = Tree([1], "ask")
        asked = build(name, options).propose(tree, [])
        assert build(name, options).propose(tree, []) == asked
        assert build(name, options).propose(tree, asked) == []
        half = Expansion(parent=ROOT, num_rollouts=1)
        rest = build(name, options).propose(tree, [half])
        assert sum(e.num_rollouts for e in rest) == sum(e.num_rollouts for e in asked) - 1
