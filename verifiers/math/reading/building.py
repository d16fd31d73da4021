"""Builds formulas from formulas; simplifies only what people read as one value, as 3/4."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from fractions import Fraction

from verifiers.math.equality.numeric import variables
from verifiers.math.forms.nodes import (
    Apply,
    Congruence,
    Constant,
    Formula,
    Items,
    Matrix,
    Number,
    Numeral,
    Quantity,
    Relation,
    Unreadable,
    Variable,
)
from verifiers.math.forms.units import PERCENT, Unit, read_unit

_PERCENT_WORDS = frozenset(["percent", "percentage", "per cent", "pct"])


def sum_of(terms: list[Formula]) -> Formula:
    """The sum of one or more terms; a sum of quantities in one unit has that unit."""
    if len(terms) == 1:
        return terms[0]
    quantities = [term for term in terms if isinstance(term, Quantity)]
    if len(quantities) == len(terms) and len({term.unit for term in quantities}) == 1:
        return Quantity(sum_of([term.value for term in quantities]), quantities[0].unit)
    last = terms[-1]
    if len(quantities) == 1 and isinstance(last, Quantity) and any(map(variables, terms[:-1])):
        # As in `2 \cos t + \sin t \text{ cm}`, where the unit belongs to the sum.
        return Quantity(Apply("add", (*terms[:-1], last.value)), last.unit)
    return Apply("add", tuple(terms))


def product(left: Formula, right: Formula) -> Formula:
    """A product; chained factors become one product, without nesting."""
    if isinstance(left, Quantity) and not isinstance(right, Quantity):
        return Quantity(product(left.value, right), left.unit)
    if isinstance(right, Quantity) and not isinstance(left, Quantity):
        return Quantity(product(left, right.value), right.unit)
    if isinstance(left, Apply) and left.name == "mul":
        return Apply("mul", (*left.args, right))
    return Apply("mul", (left, right))


def residues(items: Sequence[Formula]) -> Congruence | None:
    """`x = 1, 3 (mod 8)`; None for anything else."""
    first, last = items[0], items[-1]
    if not (isinstance(last, Congruence) and last.left is None and isinstance(first, Relation)):
        return None
    between = items[1:-1]
    if first.signs != ("=",) or any(isinstance(one, Relation | Congruence) for one in between):
        return None
    return Congruence(first.sides[0], Items((first.sides[1], *between, last.right)), last.modulus)


def solutions(items: Sequence[Formula], between: Sequence[AbstractSet[str]]) -> Items | None:
    """`x=1, y=2 or x=3, y=4` as a list of two solutions; None for anything else."""
    for sign in ("or", ";"):
        groups = [[items[0]]]
        for item, separators in zip(items[1:], between, strict=True):
            if sign in separators:
                groups.append([item])
            else:
                groups[-1].append(item)
        names = [[_name_of_equation(item) for item in group] for group in groups]
        distinct = all(None not in group and len(set(group)) == len(group) > 1 for group in names)
        if distinct and len(groups) > 1 and len({frozenset(group) for group in names}) == 1:
            return Items(tuple(Items(tuple(group)) for group in groups))
    return None


def _name_of_equation(formula: Formula) -> str | None:
    if (
        isinstance(formula, Relation)
        and formula.signs == ("=",)
        and isinstance(formula.sides[0], Variable)
    ):
        return formula.sides[0].name
    return None


def negative(formula: Formula) -> Formula:
    """The formula with its sign changed."""
    if isinstance(formula, Number):
        return Number(-formula.value, formula.places)
    if isinstance(formula, Quantity):
        return Quantity(negative(formula.value), formula.unit)
    if isinstance(formula, Numeral) and value_of(formula):
        return Numeral(
            "-" + formula.digits if formula.digits[0] != "-" else formula.digits[1:], formula.base
        )
    return Apply("neg", (formula,))


def divide(top: Formula, bottom: Formula) -> Formula:
    """A quotient; two whole numbers or fractions give a number."""
    if not (isinstance(top, Number) and isinstance(bottom, Number)) or not bottom.value:
        return quotient(top, bottom)
    if top.places is None and bottom.places is None:
        return Number(top.value / bottom.value)
    return Apply("div", (top, bottom))


def quotient(top: Formula, bottom: Formula) -> Formula:
    """A quotient as an operation; a quantity keeps its unit. Raises Unreadable."""
    if isinstance(top, Quantity) and not isinstance(bottom, Quantity):
        return Quantity(quotient(top.value, bottom), top.unit)
    if not isinstance(top, Number | Variable | Constant | Apply | Quantity | Matrix):
        raise Unreadable(f"a {type(top).__name__} cannot be divided")
    return Apply("div", (top, bottom))


def in_base_units(value: Formula, unit: Unit) -> Formula:
    """A value in a unit as an expression in base units; degrees become radians."""
    turn = Apply("div", (Constant("pi"), Number(Fraction(180))))
    return Apply("mul", (value, Number(unit.factor), *[turn] * unit.half_turns))


def has_absolute_value(formula: Formula) -> bool:
    """Whether a factor of the product is an absolute value."""
    factors = formula.args if isinstance(formula, Apply) and formula.name == "mul" else (formula,)
    return any(isinstance(factor, Apply) and factor.name == "abs" for factor in factors)


def joined_quantities(one: Formula, other: Formula) -> Formula:
    """`2 hours 30 minutes` in the first unit. Raises Unreadable if the units do not fit."""
    if not (isinstance(one, Quantity) and isinstance(other, Quantity) and one.unit.measures):
        raise Unreadable("two adjacent quantities do not make one")
    if one.unit.dimensions != other.unit.dimensions:
        raise Unreadable("two quantities of different dimensions do not make one")
    factor = Number(other.unit.factor / one.unit.factor)
    return Quantity(sum_of([one.value, product(other.value, factor)]), one.unit)


def proper_fraction(formula: Formula) -> Fraction | None:
    """The value of a fraction between 0 and 1, as in a mixed number; None for anything else."""
    if isinstance(formula, Apply) and formula.name == "div":
        formula = divide(*formula.args)
    if isinstance(formula, Number) and formula.places is None and 0 < formula.value < 1:
        return formula.value
    return None


def determinant(rows: tuple[tuple[Formula, ...], ...]) -> Formula:
    """The determinant of a square matrix, expanded along its first row."""
    if len(rows) == 1:
        return rows[0][0]
    terms = []
    for column, entry in enumerate(rows[0]):
        minor = tuple(row[:column] + row[column + 1 :] for row in rows[1:])
        term = Apply("mul", (entry, determinant(minor)))
        terms.append(Apply("neg", (term,)) if column % 2 else term)
    return Apply("add", tuple(terms))


def numeral(digits: str, base: int) -> Numeral:
    """Digits in a base. Raises Unreadable for a digit outside the base."""
    if not 2 <= base <= 36 or any(int(digit, 36) >= base for digit in digits if digit != "."):
        raise Unreadable(f"{digits} is not a numeral in base {base}")
    whole, _, places = digits.partition(".")
    places = places.rstrip("0")
    return Numeral((whole.lstrip("0") or "0") + ("." + places if places else ""), base)


def value_of(numeral: Numeral) -> Fraction:
    """The number that a numeral stands for."""
    whole, _, places = numeral.digits.partition(".")
    return int(whole + places, numeral.base) / Fraction(numeral.base) ** len(places)


def with_unit(formula: Formula, text: str) -> Formula:
    """The formula with the unit that the following words name. Raises Unreadable."""
    unit = PERCENT if text.lower() in _PERCENT_WORDS else read_unit(text)
    if unit is None:
        raise Unreadable(f"{text[:40]!r} is not a unit")
    if isinstance(formula, Quantity):
        if unit.measures:
            raise Unreadable(f"{text[:40]!r} is a second unit")
        return formula
    return Quantity(formula, unit)
