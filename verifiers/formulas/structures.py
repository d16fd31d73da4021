"""What an answer says beyond its notation: the value that `x = 5` names, the interval `1 < x < 2`.

`structure_of` takes a formula as it was read and gives one of these, or the formula itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TypeAlias, get_args

from verifiers.formulas.equality import Equal, same_value
from verifiers.formulas.nodes import (
    Apply,
    Formula,
    Items,
    Matrix,
    NamedSet,
    Number,
    Quantity,
    Relation,
    SetOperation,
    Unreadable,
    Variable,
)
from verifiers.formulas.numeric import variables
from verifiers.formulas.regions import (
    INFINITY,
    MINUS_INFINITY,
    Interval,
    Region,
    complement,
    interval_region,
    joined,
)

ZERO = Number(Fraction(0))
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_MOST_ITEMS = 200


@dataclass(frozen=True, slots=True)
class Named:
    """`name = value`."""

    name: str
    value: "Structure"


@dataclass(frozen=True, slots=True)
class Equation:
    """`difference = 0`, in variables."""

    difference: Formula


@dataclass(frozen=True, slots=True)
class Inequality:
    """`difference > 0`, or `>= 0` if it is not strict."""

    difference: Formula
    strict: bool


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A chain of equalities of which one does not hold."""


Structure: TypeAlias = Formula | Named | Equation | Inequality | Contradiction | Region


def structure_of(formula: Formula) -> Structure:
    """What the formula says. Raises Unreadable, and TooLarge where a value cannot be computed."""
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
    if (signs := _signs(formula)) is not None:
        return Items(signs)
    return formula


def _scaled_matrix(formula: Formula) -> Matrix | None:
    """A number times a matrix, entry by entry."""
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
    if signs <= {"=", "approx"}:
        return _of_equalities(relation)
    if relation.signs == ("in",) and _name_of(relation.sides[0]):
        return Named(_name_of(relation.sides[0]) or "", structure_of(relation.sides[1]))
    if relation.signs == ("!=",) and isinstance(relation.sides[0], Variable):
        hole = Items((relation.sides[1],), "{", "}")
        line = _of_set_operation(SetOperation("setminus", NamedSet("R"), hole))
        return Named(relation.sides[0].name, line)
    if signs <= {"<", "<="} or signs <= {">", ">="}:
        return _of_inequalities(relation)
    raise Unreadable("relations of several sorts do not make one answer")


def _of_equalities(relation: Relation) -> Structure:
    """`x = 2 + 3 = 5` names 5, `2 + 3 = 5` is 5, `3 = 5` a contradiction, `x^2 = y` an equation."""
    sides = _without_approximations(relation)
    if len(sides) == 1:
        return structure_of(sides[0])
    separate = variables(sides[0]).isdisjoint(variables(sides[-1]))
    for name, others in ((_name_of(sides[0]), sides[1:]), (_name_of(sides[-1]), sides[:-1])):
        if name and separate:
            value = _common_value(others)
            return value if isinstance(value, Contradiction) else Named(name, value)
    if not any(map(variables, sides)):
        return _common_value(sides)
    if len(sides) == 2:
        difference = Apply("add", (sides[0], Apply("neg", (sides[1],))))
        return structure_of(sides[1]) if same_value(*sides) is Equal.YES else Equation(difference)
    return _common_value(sides)


def _without_approximations(relation: Relation) -> tuple[Formula, ...]:
    """Of `x = sqrt(2)`, about 1.41, the root; of `x`, about 1.41, the number, which is all there is."""
    if "approx" not in relation.signs:
        return relation.sides
    first = relation.signs.index("approx")
    if first == 0 and _name_of(relation.sides[0]):
        return relation.sides[:2]
    return relation.sides[: first + 1]


def _common_value(sides: Sequence[Formula]) -> Structure:
    for one, other in pairwise(sides):
        equal = same_value(_bare(one), _bare(other))
        if equal is Equal.NO:
            return Contradiction()
        if equal is Equal.UNKNOWN:
            raise Unreadable("it cannot be told whether its chain of equalities holds")
    return structure_of(sides[-1])


