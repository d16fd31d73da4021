"""Which rollouts are samples, and that their number does not depend on how they turned out."""

from pathlib import Path
from random import Random
from statistics import mean

import pytest
from pydantic import BaseModel

from pipeline.config import KINDS
from pipeline.datasets.folder import RunFolder
from pipeline.evaluation.design import Design, design_of
from pipeline.evaluation.errors import EvaluationError
from pipeline.labels.outcomes import sample_outcome
from pipeline.search import STRATEGIES, Expansion
from pipeline.search.adaptive import Adaptive
from pipeline.search.best_of_n import BestOfN
from pipeline.search.budget import BudgetConfig
from pipeline.tree import ROOT, Finish, Tree
from reward_models.evaluation.choosing import pass_at_k
from tests.conftest import make_rollout, make_verdict
from verifiers import Outcome

NO_BUDGET = BudgetConfig()


def grow(strategy: Adaptive, chance: float, random: Random) -> Tree:
    """A problem's search where each whole rollout passes with this chance."""
    tree = Tree((1,), "?")
    while expansions := strategy.propose(tree, []):
        for expansion in expansions:
            slot = tree.reserve(expansion.parent, expansion.num_rollouts)
            for place in range(expansion.num_rollouts):
                leaf = tree.add(expansion.parent, slot + place, make_rollout("answer"))
                passed = random.random() < chance
                tree.judge(leaf, make_verdict(Outcome.PASS if passed else Outcome.FAIL))
    return tree


@pytest.mark.parametrize(("chance", "num_problems"), [(0.01, 800), (0.1, 600), (0.5, 200)])
def test_pass_at_1_of_adaptive_is_the_chance(chance: float, num_problems: int) -> None:
    strategy, random = Adaptive(Adaptive.Config()), Random(1)
    design = Design.of(strategy, NO_BUDGET, 64)
    assert design is not None
    fixed, grown = list[float](), list[float]()
    for _ in range(num_problems):
        tree = grow(strategy, chance, random)
        leaves = design.samples(tree)
        assert leaves is not None
        assert len(leaves) == 8
        for of, found in ((leaves, fixed), (tree.leaves(), grown)):
            right = [sample_outcome(tree, leaf) is True for leaf in of]
            found.append(pass_at_k(len(right), sum(right), 1))
    error = (chance * (1 - chance) / (8 * num_problems)) ** 0.5
    assert mean(fixed) == pytest.approx(chance, abs=3 * error)
    if chance < 0.5:
        assert mean(grown) > chance + 3 * error, "more rollouts until one passes are no fixed sample"


def test_every_strategy_says_how_many_it_fixes_or_that_it_fixes_none() -> None:
    built = {name: KINDS["strategy"].part({"use": name}).build() for name in STRATEGIES}
    designs = {name: Design.of(one, NO_BUDGET, 64) for name, one in built.items()}
    found = {name: None if one is None else one.num_samples for name, one in designs.items()}
    assert found == {
        "best_of_n": 8,
        "survivors": 1,
        "branching": 4,
        "math_shepherd": 8,
        "omega": 8,
        "epic": 8,
        "adaptive": 8,
        "mcts": 1,
        "beam": None,
        "dvts": None,
    }


def tree_of(*lengths: int, finish: Finish = Finish.STOP) -> Tree:
    tree = Tree((1,), "?")
    for length in lengths:
        tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout("x" * length, finish=finish))
    return tree


def test_what_a_budget_has_left_out_or_cut_short_is_no_sample() -> None:
    strategy = BestOfN(BestOfN.Config(rollouts=3))
    by_tokens = Design.of(strategy, BudgetConfig(tokens=100), 20)
    assert by_tokens is not None
    assert by_tokens.samples(tree_of(5, 5)) is None
    assert by_tokens.samples(tree_of(5, 5, 5)) is not None
    assert by_tokens.samples(tree_of(20, 20, 20, finish=Finish.LENGTH)) is not None
    assert by_tokens.samples(tree_of(20, 20, 7, finish=Finish.LENGTH)) is None


def test_a_budget_of_rollouts_is_fixed_in_advance() -> None:
    design = Design.of(BestOfN(BestOfN.Config(rollouts=3)), BudgetConfig(rollouts=2), 20)
    assert design is not None
    assert design.samples(tree_of(5, 5)) == [1, 2]


class Unfixed:
    """A strategy of one's own that does not say how many it fixes."""

    class Config(BaseModel, extra="forbid"):
        pass

    def __init__(self, config: Config) -> None:
        self.config = config

    def propose(self, tree: Tree, pending: object) -> list[Expansion]:
        return []


class Vague(Unfixed):
    """One that says it in no number."""

    fixed_rollouts = "many"


def test_a_strategy_that_fixes_no_number_is_named() -> None:
    config = {"strategy": {"use": f"{__name__}:Vague"}, "sampling": {"max_tokens": 20}}
    told = "fixed_rollouts: expected a whole number of 1 or more, got 'many'"
    with pytest.raises(EvaluationError, match=told):
        design_of(RunFolder(Path("runs/some"), {"config": config}))


@pytest.mark.parametrize("use", ["beam", f"{__name__}:Unfixed"])
def test_a_run_without_fixed_samples_is_refused(use: str) -> None:
    config = {"strategy": {"use": use}, "sampling": {"max_tokens": 20}}
    told = f"runs/some: expected a strategy with a fixed number of whole rollouts, .* got {use}"
    with pytest.raises(EvaluationError, match=told):
        design_of(RunFolder(Path("runs/some"), {"config": config}))


def test_a_runs_own_settings_say_what_its_samples_are() -> None:
    config = {
        "strategy": {"use": "branching", "rollouts": 6},
        "budget": {"tokens": 900, "rollouts": 5, "nodes": None},
        "sampling": {"max_tokens": 20},
    }
    found = design_of(RunFolder(Path("runs/some"), {"config": config}))
    assert found == Design(num_samples=5, cut_below=20)
