"""The statement behind an answer's notation: the value that `x = 5` names, the interval `1 < x < 2`.

`structure_of` turns a parsed formula into a statement, or returns the formula itself.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import get_args

from verifiers.math.equality.equality import Equal, real_value, same_value
from verifiers.math.equality.numeric import variables
from verifiers.math.forms.nodes import (
    Apply,
    Formula,
    Items,
    Matrix,
    NamedSet,
    Number,
    Quantity,
    Ratio,
    Relation,
    SetOperation,
    Unreadable,
    Variable,
)
from verifiers.math.forms.units import Unit
from verifiers.math.meaning.either_sign import both_signs, written_out
from verifiers.math.meaning.inequalities import of_inequalities
from verifiers.math.meaning.regions import (
    INFINITY,
    MINUS_INFINITY,
    Interval,
    Region,
    complement,
    interval_region,
    joined,
    mirrored,
)
from verifiers.math.meaning.statements import (
    Assignment,
    Contradiction,
    Equation,
    Family,
    Named,
    Structure,
)
from verifiers.math.reading.building import in_base_units, joined_quantities, negative

_MOST_ITEMS = 200
_ROUGHLY = 0.06
"""Largest relative error of a stated approximation."""
_ROUNDED, _CUT_OFF = 0.501, 1
"""Largest error of an approximation, in units of its last place."""


def structure_of(formula: Formula) -> Structure:
    """The formula's statement. Raises Unreadable, and TooLarge if a value cannot be computed."""
    if isinstance(formula, Relation):
        return _of_relation(formula)
    if isinstance(formula, SetOperation):
        return _of_set_operation(formula)
    if isinstance(formula, NamedSet) and formula.name == "R":
        return Region((Interval(MINUS_INFINITY, INFINITY, False, False),))
    if isinstance(formula, Items):
        return _of_items(formula)
    if (scaled := _scaled_matrix(formula)) is not None:
        return scaled
    if (signs := both_signs(formula)) is not None:
        return Items(signs)
    return formula


def _scaled_matrix(formula: Formula) -> Matrix | None:
    """A number times a matrix, multiplied out; None for anything else."""
    if not isinstance(formula, Apply) or formula.name not in ("mul", "div", "neg"):
        return None
    matrices = [argument for argument in formula.args if isinstance(argument, Matrix)]
    if len(matrices) != 1:
        return None
    (matrix,) = matrices

    def with_entry(entry: Formula) -> Formula:
        return Apply(formula.name, tuple(entry if a is matrix else a for a in formula.args))

    return Matrix(tuple(tuple(map(with_entry, row)) for row in matrix.rows))


# --------------------------------------------------------------------------------------- relations


def _of_relation(relation: Relation) -> Structure:
    signs = set(relation.signs)
    if isinstance(relation.sides[-1], Ratio) and signs & {"<", "<=", ">", ">="}:
        return _of_restated(relation, relation.sides[-1])
    if signs <= {"=", "approx"}:
        return _of_equalities(relation)
    if relation.signs == ("in",):
        return _of_membership(*relation.sides)
    if relation.signs == ("!=",) and isinstance(relation.sides[0], Variable):
        hole = Items((relation.sides[1],), "{", "}")
        line = _of_set_operation(SetOperation("setminus", NamedSet("R"), hole))
        return Named(relation.sides[0].name, line)
    if signs <= {"<", "<="} or signs <= {">", ">="}:
        return of_inequalities(relation)
    raise Unreadable("relations of several sorts do not make one answer")


def _of_restated(relation: Relation, last: Ratio) -> Structure:
    r"""`x < 7: (-\infty, 7)` states the same region twice. Raises Unreadable if they differ."""
    first = structure_of(Relation((*relation.sides[:-1], last.parts[0]), relation.signs))
    regions = [region_of(named_value(first)), region_of(structure_of(last.parts[-1]))]
    if len(last.parts) != 2 or regions[0] is None or regions[0] != regions[1]:
        raise Unreadable("an inequality and a region are not the same")
    return first


