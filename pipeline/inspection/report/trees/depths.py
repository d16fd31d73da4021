"""Pass rates, labels and branches by depth: by the number of steps before them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.inspection.report.intervals import Rate
from pipeline.inspection.report.trees.tally import DepthTally
from pipeline.labels.step_labels import credible_interval

_ALONE = 16
"""Depths up to this one have a line of their own; deeper ones share lines of growing width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthFigures:
    """The figures of one depth, or of a range of depths."""

    first: int
    last: int
    rollouts: int
    """Rollouts that started here; at depth 0, those of whole problems."""
    judged: int
    pass_rate: Rate
    """Fraction of the judged ones that passed."""
    steps: int
    """Steps that end here and do not end a response; a depth of 0 has none."""
    labelled: Rate
    """Fraction of these steps from whose end a judged rollout started."""
    mean_trials: float | None
    """Rollouts behind a label."""
    mean_width: float | None
    """Mean width of the labels' credible intervals: 0 is certain, 1 says nothing."""


def depth_figures(
    depths: Mapping[int, DepthTally], labels: Mapping[tuple[int, int, int], int], mass: float
) -> list[DepthFigures]:
    """The figures by depth, in order; `mass` is that of the labels' intervals."""
    found: dict[tuple[int, int], list[int]] = {}
    for depth in sorted(depths):
        found.setdefault(_range_of(depth), []).append(depth)
    widths = _label_sums(labels, mass)
    return [
        _figures(first, last, [depths[one] for one in members], [widths.get(one) for one in members])
        for (first, last), members in found.items()
    ]


def _range_of(depth: int) -> tuple[int, int]:
    if depth <= _ALONE:
        return depth, depth
    first = _ALONE + 1
    for width in _widths():
        if depth < first + width:
            return first, first + width - 1
        first += width
    raise AssertionError("widths grow without end")


def _widths() -> Iterator[int]:
    width = _ALONE // 2
    while True:
        yield width
        yield width
        width *= 2


def _label_sums(
    labels: Mapping[tuple[int, int, int], int], mass: float
) -> dict[int, tuple[int, int, float]]:
    """Depth -> labels, their trials, and the sum of their intervals' widths."""
    sums: dict[int, tuple[int, int, float]] = {}
    for (depth, trials, passes), number in labels.items():
        interval = credible_interval(passes, trials, mass)
        before = sums.get(depth, (0, 0, 0.0))
        sums[depth] = (
            before[0] + number,
            before[1] + number * trials,
            before[2] + number * (interval.high - interval.low),
        )
    return sums


def _figures(
    first: int,
    last: int,
    tallies: list[DepthTally],
    widths: list[tuple[int, int, float] | None],
) -> DepthFigures:
    steps, labelled = sum(one.steps for one in tallies), sum(one.labelled for one in tallies)
    judged = sum(one.judged for one in tallies)
    known = [one for one in widths if one is not None]
    number = sum(one[0] for one in known)
    return DepthFigures(
        first=first,
        last=last,
        rollouts=sum(one.rollouts for one in tallies),
        judged=judged,
        pass_rate=Rate.of(sum(one.passed for one in tallies), judged),
        steps=steps,
        labelled=Rate.of(labelled, steps),
        mean_trials=sum(one[1] for one in known) / number if number else None,
        mean_width=sum(one[2] for one in known) / number if number else None,
    )
