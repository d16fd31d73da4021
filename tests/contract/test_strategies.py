"""What every strategy guarantees: it ends, it is a function of the tree, it asks for what exists."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import KINDS
from pipeline.search import STRATEGIES, Expansion, Strategy
from pipeline.search.budget import BudgetConfig, Budgeted
from pipeline.tree import ROOT, Finish, Tree
from tests.conftest import make_rollout, make_verdict
from verifiers import Outcome

_MAX_STEPS, _MAX_TOKENS = 9, 60


@dataclass(frozen=True)
class Case:
    """A strategy, and the most rollouts that it asks for where they have nine steps."""

    name: str
    options: dict[str, Any]
    most: int
    exact: bool = False
    """Whether it is sure to ask for as many."""
    by_arrival: bool = False
    """Whether it goes on from what is back while more is under way, so that its tree depends on the
    order of arrival; such a strategy says so in its documentation."""


CASES = [
    Case("best_of_n", {"rollouts": 5}, 5, exact=True),
    Case("survivors", {"most": 3}, 8),
    Case("survivors", {"most": 9, "least_first": 0.02, "least_more": 0.1}, 100),
    Case("branching", {"rollouts": 3, "depth": 0}, 3, exact=True),
    Case("branching", {"rollouts": 3, "depth": 1}, 3 * (1 + 4), exact=True),
    Case("branching", {"rollouts": 2, "branches": 3, "depth": 2}, 2 * (1 + 6 + 36), exact=True),
    Case("branching", {"rollouts": 2, "points": 0, "depth": 3}, 2, exact=True),
    Case("branching", {"rollouts": 2, "where": "steps", "branches": 1}, 2 * 9, exact=True),
    Case("branching", {"rollouts": 2, "where": "entropy", "branches": 3}, 2 * 7, exact=True),
    Case("branching", {"rollouts": 2, "where": "entropy", "unit": "token"}, 2 * 5, exact=True),
    Case("branching", {"rollouts": 4, "where": "variance", "points": 1}, 4 * 3, exact=True),
    Case("branching", {"rollouts": 2, "where": "tokens", "every_tokens": 10}, 2 * (1 + 2 * 8)),
    Case("math_shepherd", {"rollouts": 2, "completions": 3}, 2 * (1 + 8 * 3), exact=True),
    Case("omega", {"rollouts": 4, "searches": 5}, 4 + 5 * 4 * 4),
    Case("epic", {"rollouts": 4, "passes": 2, "least": 2, "most": 6}, 4 + 4 * 4 * 6),
    Case("adaptive", {"rollouts": 4, "hopeless_after": 6, "probes": 8}, 6 + 4 * (8 + 1)),
    Case("adaptive", {"rollouts": 3, "siblings": 1, "confidence": 0.8, "probes": 12}, 32 + 3 * 12),
    Case("beam", {"rollouts": 4, "beam_width": 2, "max_rounds": 6}, 4 * 6),
    Case("beam", {"rollouts": 4, "beam_width": 4, "aggregate": "min"}, 4 * 40),
    Case("beam", {"rollouts": 6, "beam_width": 3, "lookahead": 2, "aggregate": "mean"}, 6 * 40),
    Case("beam", {"rollouts": 2, "beam_width": 1, "lookahead": 1, "aggregate": "product"}, 2 * 40),
    Case("dvts", {"rollouts": 4, "beam_width": 2, "max_rounds": 6}, 4 * 6),
    Case("dvts", {"rollouts": 9, "beam_width": 3, "lookahead": 1, "aggregate": "min"}, 9 * 40),
    Case("mcts", {"rollouts": 12}, 12, exact=True),
    Case("mcts", {"rollouts": 20, "widening": 1, "widening_exponent": 0.3}, 20, exact=True),
    Case("mcts", {"rollouts": 15, "in_flight": 4}, 15, exact=True, by_arrival=True),
]


def of(cases: Sequence[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=lambda case: f"{case.name}-{case.options}")


EXACT = [case for case in CASES if case.exact]
BY_ARRIVAL = [case for case in CASES if case.by_arrival]
BY_PLACE = [case for case in CASES if not case.by_arrival]
"""Their trees are the same whatever order rollouts come back in."""


def build(case: Case) -> Strategy:
    strategy: Strategy = KINDS["strategy"].part({"use": case.name, **case.options}).build()
    return strategy


def test_every_built_in_strategy_has_a_case() -> None:
    assert {case.name for case in CASES} == set(STRATEGIES)


class World:
    """Answers expansions one by one in a random order; what they bring follows from their place.

    Four nodes of five are scored, to one digit, so that there are ties.
    """

    def __init__(
        self,
        seed: int,
        order: Random,
        min_steps: int = 1,
        max_steps: int = 5,
        outcomes: Sequence[Outcome] = (Outcome.PASS, Outcome.FAIL, Outcome.FAIL, Outcome.ABSTAIN),
    ) -> None:
        self.order = order
        self.outcomes = outcomes
        self.seed, self.min_steps, self.max_steps = seed, min_steps, max_steps
        self.under_way: list[tuple[Expansion, int]] = []

    def search(
        self,
        tree: Tree,
        propose: Callable[[Tree, list[Expansion]], list[Expansion]],
        turns: int = 10_000,
    ) -> Tree:
        """Grows the tree until the strategy is done, or for so many turns and what they began."""
        for turn in range(10_000):
            if turn < turns:
                for expansion in propose(tree, [pending for pending, _ in self.under_way]):
                    self._check(tree, expansion)
                    slot = tree.reserve(expansion.parent, expansion.num_rollouts)
                    self.under_way.append((expansion, slot))
            if not self.under_way:
                return tree
            self._answer(tree, *self.under_way.pop(self.order.randrange(len(self.under_way))))
        raise AssertionError("the strategy does not end")

    def _check(self, tree: Tree, expansion: Expansion) -> None:
        assert 0 <= expansion.parent < len(tree)
        assert expansion.num_rollouts >= 1
        finish = tree.nodes[expansion.parent].finish
        assert finish in (None, Finish.STEP), "a finished response has no next step"

    def _answer(self, tree: Tree, expansion: Expansion, slot: int) -> None:
        for index in range(expansion.num_rollouts):
            place = Random(repr((self.seed, tree.address(expansion.parent), slot + index)))
            self._add(tree, expansion, slot + index, place)

    def _add(self, tree: Tree, expansion: Expansion, slot: int, place: Random) -> None:
        steps = [
            "x" * place.randint(1, 5) for _ in range(place.randint(self.min_steps, self.max_steps))
        ]
        finish = place.choice([Finish.STOP] * 8 + [Finish.LENGTH])
        if expansion.num_steps is not None and len(steps) > expansion.num_steps:
            steps, finish = steps[: expansion.num_steps], Finish.STEP
        left = _MAX_TOKENS - tree.num_response_tokens(expansion.parent)
        left = min(left, expansion.max_tokens or left)
        # What pauses where its tokens are used up cannot go on.
        if (size := len("".join(steps))) > left or (size == left and finish is Finish.STEP):
            cut = "".join(steps)[:left]
            steps, finish = [cut[i : i + 3] for i in range(0, left, 3)], Finish.LENGTH
        most = min(expansion.num_steps or len(steps), expansion.max_nodes or len(steps))
        if len(steps) > most:
            kept = steps[: most - 1]
            steps = [*kept, "".join(steps[len(kept) :])]
        leaf = tree.add(
            expansion.parent, slot, make_rollout(*steps, finish=finish, logprob=-place.random())
        )
        for node in tree.rollout(leaf):
            if place.random() < 0.8:
                tree.scores[node.id] = round(place.random(), 1)
        if finish is Finish.STOP:
            tree.judge(leaf, make_verdict(place.choice(self.outcomes)))


def shape(tree: Tree) -> list[tuple[int | None, int, str]]:
    return [(node.parent, node.slot, node.text) for node in tree.sorted().nodes]


def num_asked(expansions: Sequence[Expansion]) -> int:
    return sum(expansion.num_rollouts for expansion in expansions)


def long_rollouts(case: Case) -> Tree:
    """The tree of a strategy where every rollout has nine steps."""
    world = World(1, Random(1), min_steps=9, max_steps=9)
    return world.search(Tree([1], "ask"), build(case).propose)


def in_three_orders(case: Case, seed: int) -> list[Tree]:
    """The trees of a strategy whose rollouts come back in three orders."""
    return [
        World(seed, Random(order)).search(Tree([1], "ask"), build(case).propose) for order in range(3)
    ]


def whole_and_resumed(case: Case, seed: int, turns: int) -> tuple[Tree, Tree]:
    """A tree grown at once, and one that was stored after so many turns and grown on."""
    whole = World(seed, Random(0)).search(Tree([1], "ask"), build(case).propose)
    half = World(seed, Random(0)).search(Tree([1], "ask"), build(case).propose, turns)
    return whole, World(seed, Random(0)).search(half.sorted(), build(case).propose)


seeds = st.integers(0, 10_000)
randoms = st.randoms(use_true_random=False)
budgets = st.fixed_dictionaries(
    {},
    optional={
        "tokens": st.integers(1, 300),
        "rollouts": st.integers(1, 12),
        "nodes": st.integers(1, 60),
    },
).filter(bool)


@of(CASES)
class TestEveryStrategy:
    @settings(max_examples=8)
    @given(seed=seeds, order=randoms)
    def test_it_ends_and_asks_for_no_more_than_it_may(
        self, case: Case, seed: int, order: Random
    ) -> None:
        strategy = build(case)
        tree = World(seed, order, max_steps=9).search(Tree([1], "ask"), strategy.propose)
        assert 1 <= tree.num_rollouts <= case.most
        assert strategy.propose(tree, []) == []

    @settings(max_examples=8)
    @given(seed=seeds, order=randoms)
    def test_it_ends_where_nothing_can_be_judged(self, case: Case, seed: int, order: Random) -> None:
        strategy = build(case)
        world = World(seed, order, max_steps=9, outcomes=[Outcome.ABSTAIN])
        tree = world.search(Tree([1], "ask"), strategy.propose)
        assert 1 <= tree.num_rollouts <= case.most
        assert strategy.propose(tree, []) == []

    def test_long_rollouts_get_no_more_than_the_most(self, case: Case) -> None:
        assert 1 <= long_rollouts(case).num_rollouts <= case.most

    @settings(max_examples=5)
    @given(seed=seeds, order=randoms)
    def test_what_it_remembers_changes_nothing(self, case: Case, seed: int, order: Random) -> None:
        strategy = build(case)

        def propose(tree: Tree, pending: list[Expansion]) -> list[Expansion]:
            proposed = strategy.propose(tree, pending)
            assert build(case).propose(tree, pending) == proposed
            return proposed

        World(seed, order).search(Tree([1], "ask"), propose)

    def test_nothing_pending_is_asked_for_twice(self, case: Case) -> None:
        tree = Tree([1], "ask")
        asked = build(case).propose(tree, [])
        assert build(case).propose(tree, asked) == []

    @settings(max_examples=15)
    @given(seed=seeds, order=randoms, limits=budgets)
    def test_no_budget_is_ever_exceeded(
        self, case: Case, seed: int, order: Random, limits: dict[str, int]
    ) -> None:
        strategy = Budgeted(
            build(case), BudgetConfig(**limits), max_tokens=_MAX_TOKENS, max_steps=_MAX_STEPS
        )
        tree = World(seed, order, max_steps=9).search(Tree([1], "ask"), strategy.propose)
        spent = {"tokens": tree.num_tokens, "rollouts": tree.num_rollouts, "nodes": len(tree) - 1}
        assert tree.num_rollouts >= 1
        assert [name for name, most in limits.items() if spent[name] > most] == []


@of(EXACT)
def test_long_rollouts_get_all_that_an_exact_strategy_may_ask_for(case: Case) -> None:
    assert long_rollouts(case).num_rollouts == case.most


@of([case for case in CASES if num_asked(build(case).propose(Tree([1], "ask"), [])) > 1])
def test_what_is_partly_pending_is_asked_for_in_part(case: Case) -> None:
    tree = Tree([1], "ask")
    asked = build(case).propose(tree, [])
    rest = build(case).propose(tree, [Expansion(parent=ROOT, num_rollouts=1)])
    assert num_asked(rest) == num_asked(asked) - 1


@of(BY_PLACE)
class TestStrategiesThatGoByPlace:
    @settings(max_examples=5)
    @given(seed=seeds)
    def test_the_tree_does_not_depend_on_the_order_of_arrival(self, case: Case, seed: int) -> None:
        one, *others = in_three_orders(case, seed)
        assert [shape(other) for other in others] == [shape(one)] * 2

    @settings(max_examples=5)
    @given(seed=seeds, turns=st.integers(0, 12))
    def test_they_go_on_from_a_stored_tree(self, case: Case, seed: int, turns: int) -> None:
        whole, resumed = whole_and_resumed(case, seed, turns)
        assert shape(resumed) == shape(whole)


@of(BY_ARRIVAL)
class TestStrategiesThatGoByArrival:
    """They are all exact: only the number of rollouts does not depend on the order."""

    @settings(max_examples=5)
    @given(seed=seeds)
    def test_the_number_of_rollouts_does_not_depend_on_the_order(self, case: Case, seed: int) -> None:
        one, *others = in_three_orders(case, seed)
        assert [other.num_rollouts for other in others] == [one.num_rollouts] * 2

    @settings(max_examples=5)
    @given(seed=seeds, turns=st.integers(0, 12))
    def test_they_go_on_from_a_stored_tree(self, case: Case, seed: int, turns: int) -> None:
        whole, resumed = whole_and_resumed(case, seed, turns)
        assert resumed.num_rollouts == whole.num_rollouts


def test_every_strategy_that_goes_by_arrival_is_exact() -> None:
    assert BY_ARRIVAL
    assert [case for case in BY_ARRIVAL if not case.exact] == []
