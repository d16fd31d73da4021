"""What a run costs on some hardware: the search's tokens, put through the roofline of the model.

1. the search's load, for the expected lengths and pass rate (`search.py`)
2. the largest batch that memory and the wanted speed allow, and its tokens a second
3. time, money, processor cores for the verifiers, and what limits
4. the same with each expectation wrong by a factor: what the plan depends on
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from pipeline.config import RunConfig
from pipeline.planning.earlier import Speed
from pipeline.planning.hardware import Hardware
from pipeline.planning.model import Model
from pipeline.planning.roofline import Efficiency, Roofline
from pipeline.planning.search import Expected, SearchLoad, search_load

_USUAL = Efficiency()
_GOOD = Efficiency(bandwidth=0.85, compute=0.7)
_POOR = Efficiency(bandwidth=0.45, compute=0.3)
_CALIBRATED_RANGE = 0.15
"""By how much a measured efficiency is taken to differ in another run."""
_CASES = ("expected", "low", "high")
_FACTOR = 2.0
"""By how much an expectation is taken to be wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How the model is to be served."""

    weights: str
    """Type of the weights."""
    cache: str = "bfloat16"
    most_sequences: int = 256
    """Sequences that an engine computes together at most."""
    tokens_per_second: float = 0.0
    """Wanted for each sequence; 0: as slow as it gets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """What engines are taken to reach of the data sheet."""

    expected: Efficiency = _USUAL
    low: Efficiency = _GOOD
    """For the lowest cost."""
    high: Efficiency = _POOR
    """For the highest cost."""

    @classmethod
    def measured(
        cls, speed: Speed, model: Model, serving: Serving, hardware: Hardware, length: int
    ) -> Self:
        """Scales the expectation to what a run reached with the same model on some hardware.

        `length` is the mean length of the sequences in its batch, in tokens.
        """
        usual = Roofline(model=model, hardware=hardware, weights=serving.weights, cache=serving.cache)
        batch = max(round(speed.batch), 1)
        factor = speed.tokens_per_second / usual.tokens_per_second(batch, length)
        return cls(
            expected=_scaled(factor),
            low=_scaled(factor * (1 + _CALIBRATED_RANGE)),
            high=_scaled(factor * (1 - _CALIBRATED_RANGE)),
        )


def _scaled(factor: float) -> Efficiency:
    return Efficiency(bandwidth=_USUAL.bandwidth * factor, compute=_USUAL.compute * factor)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnHardware:
    """The run on some hardware."""

    hardware: Hardware
    refused: str | None = None
    """Why it cannot run there; the rest is 0 then."""
    batch: int = 0
    limit: str = ""
    """What keeps the batch from being larger, or the step from being faster."""
    tokens_per_second: float = 0.0
    hours: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Of the hardware: expected, lowest, highest; infinite if the wanted speed is out of reach."""
    verifier_cores: float = 0.0
    """Cores that keep up with the engine."""

    @property
    def accelerator_hours(self) -> float:
        """Hours of all accelerators together."""
        return self.hours[0] * self.hardware.count

    @property
    def dollars(self) -> tuple[float, ...] | None:
        """Expected, lowest, highest; None without a price."""
        price = self.hardware.price
        return None if price is None else tuple(hours * price for hours in self.hours)

    def dollars_for(self, survivors: float) -> float | None:
        """Expected dollars of one of so many survivors; None without a price or a survivor."""
        dollars = self.dollars
        return dollars[0] / survivors if dollars and survivors else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run needs."""

    model: Model
    serving: Serving
    expected: Expected
    reached: Reached
    load: SearchLoad
    places: Sequence[OnHardware]
    sensitivities: Mapping[str, float]
    """Expectation that is twice as large (the pass rate: half as large) -> factor of the hours on the
    first hardware that the run fits on."""


async def plan(
    config: RunConfig,
    model: Model,
    serving: Serving,
    expected: Expected,
    hardware: Sequence[Hardware],
    reached: Reached | None = None,
) -> Plan:
    """Plans a run. The search is simulated, some seconds for each expectation."""
    reached = reached or Reached()
    load = await search_load(config, expected)
    places = [_on(one, model, serving, expected, load, reached) for one in hardware]
    fits = next((one for one in places if one.refused is None), None)
    sensitivities: dict[str, float] = {}
    if fits is not None:
        for what, change in _CHANGES.items():
            other = change(expected)
            changed = await search_load(config, other)
            there = _on(fits.hardware, model, serving, other, changed, reached)
            sensitivities[what] = math.inf if there.refused else there.hours[0] / fits.hours[0]
    return Plan(
        model=model,
        serving=serving,
        expected=expected,
        reached=reached,
        load=load,
        places=places,
        sensitivities=sensitivities,
    )


def _twice(name: str) -> Callable[[Expected], Expected]:
    return lambda one: one.model_copy(update={name: round(getattr(one, name) * _FACTOR)})


