"""`berry plan` against vLLM on this machine: predicted and measured speed of decoding."""

import asyncio
import time
from dataclasses import dataclass
from statistics import median

from benchmarks.measure import Measured
from pipeline.engines import PromptFormat, Request, Sampling
from pipeline.engines.vllm import VllmEngine
from pipeline.planning.asked import find_model
from pipeline.planning.earlier import Speed
from pipeline.planning.hardware import Hardware
from pipeline.planning.model import Model
from pipeline.planning.plan import Reached, Serving
from pipeline.planning.roofline import Efficiency, Roofline
from pipeline.planning.this_machine import this_machine

_MODEL = "SmolLM2-135M-Instruct"
_BATCHES = (1, 4, 16, 64)
_LENGTHS = (32, 128, 512)
_STEPS = 8
"""Steps of decoding that are timed."""
_REPETITIONS = 2
_CALIBRATED_AT = (16, 128)
_MOST_OFF = 0.25
_TYPE = "float32"

_TEXT = """### Plans
Tokens a second of decoding, {model} in {type} by vLLM on this machine's processors (read
{bandwidth:.1f} GB/s, computed {gflops:.0f} GFLOP/s, both timed by `berry plan --hardware this`). All
sequences of a batch share their prompt; the time is the difference between responses of {longer} and of
{shorter} tokens, the median of {repetitions}. *Usual*: 70% of the bandwidth and 50% of the operations;
*calibrated*: both scaled so that the prediction is right for {at[0]} sequences of {at[1]} tokens, as
`--calibrate` does by a run.

| sequences | tokens each | measured | usual | off by | calibrated | off by |
|---|---|---|---|---|---|---|
{rows}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    """A batch that was decoded."""

    batch: int
    length: int
    """Mean tokens of a sequence."""
    speed: float
    """Tokens a second, measured."""


def predicted_and_measured() -> tuple[list[Measured], str]:
    """How far predictions are off for batches of 1 to 64 sequences and three lengths."""
    hardware, points = asyncio.run(_measure())
    model = find_model(_MODEL)
    serving = Serving(weights=_TYPE, cache=_TYPE)
    at = next(one for one in points if (one.batch, one.length) == _CALIBRATED_AT)
    speed = Speed(tokens_per_second=at.speed, batch=at.batch)
    reached = Reached.measured(speed, model, serving, hardware, at.length)
    rows, off = [], {"usual": 0.0, "calibrated": 0.0}
    for one in points:
        usual = _predicted(one, model, hardware, Reached().expected)
        calibrated = _predicted(one, model, hardware, reached.expected)
        for name, value in (("usual", usual), ("calibrated", calibrated)):
            off[name] = max(off[name], abs(value / one.speed - 1))
        rows.append(
            f"| {one.batch} | {one.length} | {one.speed:.1f} | {usual:.1f} "
            f"| {usual / one.speed - 1:+.0%} | {calibrated:.1f} | {calibrated / one.speed - 1:+.0%} |"
        )
    text = _TEXT.format(
        model=_MODEL,
        type=_TYPE,
        bandwidth=hardware.bandwidth / 1e9,
        gflops=hardware.flops(_TYPE) / 1e9,
        longer=2 * _STEPS,
        shorter=_STEPS,
        repetitions=_REPETITIONS,
        at=_CALIBRATED_AT,
        rows="\n".join(rows),
    )
    return [_row("usual", off), _row("calibrated", off)], text


def _row(name: str, off: dict[str, float]) -> Measured:
    return Measured(
        what=f"plan, {name}: predicted tokens/s, 1 to 64 sequences, three lengths, vLLM on the CPU",
        figures=f"off by {off[name]:.0%} at most",
        ratio=f"{off[name]:.2f}",
        goal=f"at most {_MOST_OFF:.0%}",
        met=off[name] <= _MOST_OFF,
    )


def _predicted(point: _Point, model: Model, hardware: Hardware, efficiency: Efficiency) -> float:
    one = Roofline(model=model, hardware=hardware, weights=_TYPE, cache=_TYPE, efficiency=efficiency)
    return one.tokens_per_second(point.batch, point.length)


async def _measure() -> tuple[Hardware, list[_Point]]:
    hardware = this_machine()
    config = VllmEngine.Config(
        model=_MODEL, dtype=_TYPE, max_model_len=2048, cpu_kv_cache_gib=2, logprobs=False
    )
    engine = VllmEngine(config, PromptFormat(), 0)
    await engine.start()
    points = []
    for length in _LENGTHS:
        prompt = [100 + position % 1000 for position in range(length - _STEPS)]
        for batch in _BATCHES:
            await _decode(engine, prompt, batch, 2)
            speeds = []
            for _ in range(_REPETITIONS):
                shorter, seconds = await _decode(engine, prompt, batch, _STEPS)
                longer, more_seconds = await _decode(engine, prompt, batch, 2 * _STEPS)
                speeds.append((longer - shorter) / (more_seconds - seconds))
            points.append(_Point(batch=batch, length=length, speed=median(speeds)))
    await engine.close()
    return hardware, points


async def _decode(
    engine: VllmEngine, prompt: list[int], batch: int, num_tokens: int
) -> tuple[int, float]:
    """Tokens that were sampled, and the seconds for them."""
    sampling = Sampling(temperature=1.0, max_tokens=num_tokens)
    request = Request(
        token_ids=prompt, num_rollouts=batch, max_tokens=num_tokens, sampling=sampling, seed=0
    )
    begin = time.perf_counter()
    completions = await engine.generate(request)
    return sum(len(one.token_ids) for one in completions), time.perf_counter() - begin
