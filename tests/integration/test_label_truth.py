"""Soft labels and their intervals against the true pass rate, which the simulated solver knows."""

from statistics import mean

import pytest

from benchmarks.search.solvers import search, simulated
from pipeline.engines.simulated import END_TOKEN, SimulatedEngine
from pipeline.labels.step_labels import DEFAULT, StepLabel, label_tree
from pipeline.search.budget import BudgetConfig

_STRATEGIES = [
    ({"use": "math_shepherd", "completions": 4}, 12),
    ({"use": "branching", "points": 2, "branches": 4}, 40),
    ({"use": "omega"}, 25),
    ({"use": "adaptive"}, 60),
    ({"use": "epic", "least": 4}, 40),
]


async def label(strategy: dict[str, object], num_problems: int) -> list[tuple[StepLabel, float]]:
    """The labels of all steps from which rollouts started, each step once, with the true pass rate."""
    solver = simulated(2, 5, 0.2)
    engine = solver.engine
    assert isinstance(engine, SimulatedEngine)
    found = []
    for trace in await search(
        solver, strategy, BudgetConfig(rollouts=150), solver.problems(21, num_problems), seed=21
    ):
        seen = set()
        for labelled in label_tree(trace.tree, DEFAULT):
            path = trace.tree.path(labelled.leaf)[1:]
            for node, step in zip(path, labelled.steps, strict=True):
                prefix = trace.tree.same_prefix(node.id)[0]
                if step.started_trials and prefix not in seen:
                    seen.add(prefix)
                    ids = [
                        token for token in trace.tree.prefix_token_ids(node.id) if token != END_TOKEN
                    ]
                    found.append((step, engine.true_pass_rate(ids)))
    return found


@pytest.mark.parametrize(("strategy", "num_problems"), _STRATEGIES)
async def test_labels_are_unbiased_and_their_intervals_hold(
    strategy: dict[str, object], num_problems: int
) -> None:
    """By trials, as training weighs them: a search that stops after a pass leaves short runs of passes
    and long ones of fails, which even out only so."""
    found = [(label, rate) for label, rate in await label(strategy, num_problems) if 0 < rate < 1]
    trials = sum(label.started_trials for label, _ in found)
    expected = sum(label.started_trials * rate for label, rate in found)
    assert abs(sum(label.started_passes for label, _ in found) - expected) / trials < 0.02
    covered = [
        label.interval is not None and label.interval.low <= rate <= label.interval.high
        for label, rate in found
    ]
    assert mean(covered) >= 0.95