def _of_membership(element: Formula, whole: Formula) -> Structure:
    r"""`x \in [1, 2)`, also as `-x \in (-2, -1]`. Raises Unreadable."""
    if name := _name_of(element):
        return Named(name, structure_of(whole))
    (side,) = _with_positive_name((element, whole))[:1]
    name, region = _name_of(side), region_of(structure_of(whole))
    if name is None or region is None:
        raise Unreadable("expected a name as the element of a set")
    return Named(name, mirrored(region))


def _of_equalities(relation: Relation) -> Structure:
    """`x = 2 + 3 = 5` names 5, `2 + 3 = 5` is 5, `3 = 5` is a contradiction, `x^2 = y` an equation."""
    sides = _without_approximations(relation)
    if not sides:
        return Contradiction()
    if len(sides) == 1:
        return structure_of(sides[0])
    if (assignment := _of_shared_value(sides)) is not None:
        return assignment
    sides = _with_positive_name(sides)
    separate = variables(sides[0]).isdisjoint(variables(sides[-1]))
    for name, others in ((_name_of(sides[0]), sides[1:]), (_name_of(sides[-1]), sides[:-1])):
        if name and separate and any(name in variables(side) for side in others[:-1]):
            raise Unreadable("a chain of equalities that defines a name by itself")
        if name and separate:
            value = _common_value(others)
            return value if isinstance(value, Contradiction) else Named(name, value)
    if not any(map(variables, sides)):
        return _common_value(sides)
    if len(sides) == 2:
        return structure_of(sides[1]) if same_value(*sides) is Equal.YES else Equation(*sides)
    if variables(sides[0]) and variables(sides[0]) != variables(sides[1]):
        value = _common_value(sides[1:])  # `2t = 3 + 7 = 10` is an equation of t
        return value if isinstance(value, Contradiction) else Equation(sides[0], sides[-1])
    return _common_value(sides)


def _with_positive_name(sides: tuple[Formula, ...]) -> tuple[Formula, ...]:
    """`-x = 5` as `x = -5`."""
    first, *rest = sides
    if len(sides) > 1 and isinstance(first, Apply) and first.name == "neg" and _name_of(first.args[0]):
        return (first.args[0], *map(negative, rest))
    return sides


def _of_shared_value(sides: tuple[Formula, ...]) -> Structure | None:
    """`x = y = 3` gives the value of both."""
    names = [side.name for side in sides[:-1] if isinstance(side, Variable)]
    if len(names) < 2 or len(names) < len(sides) - 1 or variables(sides[-1]):
        return None
    value = structure_of(sides[-1])
    return Assignment(tuple(Named(name, value) for name in sorted(set(names))))


def _without_approximations(relation: Relation) -> tuple[Formula, ...]:
    """For `x = sqrt(2)`, about 1.41, keeps the root; for `x`, about 1.41, keeps the number."""
    if "approx" not in relation.signs:
        return relation.sides
    first = relation.signs.index("approx")
    last = 1 if first == 0 and _name_of(relation.sides[0]) else first
    exact, rest = relation.sides[last], relation.sides[last + 1 :]
    return () if any(_is_far_off(exact, about) for about in rest) else relation.sides[: last + 1]


def _is_far_off(exact: Formula, about: Formula) -> bool:
    """Whether a number does not approximate the other. Raises Unreadable for a bad approximation."""
    value, other = (None if variables(one) else real_value(_bare(one)) for one in (exact, about))
    if value is None or other is None:
        return False
    error = abs(value - other)
    number, unit = (about.value, about.unit) if isinstance(about, Quantity) else (about, Unit())
    places = number.places if isinstance(number, Number) and not unit.half_turns else None
    if isinstance(number, Number) and unit.percent and places is None:
        places = 0
    if error > _ROUGHLY * max(abs(value), abs(other)):
        return True
    # Digits may be rounded or truncated.
    most = _CUT_OFF if abs(other) < abs(value) else _ROUNDED
    if (
        places is not None
        and error * 10**places * unit.factor.denominator > most * unit.factor.numerator
    ):
        raise Unreadable("an approximation is less exact than it is written")
    return False


