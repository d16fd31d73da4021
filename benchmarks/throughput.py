"""`berry run` against vLLM's own offline `LLM.generate`: the same prompts, samples and settings.

They run in turn, several times, and the ratio is taken within each pair: the machine may be slower
in one minute than in the next. Loading is left out of both.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import CONFIGS, Measured, run_berry, spread
from pipeline.config import load_config
from pipeline.engines.vllm import VllmEngine
from pipeline.problems import Intake
from reward_models.vllm_cpu import cpu_arguments, kv_cache_gib, set_cpu_environment

_PAIRS = 3
_OVERRIDES = ("problems.size=64", "strategy.use=best_of_n", "strategy.n=8", "sampling.max_tokens=160")
_LEAST_RATIO = 0.90


def against_offline_generate() -> Measured:
    """Tokens/s of both, and the median ratio of the pairs."""
    ours, theirs = [], []
    for _ in range(_PAIRS):
        with tempfile.TemporaryDirectory() as folder:
            facts, _peak = run_berry("quickstart.yaml", Path(folder) / "out", *_OVERRIDES)
            ours.append(facts["tokens"] / facts["seconds"])
            # A process of its own each time; what vLLM prints is no result, so that is a file.
            result = Path(folder) / "result.json"
            command = [sys.executable, "-m", "benchmarks.throughput", str(result)]
            subprocess.run(command, capture_output=True, check=True)
            theirs.append(json.loads(result.read_text()))
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    ratio = statistics.median(ratios)
    return Measured(
        what="real engine: tokens/s of `berry run`, of `LLM.generate` (64 problems of 8 rollouts)",
        figures=f"{spread(ours)}; {spread(theirs)}",
        ratio=f"{spread(ratios, 2)}",
        goal=f"at least {_LEAST_RATIO:.2f} of it",
        met=ratio >= _LEAST_RATIO,
    )


def offline_generate() -> float:
    """Tokens/s of vLLM alone."""
    config = load_config(CONFIGS / "quickstart.yaml", _OVERRIDES)
    options = config.engine.options
    assert isinstance(options, VllmEngine.Config)
    set_cpu_environment(kv_cache_gib(options.cpu_kv_cache_gib))
    from vllm import LLM, SamplingParams

    from pipeline.engines.models import locate

    llm = LLM(
        model=locate(options.model),
        max_model_len=options.max_model_len,
        seed=config.seed,
        enable_prefix_caching=True,
        **cpu_arguments(options.dtype),
    )
    tokenizer = llm.get_tokenizer()
    problems = Intake(config.problems.build(config.seed))
    prompts = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": config.prompt.render(problem)}],
            tokenize=False,
            add_generation_prompt=True,
        )
        for problem in problems
    ]
    sampling = config.sampling
    parameters = SamplingParams(
        n=config.strategy.options.model_dump()["n"],
        temperature=sampling.temperature,
        max_tokens=sampling.max_tokens,
        logprobs=0,
        detokenize=False,
    )
    inputs = [
        {"prompt_token_ids": tokenizer.encode(prompt, add_special_tokens=False)} for prompt in prompts
    ]
    start = time.perf_counter()
    results = llm.generate(inputs, parameters, use_tqdm=False)
    seconds = time.perf_counter() - start
    return sum(len(output.token_ids) for result in results for output in result.outputs) / seconds


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(offline_generate()))
