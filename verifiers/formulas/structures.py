"""What an answer says beyond its notation: the value that `x = 5` names, the interval `1 < x < 2`.

`structure_of` takes a formula as it was read and gives a statement, or the formula itself.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import get_args

from verifiers.formulas.building import in_base_units, joined_quantities
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
from verifiers.formulas.statements import (
    Assignment,
    Contradiction,
    Equation,
    Family,
    Inequality,
    Named,
    Structure,
)

ZERO = Number(Fraction(0))
_EITHER_SIGN = frozenset(["plus_minus", "minus_plus"])
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_MOST_ITEMS = 200


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
    if (assignment := _of_shared_value(sides)) is not None:
        return assignment
    separate = variables(sides[0]).isdisjoint(variables(sides[-1]))
    for name, others in ((_name_of(sides[0]), sides[1:]), (_name_of(sides[-1]), sides[:-1])):
        if name and separate:
            value = _common_value(others)
            return value if isinstance(value, Contradiction) else Named(name, value)
    if not any(map(variables, sides)):
        return _common_value(sides)
    if len(sides) == 2:
        return structure_of(sides[1]) if same_value(*sides) is Equal.YES else Equation(*sides)
    return _common_value(sides)


def _of_shared_value(sides: tuple[Formula, ...]) -> Structure | None:
    """`x = y = 3` says what both are."""
    names = [side.name for side in sides[:-1] if isinstance(side, Variable)]
    if len(names) < 2 or len(names) < len(sides) - 1 or variables(sides[-1]):
        return None
    value = structure_of(sides[-1])
    return Assignment(tuple(Named(name, value) for name in sorted(set(names))))


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
        if variables(one) != variables(other):
            continue  # as in `A = b h / 2 = 24`, where letters stand for numbers
        equal = same_value(_bare(one), _bare(other))
        if equal is Equal.NO:
            return Contradiction()
        if equal is Equal.UNKNOWN:
            raise Unreadable("it cannot be told whether its chain of equalities holds")
    return structure_of(sides[-1])


def _bare(formula: Formula) -> Formula:
    """A quantity as a number of base units, so that `1 m = 100 cm` holds."""
    return in_base_units(formula.value, formula.unit) if isinstance(formula, Quantity) else formula


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
    if not items.left and len(regions) == len(parts) and len(names) <= 1:
        whole = _joined_regions(regions, items.joiner)
        return Named(names.pop(), whole) if names else whole
    if not items.left and (special := _of_parts(parts, items)) is not None:
        return special
    return _flat(items)


def _joined_regions(regions: Sequence[Region], joiner: str) -> Region:
    """By "or" and "and"; by a comma what they have in common, or all of them if that is nothing."""
    common = joined(regions, union=False)
    if joiner == "or" or (joiner == "," and not common.intervals):
        return joined(regions, union=True)
    return common


def _of_parts(parts: Sequence[Structure], items: Items) -> Structure | None:
    """What a list without brackets says beyond its items."""
    named = [part for part in parts if isinstance(part, Named)]
    last = parts[-1]
    if len(parts) == 2 and isinstance(last, Named) and isinstance(last.value, NamedSet):
        return Family(items.items[0], last.name, last.value)
    if len(named) == len(parts):
        return _of_named(named, items.joiner)
    quantities = [part for part in parts if isinstance(part, Quantity)]
    if len(quantities) == len(parts) == 2 and items.joiner == "and":
        return _of_compound(quantities[0], quantities[1])
    return None


def _of_named(named: Sequence[Named], joiner: str) -> Structure:
    """Several values of one variable, or an assignment."""
    values = [part.value for part in named if isinstance(part.value, get_args(Formula))]
    names = {part.name for part in named}
    if len(names) == 1 and len(values) == len(named):
        return Named(names.pop(), _flat(Items(tuple(values), joiner=joiner)))
    if len(names) < len(named) or joiner == "or":
        raise Unreadable("a name with several values among others")
    return Assignment(tuple(sorted(named, key=lambda part: part.name)))


def _of_compound(one: Quantity, other: Quantity) -> Structure | None:
    """`2 hours and 30 minutes`."""
    smaller = other.unit.factor < one.unit.factor
    if not one.unit.measures or one.unit.dimensions != other.unit.dimensions or not smaller:
        return None
    return joined_quantities(one, other)


def _flat(items: Items) -> Items:
    """With `±` written out."""
    flat: list[Formula] = []
    for item in items.items:
        signs = _signs(item)
        flat.extend(signs if signs is not None else (item,))
    return Items(tuple(flat), items.left, items.right, items.joiner)


def _signs(formula: Formula) -> tuple[Formula, ...] | None:
    """Both readings of an expression with `±`; None for one without."""
    if _num_signs(formula) > 1:
        raise Unreadable("several signs \u00b1 do not say which belong together")
    plus, minus = _with_sign(formula, 1), _with_sign(formula, -1)
    return None if plus == minus else (plus, minus)


def _num_signs(formula: Formula) -> int:
    if isinstance(formula, Quantity):
        return _num_signs(formula.value)
    if not isinstance(formula, Apply):
        return 0
    return (formula.name in _EITHER_SIGN) + sum(map(_num_signs, formula.args))


def _with_sign(formula: Formula, sign: int) -> Formula:
    if isinstance(formula, Quantity):
        return Quantity(_with_sign(formula.value, sign), formula.unit)
    if not isinstance(formula, Apply):
        return formula
    arguments = tuple(_with_sign(argument, sign) for argument in formula.args)
    if formula.name in _EITHER_SIGN:
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
        raise Unreadable("only intervals and sets of numbers are joined and cut here")
    if operation.name == "setminus":
        return joined([one, complement(other)], union=False)
    return joined([one, other], union=operation.name == "cup")


def named_value(structure: Structure) -> Structure:
    """What a name stands for; anything else as it is."""
    if not isinstance(structure, Named):
        return structure
    value = structure.value
    return structure_of(value) if isinstance(value, get_args(Formula)) else value