def _common_value(sides: Sequence[Formula]) -> Structure:
    for one, other in pairwise(sides):
        if variables(one) != variables(other):
            if variables(other):
                raise Unreadable("a chain of equalities between other variables")
            continue  # as in `A = b h / 2 = 24`, where letters stand for numbers
        equal = _same(one, other)
        if equal is Equal.NO:
            return Contradiction()
        if equal is Equal.UNKNOWN:
            raise Unreadable("it cannot be decided whether its chain of equalities holds")
    return structure_of(sides[-1])


def _same(one: Formula, other: Formula) -> Equal:
    """Whether two sides are equal; lists in the same brackets are compared item by item."""
    if not (isinstance(one, Items) and isinstance(other, Items)):
        return same_value(_bare(one), _bare(other))
    if (one.left, one.right, len(one.items)) != (other.left, other.right, len(other.items)):
        return Equal.UNKNOWN
    found = {_same(*pair) for pair in zip(one.items, other.items, strict=True)}
    return found.pop() if len(found) == 1 else Equal.NO if Equal.NO in found else Equal.UNKNOWN


def _bare(formula: Formula) -> Formula:
    """A quantity as a number of base units, so that `1 m = 100 cm` holds."""
    return in_base_units(formula.value, formula.unit) if isinstance(formula, Quantity) else formula


def _name_of(formula: Formula) -> str | None:
    """The name that a side is: a variable, a segment such as `AB`, a tuple of variables; else None."""
    if isinstance(formula, Variable):
        return formula.name
    if isinstance(formula, Items) and formula.left + formula.right in ("()", ""):
        names = [item.name for item in formula.items if isinstance(item, Variable)]
        return f"({','.join(names)})" if len(names) == len(formula.items) else None
    if isinstance(formula, Apply) and formula.name == "mul":
        points = [_name_of(argument) for argument in formula.args]
        if all(name is not None and name.isalpha() and name.isupper() for name in points):
            return "".join(filter(None, points))
    if isinstance(formula, Ratio):
        sizes = [_name_of(part) for part in formula.parts]
        return ":".join(filter(None, sizes)) if None not in sizes else None
    if isinstance(formula, Apply) and formula.name in ("abs", "div"):
        segments = [_name_of(argument) for argument in formula.args]
        if all(name is not None and name.isalpha() and name.isupper() for name in segments):
            return formula.name + "/".join(filter(None, segments))
    return None


# ----------------------------------------------------------------------------------- sets and lists


def _of_items(items: Items) -> Structure:
    if len(items.items) > _MOST_ITEMS:
        raise Unreadable(f"has {len(items.items)} items, more than {_MOST_ITEMS}")
    closed = items.left + items.right in ("()", "[]", "{}")
    if closed and all(isinstance(item, Relation) and item.signs == ("=",) for item in items.items):
        items = Items(items.items)  # brackets only group equations
    if items.left and items.left != "{":
        return items
    parts = [structure_of(item) for item in items.items]
    inner = [part.value if isinstance(part, Named) else part for part in parts]
    regions = [part for part in inner if isinstance(part, Region)]
    names = {part.name for part in parts if isinstance(part, Named)}
    if not items.left and len(regions) == len(parts) and len(names) <= 1:
        whole = _joined_regions(regions, items.joiner)
        if items.joiner == "," and whole in regions and len(set(regions)) > 1:
            return written_out(items)  # these are answers to several questions, each complete by itself
        return Named(names.pop(), whole) if names else whole
    if not items.left and (special := _of_parts(parts, items)) is not None:
        return special
    return written_out(items)