def _bare(formula: Formula) -> Formula:
    """A quantity as a number of base units, so that `1 m = 100 cm` holds."""
    if not isinstance(formula, Quantity):
        return formula
    return Apply("mul", (formula.value, Number(formula.unit.factor)))


def _name_of(formula: Formula) -> str | None:
    """What a side names, if it is a name: a variable, a segment such as `AB`, a tuple of variables."""
    if isinstance(formula, Variable):
        return formula.name
    if isinstance(formula, Items) and all(isinstance(item, Variable) for item in formula.items):
        return "(" + ",".join(item.name for item in formula.items if isinstance(item, Variable)) + ")"
    if isinstance(formula, Apply) and formula.name == "mul":
        names = [_name_of(argument) for argument in formula.args]
        if all(name is not None and name.isalpha() and name.isupper() for name in names):
            return "".join(filter(None, names))
    return None


def _of_inequalities(relation: Relation) -> Structure:
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
    raise Unreadable("this chain of inequalities is no interval")


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


# ----------------------------------------------------------------------------------- sets and lists


def _of_items(items: Items) -> Structure:
    if len(items.items) > _MOST_ITEMS:
        raise Unreadable(f"has {len(items.items)} items, more than {_MOST_ITEMS}")
    if items.left and items.left != "{":
        return items
    parts = [structure_of(item) for item in items.items]
    inner = [part.value if isinstance(part, Named) else part for part in parts]
    regions = [part for part in inner if isinstance(part, Region)]
    names = {part.name for part in parts if isinstance(part, Named)}
    if (
        not items.left
        and len(regions) == len(parts)
        and items.joiner in ("or", "and")
        and len(names) <= 1
    ):
        whole = joined(regions, union=items.joiner == "or")
        return Named(names.pop(), whole) if names else whole
    if not items.left and all(isinstance(part, Named) for part in parts):
        named = [part for part in parts if isinstance(part, Named)]
        values = [part.value for part in named if isinstance(part.value, get_args(Formula))]
        if len(names) == 1 and len(values) == len(named):
            return Named(named[0].name, _flat(Items(tuple(values), joiner=items.joiner)))
    return _flat(items)


def _flat(items: Items) -> Items:
    """With `±` written out."""
    flat: list[Formula] = []
    for item in items.items:
        signs = _signs(item)
        flat.extend(signs if signs is not None else (item,))
    return Items(tuple(flat), items.left, items.right, items.joiner)


def _signs(formula: Formula) -> tuple[Formula, ...] | None:
    """Both readings of an expression with `±`; None for one without."""
    plus, minus = _with_sign(formula, 1), _with_sign(formula, -1)
    return None if plus == minus else (plus, minus)


def _with_sign(formula: Formula, sign: int) -> Formula:
    if isinstance(formula, Quantity):
        return Quantity(_with_sign(formula.value, sign), formula.unit)
    if not isinstance(formula, Apply):
        return formula
    arguments = tuple(_with_sign(argument, sign) for argument in formula.args)
    if formula.name in ("plus_minus", "minus_plus"):
        left, right = arguments
        minus = (formula.name == "plus_minus") == (sign < 0)
        return Apply("add", (left, Apply("neg", (right,)) if minus else right))
    return Apply(formula.name, arguments)


def region_of(structure: Structure) -> Region | None:
    """The region of an interval in brackets, `R`, or a set of numbers; None for anything else."""
    if isinstance(structure, Region):
        return structure
    if isinstance(structure, NamedSet):
        return Region(()) if structure.name == "empty" else None
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
        raise Unreadable("only intervals and sets of numbers are joined and cut here")
    if operation.name == "setminus":
        return joined([one, complement(other)], union=False)
    return joined([one, other], union=operation.name == "cup")


def named_value(structure: Structure) -> Structure:
    """What a name stands for; anything else as it is."""
    if not isinstance(structure, Named):
        return structure
    value = structure.value
    if isinstance(value, Named | Equation | Inequality | Contradiction | Region):
        return value
    return structure_of(value)
