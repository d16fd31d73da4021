"""Rollouts that are ended mid-way, on the simulated solver whose true pass rates are known."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.config import KINDS
from pipeline.datasets.counts import Counts
from pipeline.datasets.encoded import EncodedTrace, decode
from pipeline.datasets.views.trees import read_trace
from pipeline.dispatch.judging import LocalJudge
from pipeline.dispatch.scoring import ModelScorer, as_float32
from pipeline.engines import PromptFormat, Sampling
from pipeline.engines.simulated import SimulatedEngine
from pipeline.engines.simulated_prm import SimulatedPrm
from pipeline.explore import Explorer
from pipeline.prune import PruneConfig, Pruner
from pipeline.records import Stage, Status, Trace
from pipeline.rollouts.branch_pruning import NEVER, BranchPruning, Standing
from pipeline.rollouts.steps import StepConfig, StepSplitter
from pipeline.search.budget import BudgetConfig, Budgeted
from pipeline.tree import ROOT, Finish, Tree
from reward_models import Score, Steps
from tests.conftest import make_problem, make_rollout
from verifiers.exact import ExactVerifier

BEST_OF_8 = {"use": "best_of_n", "rollouts": 8}
SOLVER = SimulatedEngine(
    SimulatedEngine.Config(min_steps=4, max_steps=8, error_rate=0.4), PromptFormat()
)
PRM = SimulatedPrm(SimulatedPrm.Config(noise=0.0), SOLVER)


class Unsure(SimulatedPrm):
    """Knows nothing of half the rollouts, by their first step."""

    async def score(self, batch: Sequence[Steps]) -> list[Score]:
        scores = await super().score(batch)
        return [
            Score(model="unsure", revision="1", values=(None,) * len(one.values))
            if sum(steps.token_ids[0]) % 2
            else one
            for steps, one in zip(batch, scores, strict=True)
        ]


def explore(
    rules: BranchPruning,
    section: dict[str, Any] = BEST_OF_8,
    model: SimulatedPrm = PRM,
    number: int = 30,
    budget: BudgetConfig | None = None,
) -> list[Trace]:
    strategy = KINDS["strategy"].part(section).build()
    explorer = Explorer(
        engine=SOLVER,
        splitter=StepSplitter(StepConfig()),
        strategy=Budgeted(strategy, budget or BudgetConfig(), max_tokens=1000, max_steps=64),
        judge=LocalJudge(ExactVerifier(ExactVerifier.Config())),
        pruner=Pruner(PruneConfig()),
        sampling=Sampling(max_tokens=1000),
        seed=3,
        scorer=ModelScorer([model]),
        branch_pruning=rules,
    )

    async def explore_all() -> list[Trace]:
        problems = [make_problem(f"What is {i} + 3?", str(i + 3)) for i in range(number)]
        return [await explorer.explore(problem) for problem in problems]

    return asyncio.run(explore_all())


def totals(traces: Sequence[Trace]) -> Counts:
    """All counts but the times of verdicts, which no two searches share."""
    found = sum((Counts.of(trace) for trace in traces), Counts())
    found.by_verifier.clear()
    return found


def leaves(traces: Sequence[Trace], finish: Finish) -> list[tuple[Tree, int]]:
    return [
        (t.tree, leaf)
        for t in traces
        for leaf in t.tree.leaves()
        if t.tree.nodes[leaf].finish is finish
    ]


def test_under_ends_the_wrong_ones_at_their_first_wrong_step_and_no_others() -> None:
    traces = explore(BranchPruning(min_score=0.05, explore_fraction=0.0))
    pruned = leaves(traces, Finish.PRUNED)
    assert len(pruned) > 50
    for tree, leaf in pruned:
        *before, last = [tree.scores[node.id] for node in tree.path(leaf)[1:]]
        assert last < 0.05 <= min(before, default=1.0)
        assert tree.cut_scores[leaf] == last
        assert leaf not in tree.verdicts
    for tree, leaf in leaves(traces, Finish.STOP):
        # The last step says the answer; nothing is ended there.
        assert all(tree.scores[node.id] >= 0.05 for node in tree.path(leaf)[1:-1])
    assert all(len(trace.trajectories) == 8 for trace in traces)


def test_it_keeps_as_much_for_fewer_tokens() -> None:
    all_of_them, fewer = (totals(explore(rules)) for rules in (NEVER, BranchPruning(min_score=0.05)))
    assert fewer.tokens < 0.8 * all_of_them.tokens
    # Of the solver's recoveries, which are rare, most are lost.
    assert fewer.kept > 0.93 * all_of_them.kept


def test_what_is_ended_has_a_status_a_decision_with_the_score_and_is_no_trial() -> None:
    for trace in explore(BranchPruning(min_score=0.05), number=10):
        for trajectory, decision in zip(trace.trajectories, trace.decisions, strict=True):
            is_pruned = trajectory.status is Status.PRUNED
            assert (trajectory.cut_score is not None) == is_pruned == (decision.stage is Stage.PRUNED)
            assert decision.score == trajectory.cut_score
            assert not (is_pruned and decision.kept)
        trials = trace.tree.stats[ROOT].trials
        assert trials == sum(t.status is Status.COMPLETED for t in trace.trajectories)


def test_a_share_to_keep_ends_the_rest_of_each_expansion() -> None:
    traces = explore(BranchPruning(keep_fraction=0.5, explore_fraction=0.0))
    for trace in traces:
        ended_at = Counter(
            trace.tree.nodes[t.leaf].step for t in trace.trajectories if t.status is Status.PRUNED
        )
        going = 8
        for step in range(1, max(ended_at, default=0) + 1):
            going -= sum(
                trace.tree.nodes[t.leaf].step == step and t.status is Status.COMPLETED
                for t in trace.trajectories
            )
            assert ended_at[step] == going - -(-going // 2)
            going -= ended_at[step]


@pytest.mark.parametrize("every", [1, 2, 3])
def test_it_looks_after_every_so_many_steps(every: int) -> None:
    for tree, leaf in leaves(explore(BranchPruning(min_score=0.2, every_steps=every)), Finish.PRUNED):
        assert tree.nodes[leaf].step % every == 0


def test_a_share_goes_on_to_be_seen_and_is_counted() -> None:
    rules = BranchPruning(min_score=0.05, explore_fraction=0.3)
    traces = explore(rules, number=100)
    found = totals(traces)
    asked = found.statuses["pruned"] + found.explored
    assert found.explored / asked == pytest.approx(0.3, abs=0.06)
    assert found.explored_trials == found.explored
    # A wrong step of this solver comes right again by a rare recovery alone.
    assert found.explored_passes / found.explored_trials < 0.1
    for trace in traces:
        for node in trace.tree.explored():
            assert trace.tree.cut_scores[node] < 0.05
            assert trace.tree.nodes[trace.tree.leaf_of(node)].finish is Finish.STOP


def test_a_model_that_knows_nothing_is_found_out() -> None:
    noise = SimulatedPrm(SimulatedPrm.Config(noise=1.0), SOLVER)
    found = totals(explore(BranchPruning(min_score=0.3, explore_fraction=0.3), model=noise, number=100))
    true_rate = totals(explore(NEVER, number=100))
    share = true_rate.verdicts["pass"] / true_rate.rollouts
    assert found.explored_passes / found.explored_trials == pytest.approx(share, abs=0.08)


def test_what_goes_on_is_not_ended_further_down() -> None:
    """A strategy that grows a branch which is to be seen gets whole rollouts there."""
    section = {"use": "math_shepherd", "rollouts": 4, "completions": 2}
    rules = BranchPruning(min_score=0.05, explore_fraction=0.5)
    for trace in explore(rules, section, number=10):
        tree = trace.tree
        explored = set(tree.explored())
        for leaf in tree.leaves():
            above = {node.id for node in tree.path(leaf)}
            if above & explored:
                assert tree.nodes[leaf].finish is not Finish.PRUNED


def test_unscored_rollouts_go_on() -> None:
    unsure = Unsure(SimulatedPrm.Config(noise=0.0), SOLVER)
    traces = explore(BranchPruning(min_score=1.0, explore_fraction=0.0), model=unsure)
    finishes = Counter(t.status for trace in traces for t in trace.trajectories)
    assert set(finishes) == {Status.COMPLETED, Status.PRUNED}
    for tree, leaf in leaves(traces, Finish.PRUNED):
        assert leaf in tree.scores


@pytest.mark.parametrize(
    "section",
    [
        BEST_OF_8,
        {"use": "beam", "rollouts": 8},
        {"use": "dvts", "rollouts": 8},
        {"use": "mcts", "rollouts": 12},
        {"use": "adaptive", "rollouts": 4, "hopeless_after": 8},
    ],
    ids=lambda section: section["use"],
)
def test_every_guided_strategy_ends_and_says_the_same_again(section: dict[str, Any]) -> None:
    rules = BranchPruning(min_score=0.2, keep_fraction=0.8)
    one, other = (explore(rules, section, number=6) for _ in range(2))
    assert totals(one) == totals(other)
    assert totals(one).statuses["pruned"] > 0
    for trace in one:
        (row,) = decode("trees", [EncodedTrace.of(trace)]).to_pylist()
        again = read_trace(row)
        assert again.tree.cut_scores == trace.tree.cut_scores
        assert again.tree.explored() == trace.tree.explored()
        assert again.trajectories == trace.trajectories
        assert again.decisions == trace.decisions
        assert Pruner(PruneConfig()).prune(again.trajectories, again.tree) == trace.decisions


def test_a_budget_holds() -> None:
    budget = BudgetConfig(tokens=1500, rollouts=6, nodes=40)
    for trace in explore(BranchPruning(min_score=0.2), budget=budget):
        assert trace.tree.num_tokens <= 1500
        assert trace.tree.num_rollouts <= 6
        assert len(trace.tree) - 1 <= 40


@given(
    standings=st.dictionaries(
        st.integers(0, 20),
        st.builds(Standing, score=st.floats(0, 1), last=st.floats(0, 1)),
        max_size=12,
    ),
    under=st.none() | st.floats(0.01, 1),
    keep=st.none() | st.floats(0.01, 1),
)
def test_those_to_be_ended_are_the_lowest(
    standings: dict[int, Standing], under: float | None, keep: float | None
) -> None:
    low = BranchPruning(min_score=under, keep_fraction=keep).low(standings)
    high = set(standings) - set(low)
    assert all(standings[a] <= standings[b] for a in low for b in high)
    if under is not None:
        assert all(standings[one].score >= as_float32(under) for one in high)
    if keep is not None:
        assert len(high) <= -(-keep * len(standings) // 1)
    if under is None and keep is None:
        assert not low
    if keep is not None and standings and under is None:
        assert high


def test_of_rollouts_that_share_their_worst_step_those_with_the_better_last_one_go_on() -> None:
    rules = BranchPruning(keep_fraction=0.5)
    stands = {place: rules.stand([0.2, last]) for place, last in enumerate((0.4, 0.9, 0.3, 0.8))}
    assert rules.low({place: stand for place, stand in stands.items() if stand}) == [2, 0]


@pytest.mark.parametrize(("keep", "number", "kept"), [(0.1, 30, 3), (0.07, 100, 7), (0.1, 31, 4)])
def test_a_share_that_comes_out_even_is_not_rounded_up(keep: float, number: int, kept: int) -> None:
    standings = {place: Standing(score=0.5, last=0.5) for place in range(number)}
    assert number - len(BranchPruning(keep_fraction=keep).low(standings)) == kept


def test_a_draw_is_the_same_each_time_and_takes_its_share() -> None:
    tree = Tree([1], "ask", 7)
    rules = BranchPruning(min_score=0.5, explore_fraction=0.25)
    draws = [rules.explores(tree, ROOT, slot) for slot in range(2000)]
    assert draws == [rules.explores(tree, ROOT, slot) for slot in range(2000)]
    assert sum(draws) / 2000 == pytest.approx(0.25, abs=0.03)
    leaf = tree.add(ROOT, 0, make_rollout("a"))
    assert [rules.explores(tree, leaf, slot) for slot in range(2000)] != draws
    assert not any(
        BranchPruning(min_score=0.5, explore_fraction=0).explores(tree, ROOT, s) for s in range(200)
    )
    assert all(
        BranchPruning(min_score=0.5, explore_fraction=1).explores(tree, ROOT, s) for s in range(200)
    )


@pytest.mark.parametrize(
    "options", [{"every_steps": 2}, {"explore_fraction": 0.5}, {"aggregate": "last"}]
)
def test_what_has_no_effect_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="expected `min_score` or `keep_fraction`"):
        BranchPruning(**options)
