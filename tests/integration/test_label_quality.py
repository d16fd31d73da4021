"""What adaptive is for, on a solver whose steps' truth is known: small, with the seeds fixed."""

from dataclasses import replace
from statistics import mean

import pytest

from benchmarks.search.label_quality import label
from benchmarks.search.solvers import search, simulated
from benchmarks.search.yields import Yield
from pipeline.evaluation.design import Design
from pipeline.prune import PruneConfig, Pruner
from pipeline.search.budget import BudgetConfig

SOLVER = simulated(4, 10, 0.12)
ONE = Design(num_samples=1, cut_below=None)


async def test_adaptive_labels_as_well_for_a_tenth_of_the_tokens() -> None:
    shepherd = await label(SOLVER, {"use": "math_shepherd", "completions": 8}, 12, seed=1)
    adaptive = await label(SOLVER, {"use": "adaptive", "min_gain": 0.05}, 12, seed=1)
    omega = await label(SOLVER, {"use": "omega", "searches": 4}, 12, seed=1)
    assert adaptive.tokens <= shepherd.tokens / 10
    assert adaptive.tokens <= omega.tokens
    for what in ("steps", "firsts"):
        ours = mean(grade.posterior for grade in getattr(adaptive, what).values())
        published = mean(bool(grade.published) for grade in getattr(shepherd, what).values())
        assert ours >= published
        assert ours >= mean(grade.posterior for grade in getattr(omega, what).values())


async def test_all_strategies_label_the_same_trajectories() -> None:
    solver = simulated(2, 5, 0.2)
    sections = [
        {"use": "math_shepherd", "completions": 1},
        {"use": "omega", "searches": 2},
        {"use": "epic", "passes": 1, "least": 1},
        {"use": "adaptive", "probes": 2},
    ]
    labelled = [await label(solver, section, 5, seed=1) for section in sections]
    assert len({frozenset(one.steps) for one in labelled}) == 1
    shepherd, omega, epic, adaptive = labelled
    assert all(grade.published is not None for grade in shepherd.steps.values())
    assert any(grade.published is None for grade in omega.steps.values())
    assert any(grade.published is not None for grade in epic.firsts.values())
    assert all(grade.published is None for grade in adaptive.steps.values())


async def test_where_truth_is_unknown_nothing_is_counted() -> None:
    solver = replace(simulated(2, 5, 0.2), true_steps=lambda tree, leaf: None)
    found = await label(solver, {"use": "math_shepherd", "completions": 1}, 2, seed=1)
    assert (found.steps, found.firsts) == ({}, {})
    assert found.tokens > 0


async def test_survivors_solves_more_problems_and_keeps_more_clean_traces_for_a_token() -> None:
    solver = simulated(2, 8, 0.3)
    found = {}
    for section in ({"use": "survivors"}, {"use": "best_of_n", "rollouts": 4}):
        traces = await search(solver, section, BudgetConfig(), solver.problems(1, 300), seed=1)
        found[section["use"]] = Yield.of(traces, solver.true_steps, ONE)
    better, plain = found["survivors"], found["best_of_n"]
    assert better.num_clean is not None
    assert plain.num_clean is not None
    assert better.per_million(better.num_clean) > plain.per_million(plain.num_clean)
    assert better.per_million(better.num_solved) > 1.2 * plain.per_million(plain.num_solved)


async def test_branches_that_are_kept_are_seldom_flawed_and_the_summary_says_how_often() -> None:
    solver = simulated(2, 5, 0.2)
    traces = await search(solver, {"use": "adaptive"}, BudgetConfig(), solver.problems(1, 20), seed=1)
    found = Yield.of(traces, solver.true_steps, ONE)
    assert found.flawed is not None
    assert found.flawed < 0.12
    assert found.expected_flawed == pytest.approx(found.flawed, abs=0.05)
    keeps_all = Pruner(PruneConfig(min_p_prefix=None))
    traces = [
        replace(trace, decisions=keeps_all.prune(trace.trajectories, trace.tree)) for trace in traces
    ]
    without_rule = Yield.of(traces, solver.true_steps, ONE)
    assert without_rule.flawed is not None
    assert without_rule.flawed > 1.5 * found.flawed
    assert found.num_clean == without_rule.num_clean


async def test_a_yield_counts_traces_that_are_kept() -> None:
    solver = simulated(2, 5, 0.2)
    traces = await search(
        solver, {"use": "best_of_n", "rollouts": 8}, BudgetConfig(), solver.problems(1, 5), seed=1
    )
    found = Yield.of(traces, solver.true_steps, Design(num_samples=8, cut_below=None))
    assert found.num_clean == sum(
        all(solver.true_steps(trace.tree, one.leaf) or ()) for trace in traces for one in trace.kept
    )
    assert Yield.of(traces, lambda tree, leaf: None, ONE).flawed is None
    assert found.num_kept == sum(len({t.response for t in trace.kept}) for trace in traces)
    assert found.coverage(8) == found.num_solved / 5
    assert found.coverage(9) is None
