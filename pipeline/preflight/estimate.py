"""A rough estimate of a run's cost before it starts: tokens and, for a model on the CPU, time.

The strategy searches a few problems of the simulated solver, which shows how many tokens it spends on
a problem, in units of a whole rollout. The length of a real model's rollouts is unknown, so every
figure is an upper bound at `sampling.max_tokens`. Expect it to be off by up to a factor of two; the
first minutes of a run give a better estimate.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from pipeline.config import RunConfig
from pipeline.dispatch.judging import LocalJudge
from pipeline.dispatch.scoring import ModelScorer
from pipeline.engines import PromptFormat, Sampling
from pipeline.engines.simulated import SimulatedEngine
from pipeline.engines.simulated_prm import SimulatedPrm
from pipeline.explore import Explorer
from pipeline.prune import PruneConfig, Pruner
from pipeline.records import Problem, Trace
from pipeline.rollouts.steps import StepConfig, StepSplitter
from pipeline.search.budget import Budgeted
from pipeline.tree import ROOT
from reward_models.processor import choose_dtype
from verifiers import Target
from verifiers.exact import ExactVerifier

_NUM_PROBLEMS = 8
_ERROR_RATE = 0.3
_LONGEST_BYTES = 4096
_OVERHEAD_SECONDS = 0.001
"""Seconds per token for attention, sampling and bookkeeping; measured on two cores with SmolLM2-135M,
the same in bfloat16 and in float32."""
_BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Mean cost of one problem."""

    rollouts: float
    whole_rollouts: float
    """Sampled tokens in units of a whole rollout; a branch only counts its own tokens."""
    prefixes: float
    """Tokens that rollouts go on from, without the prompt, in the same unit: what an engine reads again
    if it keeps no prefix."""
    verdicts: float
    """Complete responses."""
    survivors: float


async def search_cost(
    config: RunConfig, *, error_rate: float = _ERROR_RATE, num_problems: int = _NUM_PROBLEMS
) -> Cost:
    """The cost of the config's strategy and budget on a problem of the simulated solver.

    `error_rate` is the probability that one of its steps goes wrong.
    """
    engine = SimulatedEngine(SimulatedEngine.Config(error_rate=error_rate), PromptFormat())
    judge = LocalJudge(ExactVerifier(ExactVerifier.Config()))
    scorer = ModelScorer([SimulatedPrm(SimulatedPrm.Config(), engine)])
    explorer = Explorer(
        engine=engine,
        splitter=StepSplitter(StepConfig()),
        strategy=Budgeted(
            config.strategy.build(),
            # A budget of tokens refers to the real model, whose lengths the solver does not share.
            config.budget.model_copy(update={"tokens": None}),
            max_tokens=_LONGEST_BYTES,
            max_steps=StepConfig().max_steps,
        ),
        judge=judge,
        pruner=Pruner(PruneConfig()),
        sampling=Sampling(max_tokens=_LONGEST_BYTES),
        seed=config.seed,
        scorer=scorer,
    )
    try:
        traces = [await explorer.explore(_problem(number)) for number in range(num_problems)]
    finally:
        await judge.close()
    return Cost(
        rollouts=fmean(trace.tree.num_rollouts for trace in traces),
        whole_rollouts=fmean(trace.tree.num_tokens / _length(trace) for trace in traces),
        prefixes=fmean(_prefix_tokens(trace) / _length(trace) for trace in traces),
        verdicts=fmean(len(trace.tree.complete_leaves()) for trace in traces),
        survivors=fmean(len(trace.kept) for trace in traces),
    )


def most_tokens(config: RunConfig, cost: Cost, num_problems: int) -> int:
    """Tokens that the run samples if every rollout reaches `sampling.max_tokens`."""
    of_problem = cost.whole_rollouts * config.sampling.max_tokens
    if config.budget.tokens is not None:
        of_problem = min(of_problem, config.budget.tokens)
    return round(of_problem * num_problems)


def cpu_tokens_per_second(folder: Path) -> float | None:
    """Approximate speed of a model in `folder` on this processor, with many concurrent rollouts.

    None for a folder without safetensors files.
    """
    num_weights = _num_weights(folder)
    if num_weights is None:
        return None
    return 1 / (2 * num_weights / _operations_per_second() + _OVERHEAD_SECONDS)


def _num_weights(folder: Path) -> int | None:
    try:
        stored = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError):
        return None
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    return size // _BYTES.get(stored.get("dtype") or stored.get("torch_dtype"), 2) or None


def _operations_per_second() -> float:
    """Speed of a matrix product in the data type used here; the test takes a few milliseconds."""
    import torch

    rows, width, height = 128, 1024, 2048
    dtype = getattr(torch, choose_dtype().dtype)
    inputs, weight = torch.ones(rows, width, dtype=dtype), torch.ones(height, width, dtype=dtype)
    fastest = float("inf")
    for _ in range(10):
        began = time.perf_counter()
        torch.nn.functional.linear(inputs, weight)
        fastest = min(fastest, time.perf_counter() - began)
    return 2 * rows * width * height / fastest


def _problem(number: int) -> Problem:
    target = Target(kind="exact", value=str(100 + number))
    return Problem.create(prompt=f"Simulated problem {number}", target=target, source="estimate")


def _length(trace: Trace) -> float:
    """Mean tokens of a whole rollout."""
    tree = trace.tree
    whole = [leaf for leaf in map(tree.leaf_of, tree.children(ROOT)) if tree.is_leaf(leaf)]
    return fmean(tree.num_response_tokens(leaf) for leaf in whole or tree.leaves())


def _prefix_tokens(trace: Trace) -> int:
    tree = trace.tree
    starts = [tree.rollout(leaf)[0].parent for leaf in tree.leaves()]
    return sum(tree.num_response_tokens(start) for start in starts if start is not None)
