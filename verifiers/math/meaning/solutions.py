"""Compares the solutions of two equations, or of an inequality and a region, by finding some.

A solution of one that does not solve the other proves that they differ. If all solutions found agree,
equations in several variables count as the same, because they have many solutions; for equations in one
variable that is not enough.
"""

import random
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import mpmath

from verifiers.math.equality.equality import Equal, real_value
from verifiers.math.equality.exact_values import Undefined
from verifiers.math.equality.numeric import Evaluator, TooLarge, variables
from verifiers.math.equality.points import points
from verifiers.math.forms.nodes import Formula
from verifiers.math.meaning.regions import Region

_EVALUATOR = Evaluator(40, strict=False)
_ROOT_DIGITS, _OTHER_DIGITS = 25, 6
_STARTS = (1.3, -1.7, 0.4, -0.6, 7.1, -9.2, 62.0, -75.0, 830.0, -910.0, 1.1 + 1.3j, -0.8 - 0.9j)
_ENOUGH = 6
_MOST_POINTS = 8
_NUM_SAMPLES = 60


def same_solutions(one: Formula, other: Formula) -> Equal:
    """Whether `one = 0` and `other = 0` have the same solutions, complex ones included."""
    names = variables(one) | variables(other)
    found = [_all_solve(one, other, names), _all_solve(other, one, names)]
    if Equal.NO in found:
        return Equal.NO
    return Equal.YES if len(names) > 1 and found == [Equal.YES, Equal.YES] else Equal.UNKNOWN


def _all_solve(one: Formula, other: Formula, names: frozenset[str]) -> Equal:
    """Whether the solutions found for `one = 0` solve `other = 0`."""
    num_found = 0
    for point in _solutions(one, names):
        try:
            rest, scale = _EVALUATOR.value(other, point), 1 + max(map(abs, point.values()))
        except (Undefined, TooLarge):
            continue
        if abs(rest) > mpmath.mpf(10) ** -_OTHER_DIGITS * scale:
            return Equal.NO
        num_found += 1
    return Equal.YES if num_found >= _ENOUGH else Equal.UNKNOWN


def _solutions(formula: Formula, names: frozenset[str]) -> Iterator[dict[str, Any]]:
    """Solutions in each variable in turn, with values for the others."""
    for unknown in sorted(names):
        others = names - {unknown}
        for rational in islice(points(others), _MOST_POINTS if others else 1):
            point = {name: _EVALUATOR.number(value) for name, value in rational.items()}
            for start in _STARTS:
                root = _root(formula, unknown, point, start)
                if root is not None:
                    yield {**point, unknown: root}


def _root(formula: Formula, unknown: str, point: Mapping[str, Any], start: complex) -> Any:
    def value(x: Any) -> Any:
        return _EVALUATOR.value(formula, {**point, unknown: x})

    context = _EVALUATOR.context
    try:
        root = context.findroot(value, context.mpmathify(start), maxsteps=40, verify=False)
        residue, scale = value(root), 1 + abs(value(context.mpmathify(start)))
    except (Undefined, TooLarge, ValueError, ZeroDivisionError, TypeError):
        return None
    if not context.isfinite(root) or abs(residue) > scale * context.mpf(10) ** -_ROOT_DIGITS:
        return None
    return root


def same_region(difference: Formula, strict: bool, region: Region) -> Equal:
    """Whether `difference > 0` (or `>= 0`) holds exactly in the region, from points around its ends."""
    names = variables(difference)
    if len(names) != 1:
        return Equal.UNKNOWN
    (name,) = names
    num_tried = 0
    for x in _samples(region):
        try:
            value = _EVALUATOR.value(difference, {name: x})
        except (Undefined, TooLarge):
            holds = False
        else:
            if _EVALUATOR.context.im(value) != 0:
                holds = False
            else:
                near_zero = abs(value) < mpmath.mpf(10) ** -_ROOT_DIGITS * (1 + abs(x))
                holds = not strict if near_zero else value > 0
            num_tried += 1
        if bool(holds) != _contains(region, x):
            return Equal.NO
    return Equal.YES if num_tried >= _NUM_SAMPLES // 3 else Equal.UNKNOWN


def _samples(region: Region) -> Iterator[Any]:
    context = _EVALUATOR.context
    for interval in region.intervals:
        for end in (interval.low, interval.high):
            value = real_value(end)
            if value is not None and context.isfinite(value):
                yield from (value, *(value + step for step in (1e-4, -1e-4, 0.1, -0.1)))
    rng = random.Random(0)
    for number in range(_NUM_SAMPLES):
        yield context.mpf(rng.uniform(-1, 1)) * 10 ** (number % 4)


def _contains(region: Region, x: Any) -> bool:
    tiny = mpmath.mpf(10) ** -_ROOT_DIGITS * (1 + abs(x))
    for interval in region.intervals:
        low, high = real_value(interval.low), real_value(interval.high)
        above = x > low + tiny or (interval.low_closed and abs(x - low) <= tiny)
        below = x < high - tiny or (interval.high_closed and abs(x - high) <= tiny)
        if above and below:
            return True
    return False