def _joined_regions(regions: Sequence[Region], joiner: str) -> Region:
    """Joins with "or" and "and"; with a comma the intersection, or the union if that is empty."""
    common = joined(regions, union=False)
    if joiner == "or" or (joiner == "," and not common.intervals):
        return joined(regions, union=True)
    return common


def _of_parts(parts: Sequence[Structure], items: Items) -> Structure | None:
    """The statement of a list without brackets beyond its items; None if there is none."""
    named = [part for part in parts if isinstance(part, Named)]
    last = parts[-1]
    is_pair = len(parts) == 2 and isinstance(last, Named) and last.name in _variables(items.items[0])
    if is_pair and isinstance(last, Named) and isinstance(last.value, NamedSet):
        return Family(items.items[0], last.name, last.value)
    if len(named) == len(parts):
        return _of_named(named, items.joiner)
    quantities = [part for part in parts if isinstance(part, Quantity)]
    if len(quantities) == len(parts) == 2 and items.joiner == "and":
        return _of_compound(quantities[0], quantities[1])
    return None


def _variables(formula: Formula) -> frozenset[str]:
    sides = formula.sides if isinstance(formula, Relation) else (formula,)
    return frozenset().union(*map(variables, sides))


def _of_named(named: Sequence[Named], joiner: str) -> Structure:
    """Several values of one variable, or an assignment."""
    values = [part.value for part in named if isinstance(part.value, get_args(Formula))]
    names = {part.name for part in named}
    if len(names) == 1 and len(values) == len(named):
        return Named(names.pop(), written_out(Items(tuple(values), joiner=joiner)))
    if len(names) < len(named) or joiner == "or":
        raise Unreadable("a name with several values among others")
    return Assignment(tuple(named))


def _of_compound(one: Quantity, other: Quantity) -> Structure | None:
    """`2 hours and 30 minutes`."""
    smaller = other.unit.factor < one.unit.factor
    if not one.unit.measures or one.unit.dimensions != other.unit.dimensions or not smaller:
        return None
    return joined_quantities(one, other)


def region_of(structure: Structure) -> Region | None:
    """The region of an interval in brackets, `R`, or a set of numbers; None for anything else."""
    if isinstance(structure, Region):
        return structure
    if isinstance(structure, NamedSet):
        return Region(()) if structure.name == "empty" else None
    if isinstance(structure, Items) and not structure.left and structure.joiner != "and":
        regions = [region_of(structure_of(item)) for item in structure.items]
        known = [region for region in regions if region is not None]
        return joined(known, union=True) if len(known) == len(regions) else None
    if not isinstance(structure, Items) or not structure.left:
        return None
    if structure.left == "{":
        points = [interval_region(item, item, True, True) for item in structure.items]
        known = [point for point in points if point is not None]
        return joined(known, union=True) if len(known) == len(points) else None
    if len(structure.items) != 2:
        return None
    low, high = structure.items
    return interval_region(low, high, structure.left == "[", structure.right == "]")


def _of_set_operation(operation: SetOperation) -> Structure:
    left, right = structure_of(operation.left), structure_of(operation.right)
    finite = [side for side in (left, right) if isinstance(side, Items) and side.left == "{"]
    if operation.name == "cup" and len(finite) == 2:
        return Items((*finite[0].items, *finite[1].items), "{", "}")
    one, other = region_of(left), region_of(right)
    if one is None or other is None:
        raise Unreadable("set operations are read only for intervals and sets of numbers")
    if operation.name == "setminus":
        return joined([one, complement(other)], union=False)
    return joined([one, other], union=operation.name == "cup")


def named_value(structure: Structure) -> Structure:
    """The value that a name stands for; anything else unchanged."""
    if not isinstance(structure, Named):
        return structure
    value = structure.value
    return structure_of(value) if isinstance(value, get_args(Formula)) else value
