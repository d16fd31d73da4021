"""What adaptive is for, on a solver whose steps' truth is known: small, with the seeds fixed."""

from statistics import mean

from benchmarks.search.label_quality import Accuracy
from benchmarks.search.solvers import search, simulated
from benchmarks.search.yields import Yield
from pipeline.evaluation.design import Design
from pipeline.search.budget import BudgetConfig


async def label(strategy: str, tokens: int | None = None, **options: object) -> Accuracy:
    solver = simulated(4, 10, 0.12)
    section = {"use": strategy, "rollouts": 8, **options}
    accuracy = Accuracy()
    for trace in await search(
        solver, section, BudgetConfig(tokens=tokens), solver.problems(1, 15), seed=1
    ):
        accuracy.add(solver, trace.tree)
    return accuracy


async def test_adaptive_labels_as_well_for_a_tenth_of_the_tokens() -> None:
    shepherd = await label("math_shepherd", completions=8)
    adaptive = await label("adaptive", round(shepherd.tokens / 10), confidence=0.99)
    omega = await label("omega", round(shepherd.tokens / 10))
    assert adaptive.tokens <= shepherd.tokens / 10
    assert mean(adaptive.posterior) >= mean(shepherd.published)
    assert mean(adaptive.posterior) >= mean(omega.posterior)
    assert mean(adaptive.posterior_first) >= mean(omega.posterior_first)


async def test_a_yield_counts_traces_that_are_kept() -> None:
    solver = simulated(2, 5, 0.2)
    traces = await search(
        solver, {"use": "best_of_n", "n": 8}, BudgetConfig(), solver.problems(1, 5), seed=1
    )
    found = Yield.of(traces, Design(num_samples=8, cut_below=None))
    assert found.num_kept == sum(len({t.response for t in trace.kept}) for trace in traces)
    assert found.coverage(8) == found.num_solved / 5
    assert found.coverage(9) is None
