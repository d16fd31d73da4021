"""What inequalities say: the interval `1 < x < 2`, the ordering `a < b < c`."""

from collections.abc import Sequence
from fractions import Fraction

from verifiers.formulas.nodes import Apply, Formula, Number, Relation, Variable
from verifiers.formulas.numeric import variables
from verifiers.formulas.regions import INFINITY, MINUS_INFINITY, interval_region, joined
from verifiers.formulas.statements import Inequality, Named, Ordering, Structure

ZERO = Number(Fraction(0))
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


def of_inequalities(relation: Relation) -> Structure:
    sides, signs = relation.sides, relation.signs
    if signs[0] in (">", ">="):
        sides, signs = sides[::-1], tuple(_FLIPPED[sign] for sign in reversed(signs))
    closed = [sign == "<=" for sign in signs]
    if len(sides) == 3 and isinstance(sides[1], Variable):
        region = interval_region(sides[0], sides[2], closed[0], closed[1])
        if region is not None:
            return Named(sides[1].name, region)
    if len(sides) == 2:
        region = None
        if isinstance(sides[0], Variable):
            region = interval_region(MINUS_INFINITY, sides[1], False, closed[0])
        elif isinstance(sides[1], Variable):
            region = interval_region(sides[0], INFINITY, closed[0], False)
        if region is not None:
            return Named(_variable_of(sides), region)
        if (absolute := _of_absolute_value(sides, closed[0])) is not None:
            return absolute
        return Inequality(Apply("add", (sides[1], Apply("neg", (sides[0],)))), not closed[0])
    return Ordering(tuple(sides), tuple(closed))


def _variable_of(sides: Sequence[Formula]) -> str:
    return next(side.name for side in sides if isinstance(side, Variable))


def _of_absolute_value(sides: Sequence[Formula], closed: bool) -> Structure | None:
    """`|x - a| < b` and `|x - a| > b`, with `sides[0] <= sides[1]`."""
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
