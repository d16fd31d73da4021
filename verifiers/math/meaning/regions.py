"""Regions of the real line as unions of intervals, with union, intersection and complement."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from verifiers.math.equality.equality import real_value
from verifiers.math.equality.numeric import variables
from verifiers.math.forms.nodes import Apply, Constant, Formula, Number, Quantity
from verifiers.math.reading.building import negative

INFINITY = Constant("oo")
MINUS_INFINITY = Apply("neg", (INFINITY,))


@dataclass(frozen=True, slots=True)
class Interval:
    """Interval of real numbers; a point if both ends are equal."""

    low: Formula
    high: Formula
    low_closed: bool
    high_closed: bool


@dataclass(frozen=True, slots=True)
class Region:
    """A union of disjoint intervals, in ascending order."""

    intervals: tuple[Interval, ...]


def interval_region(low: Formula, high: Formula, low_closed: bool, high_closed: bool) -> Region | None:
    """A region with one interval; None if its ends are not real numbers or are in the wrong order."""
    ends = [_end(low), _end(high)]
    if None in ends or ends[0] > ends[1] or (ends[0] == ends[1] and not (low_closed and high_closed)):
        return None
    return Region((Interval(low, high, low_closed, high_closed),))


def complement(region: Region) -> Region:
    """All real numbers outside the region."""
    low: Formula = MINUS_INFINITY
    closed, gaps = False, []
    for interval in region.intervals:
        gaps.append(interval_region(low, interval.low, closed, not interval.low_closed))
        low, closed = interval.high, not interval.high_closed
    gaps.append(interval_region(low, INFINITY, closed, False))
    return Region(tuple(gap.intervals[0] for gap in gaps if gap is not None))


def mirrored(region: Region) -> Region:
    """All numbers whose negatives are in the region."""
    return Region(
        tuple(
            Interval(negative(one.high), negative(one.low), one.high_closed, one.low_closed)
            for one in reversed(region.intervals)
        )
    )


def joined(regions: Sequence[Region], *, union: bool) -> Region:
    """The union, or the intersection as the complement of the complements' union."""
    if not union:
        return complement(joined([complement(region) for region in regions], union=True))
    intervals = [interval for region in regions for interval in region.intervals]
    intervals.sort(key=lambda one: (_end(one.low), not one.low_closed))
    merged: list[Interval] = []
    for interval in intervals:
        if merged and _touch(merged[-1], interval):
            merged[-1] = _span(merged[-1], interval)
        else:
            merged.append(interval)
    return Region(tuple(merged))


def _touch(left: Interval, right: Interval) -> bool:
    end, start = _end(left.high), _end(right.low)
    return bool(start < end or (start == end and (left.high_closed or right.low_closed)))


def _span(left: Interval, right: Interval) -> Interval:
    end, other = _end(left.high), _end(right.high)
    if other > end:
        return Interval(left.low, right.high, left.low_closed, right.high_closed)
    closed = left.high_closed or (other == end and right.high_closed)
    return Interval(left.low, left.high, left.low_closed, closed)


def _end(formula: Formula) -> Any:
    if isinstance(formula, Quantity):
        formula = formula.value
    if not isinstance(formula, Number | Constant | Apply) or variables(formula):
        return None
    return real_value(formula)
