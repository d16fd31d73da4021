"""Statements of inequalities: the interval `1 < x < 2`, the ordering `a < b < c`."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from verifiers.math.equality.numeric import variables
from verifiers.math.forms.calls import calls_in
from verifiers.math.forms.nodes import Apply, Formula, Number, Relation, Variable
from verifiers.math.meaning.regions import INFINITY, MINUS_INFINITY, Region, interval_region, joined
from verifiers.math.meaning.statements import Inequality, Named, Ordering, Structure

ZERO = Number(Fraction(0))
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


def of_inequalities(relation: Relation) -> Structure:
    """A region for one variable between numbers, otherwise an inequality or an ordering."""
    sides, signs = relation.sides, relation.signs
    if signs[0] in (">", ">="):
        sides, signs = sides[::-1], tuple(_FLIPPED[sign] for sign in reversed(signs))
    closed = [sign == "<=" for sign in signs]
    if len(sides) == 2:
        return _of_two(sides, closed[0])
    halves = [_of_two(pair, equal) for pair, equal in zip(pairwise(sides), closed, strict=True)]
    regions = [
        half.value for half in halves if isinstance(half, Named) and isinstance(half.value, Region)
    ]
    names = {half.name for half in halves if isinstance(half, Named)}
    if len(regions) == len(halves) == 2 and len(names) == 1:
        common = joined(regions, union=False)
        if common.intervals:
            return Named(names.pop(), common)
    return Ordering(tuple(sides), tuple(closed))


def _of_two(sides: Sequence[Formula], closed: bool) -> Structure:
    """The statement `sides[0] < sides[1]`; `closed` allows equality."""
    left, right = map(_name_of, sides)
    region = None
    if left is not None:
        region = interval_region(MINUS_INFINITY, sides[1], False, closed)
    elif right is not None:
        region = interval_region(sides[0], INFINITY, closed, False)
    if region is not None:
        return Named(left or right or "", region)
    if (absolute := _of_absolute_value(sides, closed)) is not None:
        return absolute
    return Inequality(Apply("add", (sides[1], Apply("neg", (sides[0],)))), not closed)


def _name_of(side: Formula) -> str | None:
    """The name of a variable, or of a function value as in `0 < f(x) < 1`; None for anything else."""
    if isinstance(side, Variable):
        return side.name
    return repr(side) if calls_in(side) == {side} else None


def _of_absolute_value(sides: Sequence[Formula], closed: bool) -> Structure | None:
    """The region of `|x - a| < b` or `|x - a| > b`, with `sides[0] <= sides[1]`."""
    inside = isinstance(sides[0], Apply) and sides[0].name == "abs"
    distance, radius = sides if inside else sides[::-1]
    if not (isinstance(distance, Apply) and distance.name == "abs"):
        return None
    inner = distance.args[0]
    names = variables(inner)
    if isinstance(inner, Variable):
        center: Formula = ZERO
    elif isinstance(inner, Apply) and inner.name == "add" and isinstance(inner.args[0], Variable):
        center = Apply("neg", (Apply("add", inner.args[1:]),))
    else:
        return None
    ends = [Apply("add", (center, Apply("neg", (radius,)))), Apply("add", (center, radius))]
    if variables(ends[0]):
        return None
    if inside:
        region = interval_region(ends[0], ends[1], closed, closed)
    else:
        low = interval_region(MINUS_INFINITY, ends[0], False, closed)
        high = interval_region(ends[1], INFINITY, closed, False)
        region = None if low is None or high is None else joined([low, high], union=True)
    return None if region is None else Named(next(iter(names)), region)
