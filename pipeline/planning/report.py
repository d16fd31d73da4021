"""A plan as text for the terminal."""

import math
from collections.abc import Iterator

from pipeline.inspection.time_left import duration
from pipeline.planning.plan import OnHardware, Plan
from pipeline.planning.roofline import Efficiency

_UNKNOWN = "-"


def describe(found: Plan) -> str:
    """What the run needs, a row for each hardware, and what the plan depends on."""
    return "\n".join([*_needs(found), "", *_table(found), "", *_advice(found)])


def _needs(found: Plan) -> Iterator[str]:
    model, serving, load, expected = found.model, found.serving, found.load, found.expected
    weights = model.weight_bytes(serving.weights) / 1e9
    cache = model.cache_bytes(1, serving.cache) / 1e3
    yield (
        f"model      {model.name}: {model.num_parameters / 1e9:.3g} billion parameters, "
        f"{model.num_active / 1e9:.3g} active"
    )
    yield (
        f"memory     weights {weights:,.3g} GB in {serving.weights}, key-value cache {cache:,.4g} kB a "
        f"token in {serving.cache}"
    )
    yield (
        f"expected   {expected.problems:,} problems; prompts of {expected.prompt_tokens:,} tokens, "
        f"responses of {expected.response_tokens:,}, {expected.pass_rate:.0%} of them right; "
        f"{expected.verdict_seconds:.3g} s a verdict"
    )
    cost = load.cost
    yield (
        f"search     a problem takes {cost.rollouts:,.1f} rollouts with the tokens of "
        f"{cost.whole_rollouts:,.1f} whole ones, {cost.verdicts:,.1f} verdicts; "
        f"{cost.survivors:,.1f} survivors"
    )
    yield (
        f"tokens     {load.sampled / 1e6:,.3g} million sampled, {load.read_once / 1e6:,.3g} million "
        f"read ({load.read_again / 1e6:,.3g} without shared prefixes)"
    )
    yield f"disk       about {load.disk_bytes / 1e9:,.3g} GB"


def _table(found: Plan) -> Iterator[str]:
    rows = [_HEADINGS, *(_row(one, found) for one in found.places if one.refused is None)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows if len(rows) > 1 else ():
        cells = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells)
    for one in found.places:
        if one.refused is not None:
            yield f"{one.hardware}: does not fit: {one.refused}"


_HEADINGS = (
    "hardware", "batch", "limit", "tokens/s", "time", "from", "to", "dollars", "a survivor", "cores",
)  # fmt: skip


def _row(place: OnHardware, found: Plan) -> tuple[str, ...]:
    times = [duration(one * 3600) if math.isfinite(one) else _UNKNOWN for one in place.hours]
    money, each = place.dollars, place.dollars_for(found.load.survivors)
    return (
        str(place.hardware),
        str(place.batch),
        place.limit,
        f"{place.tokens_per_second:,.0f}",
        *times,
        _UNKNOWN if money is None else f"{money[0]:,.2f}",
        _UNKNOWN if each is None else f"{each:.2g}",
        f"{place.verifier_cores:.1f}",
    )


def _advice(found: Plan) -> Iterator[str]:
    if not found.sensitivities:
        return
    for what, factor in found.sensitivities.items():
        yield f"if wrong   {what}: time x {factor:.2f}"
    reached = found.reached
    yield f"assumed    engines reach {_of(reached.expected)} of the data sheet"
    yield f"           (from: {_of(reached.low)}; to: {_of(reached.high)})"
    yield "           one copy of the model on each hardware, no time between its accelerators"


def _of(reached: Efficiency) -> str:
    return (
        f"{100 * reached.bandwidth:.3g}% of the bandwidth and {100 * reached.compute:.3g}% of the "
        "operations"
    )
