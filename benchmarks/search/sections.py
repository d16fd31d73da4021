"""The search's sections of benchmarks/README.md: labels and traces for the tokens they cost."""

import asyncio
from collections.abc import Sequence

from benchmarks.arithmetic.model import trained_solver
from benchmarks.measure import Measured, gsm8k_file
from benchmarks.search import agreement, label_quality, yields
from benchmarks.search.solvers import Solver, arithmetic, gsm8k, simulated

_SEEDS = (1, 2, 3)
_SIMULATED = ((2, 5, 0.2), (4, 10, 0.12))
"""Fewest and most steps, and errors a step: the solver's defaults, and longer solutions."""


def labels_for_tokens() -> tuple[list[Measured], str]:
    """Label accuracy against tokens, on simulated solvers and on a model trained for it."""
    return asyncio.run(_labels())


def traces_for_tokens() -> tuple[list[Measured], str]:
    """Distinct verified traces against tokens, on the trained model and on GSM8K."""
    return asyncio.run(_traces())


def agreement_by_confidence() -> tuple[list[Measured], str]:
    """What the solver's own log-probabilities tell, on the trained model."""
    return asyncio.run(_agreement())


async def _agreement() -> tuple[list[Measured], str]:
    async with arithmetic(await asyncio.to_thread(trained_solver), 0) as solver:
        found = await agreement.measure(solver, 100, _SEEDS)
    table = agreement.table(solver, *found[:2])
    return agreement.compare(solver, *found), "\n\n".join(
        ["## The solver's own confidence", agreement.CAPTION, table]
    )


async def _labels() -> tuple[list[Measured], str]:
    rows, tables = [], ["## Labels for tokens", label_quality.CAPTION]

    async def add(solver: Solver, num_problems: int) -> None:
        points = await label_quality.measure(solver, num_problems, _SEEDS)
        rows.extend(label_quality.compare(solver, points))
        tables.append(label_quality.table(solver, points))

    for min_steps, max_steps, error_rate in _SIMULATED:
        await add(simulated(min_steps, max_steps, error_rate), 40)
    async with arithmetic(await asyncio.to_thread(trained_solver), 0) as solver:
        await add(solver, 16)
    return rows, "\n\n".join(tables)


async def _traces() -> tuple[list[Measured], str]:
    tables = ["## Traces for tokens", yields.CAPTION]

    async def add(solver: Solver, num_problems: int, seeds: Sequence[int]) -> None:
        found = await yields.measure_yields(solver, num_problems, seeds)
        tables.append(yields.yield_table(solver, found))

    async with arithmetic(await asyncio.to_thread(trained_solver), 0) as solver:
        await add(solver, 64, _SEEDS)
    if (path := gsm8k_file()) is not None:
        async with gsm8k(path, 0) as solver:
            await add(solver, 12, _SEEDS[:1])
    return [], "\n\n".join(tables)
