"""Solvers whose steps' truth is known, and searches with them that keep the whole tree."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.arithmetic.chains import make_chains
from benchmarks.arithmetic.check import MAX_TOKENS, engine_config
from benchmarks.arithmetic.truth import true_steps as true_lines
from benchmarks.measure import CONFIGS
from pipeline.config import KINDS, load_config
from pipeline.dispatch.judging import LocalJudge
from pipeline.engines import Engine, PromptFormat, Sampling
from pipeline.engines.simulated import END_TOKEN, SimulatedEngine
from pipeline.engines.vllm import VllmEngine
from pipeline.explore import Explorer
from pipeline.problems import Intake
from pipeline.prune import PruneConfig, Pruner
from pipeline.records import Problem, Trace
from pipeline.rollouts.steps import StepConfig, StepSplitter
from pipeline.search.budget import BudgetConfig, Budgeted
from pipeline.tree import ROOT, Tree
from verifiers import Target
from verifiers.exact import ExactVerifier
from verifiers.math.verifier import MathVerifier

_AT_ONCE = 64
_EASY_STEPS = 2


@dataclass(frozen=True, kw_only=True)
class Solver:
    """A model and problems for it."""

    name: str
    engine: Engine
    sampling: Sampling
    problems: Callable[[int, int], Sequence[Problem]]
    """Seed and number -> problems."""
    true_steps: Callable[[Tree, int], Sequence[bool] | None]
    """A trajectory's leaf -> for each of its steps but the last whether it and all before are right;
    None where that is not known."""
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


@asynccontextmanager
async def gsm8k(path: Path, seed: int) -> AsyncIterator[Solver]:
    """SmolLM2-135M-Instruct on problems of at most two steps, as configs/gsm8k.yaml asks them."""
    config = load_config(CONFIGS / "gsm8k.yaml", [f"problems.path={path}"])
    easy = _easy_questions(path)
    known = {problem.prompt.strip(): problem for problem in Intake(config.problems.build(0))}
    engine = config.engine.build(config.prompt, seed)
    judge = LocalJudge(config.build_verifier())

    def problems(seed: int, number: int) -> list[Problem]:
        return [known[question] for question in Random(seed).sample(easy, number)]

    async with _running(engine, judge):
        yield Solver(
            name="SmolLM2-135M-Instruct on GSM8K, at most two steps",
            engine=engine,
            sampling=config.sampling,
            problems=problems,
            true_steps=lambda tree, leaf: None,
            judge=judge,
        )


@asynccontextmanager
async def arithmetic(model: Path, seed: int) -> AsyncIterator[Solver]:
    """The small model of `benchmarks.arithmetic`, which is trained already, in the real engine."""
    # So that all strategies begin with the same rollouts, nearly: kernels depend on the batch.
    config = engine_config(model).model_copy(update={"request_seeds": True})
    engine = VllmEngine(config, PromptFormat(), seed)
    judge = LocalJudge(MathVerifier(MathVerifier.Config()))

    def problems(seed: int, number: int) -> list[Problem]:
        return [chain.problem() for chain in make_chains(number, f"{seed} search")]

    def true_steps(tree: Tree, leaf: int) -> list[bool]:
        prompt = tree.nodes[ROOT].text
        return true_lines(prompt, tree.response(leaf))[:-1]

    async with _running(engine, judge):
        yield Solver(
            name="trained model on chains of 5 to 8 operations",
            engine=engine,
            sampling=Sampling(temperature=1.0, max_tokens=MAX_TOKENS),
            problems=problems,
            true_steps=true_steps,
            judge=judge,
        )


@asynccontextmanager
async def _running(engine: Engine, judge: LocalJudge) -> AsyncIterator[None]:
    try:
        await engine.start()
        await judge.start()
        yield
    finally:
        await judge.close()
        await engine.close()


def _easy_questions(path: Path) -> list[str]:
    """Of the problems whose solution has few calculations, each of which GSM8K marks by `<<`."""
    lines = path.read_text().splitlines()
    return [json.loads(line)["question"].strip() for line in lines if line.count("<<") <= _EASY_STEPS]