_CHANGES: Mapping[str, Callable[[Expected], Expected]] = {
    "response_tokens x 2": _twice("response_tokens"),
    "prompt_tokens x 2": _twice("prompt_tokens"),
    "pass_rate / 2": lambda one: one.model_copy(update={"pass_rate": one.pass_rate / _FACTOR}),
}


def _on(
    hardware: Hardware,
    model: Model,
    serving: Serving,
    expected: Expected,
    load: SearchLoad,
    reached: Reached,
) -> OnHardware:
    def roofline(efficiency: Efficiency) -> Roofline:
        return Roofline(
            model=model,
            hardware=hardware,
            weights=serving.weights,
            cache=serving.cache,
            efficiency=efficiency,
        )

    expected_one = roofline(reached.expected)
    whole = expected.prompt_tokens + expected.response_tokens
    if refused := _refusal(expected_one, whole, serving):
        return OnHardware(hardware=hardware, refused=refused)
    hours, found = [], []
    for efficiency in (reached.expected, reached.low, reached.high):
        one = roofline(efficiency)
        batch = _batch(one, whole, serving)
        seconds = _seconds(one, batch, expected, load) if batch else math.inf
        hours.append(seconds / 3600)
        found.append((one, batch, seconds))
    one, batch, seconds = found[0]
    return OnHardware(
        hardware=hardware,
        batch=batch,
        limit=_limit(one, batch, whole, serving),
        tokens_per_second=load.sampled / seconds,
        hours=(hours[0], hours[1], hours[2]),
        verifier_cores=load.verdicts * expected.verdict_seconds / seconds,
    )


def _refusal(one: Roofline, whole: int, serving: Serving) -> str | None:
    """Why not a single sequence can be computed."""
    room = one.cache_room
    if room <= 0:
        needed = one.model.weight_bytes(one.weights) / 1e9
        return f"the weights take {needed:,.0f} GB of {one.hardware.memory / 1e9:,.0f}"
    if one.most_sequences(whole) == 0:
        needed = one.model.cache_bytes(whole, one.cache) / 1e9
        return f"the cache of {whole:,} tokens takes {needed:,.1f} GB, {room / 1e9:,.1f} are left"
    if _batch(one, whole, serving) == 0:
        fastest = 1 / one.step_seconds(1, whole)
        return (
            f"one sequence alone gets {fastest:,.0f} tokens a second, wanted are "
            f"{serving.tokens_per_second:g}"
        )
    return None


def _batch(one: Roofline, whole: int, serving: Serving) -> int:
    """The batch: sequences have all lengths up to the whole one, so half of it on average, but all may
    become whole."""
    return min(one.largest_batch(whole, serving.tokens_per_second), serving.most_sequences)


def _seconds(one: Roofline, batch: int, expected: Expected, load: SearchLoad) -> float:
    mean = expected.prompt_tokens + expected.response_tokens // 2
    decoding = load.sampled / one.tokens_per_second(batch, mean)
    # Prompts are read many at a time, so the weights are not read for each.
    reading = load.read_once / expected.prompt_tokens * one.read_prompt_seconds(expected.prompt_tokens)
    return decoding + reading


def _limit(one: Roofline, batch: int, whole: int, serving: Serving) -> str:
    if batch == one.most_sequences(whole):
        return "memory"
    if batch == serving.most_sequences:
        return f"{one.bound(batch, whole)}, at {batch} sequences"
    return f"{one.bound(batch, whole)}, at {serving.tokens_per_second:g} tokens/s each"


def facts(found: Plan) -> dict[str, Any]:
    """The plan as JSON values; docs/json.md has the keys."""
    model = found.model
    return {
        "model": {
            "name": model.name,
            "parameters": model.num_parameters,
            "active_parameters": model.num_active,
            "weight_bytes": model.weight_bytes(found.serving.weights),
            "cache_bytes_per_token": model.cache_bytes(1, found.serving.cache),
        },
        "serving": asdict(found.serving),
        "expected": found.expected.model_dump(),
        "efficiency": asdict(found.reached),
        "per_problem": asdict(found.load.cost),
        "tokens": {
            "sampled": found.load.sampled,
            "read": found.load.read_once,
            "read_without_sharing": found.load.read_again,
        },
        "verdicts": found.load.verdicts,
        "survivors": found.load.survivors,
        "disk_bytes": found.load.disk_bytes,
        "hardware": [_place(one, found.load) for one in found.places],
        "sensitivities": found.sensitivities,
    }


def _place(one: OnHardware, load: SearchLoad) -> dict[str, Any]:
    return {
        "hardware": one.hardware.accelerator.name,
        "count": one.hardware.count,
        "refused": one.refused,
        "batch": one.batch,
        "limit": one.limit,
        "tokens_per_second": one.tokens_per_second,
        "hours": dict(zip(_CASES, one.hours, strict=True)),
        "accelerator_hours": one.accelerator_hours,
        "dollars": one.dollars and dict(zip(_CASES, one.dollars, strict=True)),
        "dollars_per_survivor": one.dollars_for(load.survivors),
        "verifier_cores": one.verifier_cores,
    }
