"""What the model is worth in the real engine: how often it is right, and how fast."""

import asyncio
import re
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.arithmetic.chains import make_chains
from benchmarks.arithmetic.truth import true_steps
from pipeline.dispatch.judging import LocalJudge
from pipeline.engines import PromptFormat, Sampling
from pipeline.engines.vllm import VllmEngine
from pipeline.explore import Explorer
from pipeline.prune import PruneConfig, Pruner
from pipeline.records import Trace
from pipeline.rollouts.steps import StepConfig, StepSplitter
from pipeline.search.best_of_n import BestOfN
from verifiers import Outcome
from verifiers.math.verifier import MathVerifier

MAX_TOKENS = 128
"""Of a response; the right ones of 8 operations have at most 90."""
MAX_MODEL_LEN = 192
"""Of a prompt and a response."""
_FORM = re.compile(r"(\d{1,2}[-+*]\d=\d{1,2}\n)+#### \d{1,2}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was seen; all rates are shares from 0 to 1."""

    num_responses: int
    pass_rate: float
    """Of all responses."""
    fault_rate: float
    """Of steps behind right steps, those that are wrong."""
    pass_rate_with_fault: float | None
    """Of responses with a wrong step, those that pass all the same; None if no step was wrong."""
    malformed_rate: float
    """Of all responses, those that are no lines of operations and an answer, and those cut off."""
    num_tokens: int
    start_seconds: float
    seconds: float
    """Of sampling and judging."""


async def check_model(
    path: Path,
    *,
    num_problems: int = 128,
    num_rollouts: int = 8,
    temperature: float = 1.0,
    seed: int = 0,
) -> Checked:
    """Samples test chains, all in flight at once, with berry's engine and explorer.

    Raises EngineStartError where vLLM cannot start.
    """
    began = time.perf_counter()
    engine = VllmEngine(engine_config(path), PromptFormat(), seed)
    await engine.start()
    start_seconds = time.perf_counter() - began
    judge = LocalJudge(MathVerifier(MathVerifier.Config()))
    explorer = Explorer(
        engine=engine,
        splitter=StepSplitter(StepConfig()),
        strategy=BestOfN(BestOfN.Config(rollouts=num_rollouts)),
        judge=judge,
        pruner=Pruner(PruneConfig()),
        sampling=Sampling(temperature=temperature, max_tokens=MAX_TOKENS),
        seed=seed,
    )
    chains = make_chains(num_problems, f"{seed} check")
    try:
        await judge.start()
        began = time.perf_counter()
        traces = await asyncio.gather(*(explorer.explore(chain.problem()) for chain in chains))
        seconds = time.perf_counter() - began
    finally:
        await judge.close()
        await engine.close()
    return _summarize(traces, start_seconds, seconds)


def engine_config(path: Path) -> VllmEngine.Config:
    """How this small model is run: nearly no memory for the cache is enough."""
    return VllmEngine.Config(model=str(path), max_model_len=MAX_MODEL_LEN, cpu_kv_cache_gib=1)


def _summarize(traces: list[Trace], start_seconds: float, seconds: float) -> Checked:
    num_passed = num_steps = num_faults = num_passed_with_fault = num_malformed = 0
    trajectories = [(trace.problem.prompt, each) for trace in traces for each in trace.trajectories]
    for prompt, trajectory in trajectories:
        truths = true_steps(prompt, trajectory.response)
        passed = trajectory.verdict is not None and trajectory.verdict.outcome is Outcome.PASS
        has_fault = not all(truths)
        num_passed += passed
        num_steps += sum(truths) + has_fault
        num_faults += has_fault
        num_passed_with_fault += passed and has_fault
        num_malformed += _FORM.fullmatch(trajectory.response) is None
    num_responses = len(trajectories)
    return Checked(
        num_responses=num_responses,
        pass_rate=num_passed / num_responses,
        fault_rate=num_faults / num_steps,
        pass_rate_with_fault=num_passed_with_fault / num_faults if num_faults else None,
        malformed_rate=num_malformed / num_responses,
        num_tokens=sum(trajectory.num_tokens for _, trajectory in trajectories),
        start_seconds=start_seconds,
        seconds=seconds,
    )
