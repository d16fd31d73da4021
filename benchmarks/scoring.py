"""Steps scored a second by a reward model: by each backend, and with and without reuse of prefixes.

The model is SmolLM2-135M with a new head, in float32: what it says means nothing, what it takes does.
Whole responses are asked about once; growing ones after each step, as a search does that prunes on its
way.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from benchmarks.measure import Measured, spread
from pipeline.engines.models import locate
from reward_models import Steps
from reward_models.manifest import TrainedModel, tokenizer_digest
from reward_models.serving.model import Prm, ServingConfig

_ROUNDS = 3
_NUM_RESPONSES = 32
_NUM_STEPS = 8
_BACKENDS: dict[str, dict[str, Any]] = {
    "transformers": {"backend": "transformers"},
    "vllm": {"backend": "vllm"},
    "vllm, without reuse": {"backend": "vllm", "reuse_prefixes": False},
}


def steps_per_second() -> tuple[list[Measured], str]:
    """Steps/s of each backend; the ratio is that of growing responses with and without reuse."""
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(_measure(_make_model(Path(folder) / "prm")))
    rows = [
        "## Scoring",
        f"Steps scored a second by SmolLM2-135M with a head, float32: {_NUM_RESPONSES} responses of "
        f"{_NUM_STEPS} steps at once, {_ROUNDS} rounds in turn.",
        "| backend | whole responses | growing, asked after each step |\n|---|---|---|\n"
        + "\n".join(
            f"| {name} | {spread(speeds['whole'])} | {spread(speeds['growing'])} |"
            for name, speeds in found.items()
        ),
    ]
    ratios = [
        with_reuse / without
        for with_reuse, without in zip(
            found["vllm"]["growing"], found["vllm, without reuse"]["growing"], strict=True
        )
    ]
    measured = Measured(
        what="steps scored a second of growing responses, vLLM with reuse of prefixes against without",
        figures=f"{spread(found['vllm']['growing'])} against "
        f"{spread(found['vllm, without reuse']['growing'])} steps/s",
        ratio=spread(ratios, 2),
        goal="over 1",
        met=median(ratios) > 1,
    )
    return [measured], "\n\n".join(rows)


async def _measure(folder: Path) -> dict[str, dict[str, list[float]]]:
    """Backend -> way -> steps/s of each round."""
    found: dict[str, dict[str, list[float]]] = {
        name: {"whole": [], "growing": []} for name in _BACKENDS
    }
    async with AsyncExitStack() as closing:
        models = {}
        for name, options in _BACKENDS.items():
            model = Prm(ServingConfig.model_validate({"model": str(folder), **options}))
            closing.push_async_callback(model.close)
            await model.start()
            models[name] = model
        make = _responses(folder)
        for round_ in range(_ROUNDS + 1):
            for name, model in models.items():
                speeds = {
                    "whole": await _speed(model, [make(f"{round_} {name} whole", _NUM_STEPS)]),
                    "growing": await _speed(
                        model, [make(f"{round_} {name}", count) for count in range(1, _NUM_STEPS + 1)]
                    ),
                }
                # The first round warms up.
                for way, speed in speeds.items() if round_ else ():
                    found[name][way].append(speed)
    return found


async def _speed(model: Prm, batches: Sequence[Sequence[Steps]]) -> float:
    """Of batches one after the other: new steps for a second."""
    began = time.perf_counter()
    for batch in batches:
        await model.score(batch)
    return _NUM_RESPONSES * _NUM_STEPS / (time.perf_counter() - began)


def _responses(folder: Path) -> Callable[[str, int], list[Steps]]:
    """Seed and number of steps -> responses that begin alike for the same seed."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)

    def make(seed: str, num_steps: int) -> list[Steps]:
        draw = Random(seed)
        made = []
        for _ in range(_NUM_RESPONSES):
            prompt = (
                f"What is {draw.randrange(1000)} and {draw.randrange(1000)} more? Explain each step."
            )
            texts = [
                f"Step {n}: we take {draw.randrange(100)} from {draw.randrange(100, 1000)} and go on.\n"
                for n in range(1, _NUM_STEPS + 1)
            ][:num_steps]
            made.append(
                Steps(
                    prompt=prompt,
                    prompt_token_ids=tuple(tokenizer.encode(prompt)),
                    texts=tuple(texts),
                    token_ids=tuple(tuple(tokenizer.encode(text)) for text in texts),
                )
            )
        return made

    return make


def _make_model(folder: Path) -> Path:
    import torch
    from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer

    base = locate("SmolLM2-135M-Instruct")
    config = AutoConfig.from_pretrained(base)
    config.num_labels, config.token_classification_bias = 2, False
    torch.manual_seed(0)
    model = AutoModelForTokenClassification.from_pretrained(base, config=config, dtype=torch.float32)
    model.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.save_pretrained(folder)
    TrainedModel(
        kind="prm",
        labels="soft",
        base=base,
        tokenizer=tokenizer_digest(tokenizer),
        train_problems=(),
    ).write(folder)
    return folder
