"""Solvers whose steps' truth is known, and searches with them that keep the whole tree."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.config import KINDS
from pipeline.engines import Engine, PromptFormat, Sampling
from pipeline.engines.simulated import END_TOKEN, SimulatedEngine
from pipeline.engines.steps import StepConfig, StepSplitter
from pipeline.explore import Explorer
from pipeline.judging import LocalJudge
from pipeline.prune import PruneConfig, Pruner
from pipeline.records import Problem, Trace
from pipeline.search.budget import BudgetConfig, Budgeted
from pipeline.tree import Tree
from verifiers import Target
from verifiers.exact import ExactVerifier

_AT_ONCE = 64


@dataclass(frozen=True, kw_only=True)
class Solver:
    """A model and problems for it."""

    name: str
    engine: Engine
    sampling: Sampling
    problems: Callable[[int, int], Sequence[Problem]]
    """Seed and number -> problems."""
    true_steps: Callable[[Tree, int], Sequence[bool]]
    """A trajectory's leaf -> for each of its steps but the last whether it and all before are right."""
    judge: LocalJudge


async def search(
    solver: Solver,
    strategy: Mapping[str, Any],
    budget: BudgetConfig,
    problems: Sequence[Problem],
    seed: int,
) -> list[Trace]:
    """Each problem's trace under the strategy, given as a config's section."""
    part = KINDS["strategy"].part(dict(strategy))
    steps = StepConfig()
    explorer = Explorer(
        engine=solver.engine,
        splitter=StepSplitter(steps),
        strategy=Budgeted(
            part.build(), budget, max_tokens=solver.sampling.max_tokens, max_steps=steps.max_steps
        ),
        judge=solver.judge,
        pruner=Pruner(PruneConfig()),
        sampling=solver.sampling,
        seed=seed,
    )
    places = asyncio.Semaphore(_AT_ONCE)

    async def explore(problem: Problem) -> Trace:
        async with places:
            return await explorer.explore(problem)

    return await asyncio.gather(*map(explore, problems))


def simulated(min_steps: int, max_steps: int, error_rate: float) -> Solver:
    """The simulated solver on made-up sums."""
    config = SimulatedEngine.Config(min_steps=min_steps, max_steps=max_steps, error_rate=error_rate)
    engine = SimulatedEngine(config, PromptFormat())

    def problems(seed: int, number: int) -> list[Problem]:
        return [
            Problem.create(
                prompt=f"What is {index} + {seed}?",
                target=Target(kind="math", value=str(index + seed)),
                source="sums",
            )
            for index in range(number)
        ]

    def true_steps(tree: Tree, leaf: int) -> list[bool]:
        ids = [token for token in tree.prefix_token_ids(leaf) if token != END_TOKEN]
        right = engine.true_steps(ids)
        return [all(right[: index + 1]) for index in range(len(right))]

    return Solver(
        name=f"simulated solver, {min_steps} to {max_steps} steps, {error_rate:.0%} errors a step",
        engine=engine,
        sampling=Sampling(max_tokens=(max_steps + 2) * 48),
        problems=problems,
        true_steps=true_steps,
        judge=LocalJudge(ExactVerifier(ExactVerifier.Config())),
    )
