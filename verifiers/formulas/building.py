"""Formulas made of formulas, simplified only where that is how people read them: 3/4 is one number."""

from fractions import Fraction

from verifiers.formulas.nodes import Apply, Formula, Number, Numeral, Quantity, Unreadable
from verifiers.formulas.units import PERCENT, read_unit

_PERCENT_WORDS = frozenset(["percent", "percentage", "per cent"])


def sum_of(terms: list[Formula]) -> Formula:
    """The sum of one or more terms."""
    return Apply("add", tuple(terms)) if len(terms) > 1 else terms[0]


def product(left: Formula, right: Formula) -> Formula:
    """A product; a chain of factors becomes one, so that it is not nested."""
    if isinstance(left, Apply) and left.name == "mul":
        return Apply("mul", (*left.args, right))
    return Apply("mul", (left, right))


def negative(formula: Formula) -> Formula:
    """The formula with its sign changed."""
    if isinstance(formula, Number):
        return Number(-formula.value, formula.places)
    if isinstance(formula, Quantity):
        return Quantity(negative(formula.value), formula.unit)
    return Apply("neg", (formula,))


def divide(top: Formula, bottom: Formula) -> Formula:
    """A quotient; that of two whole numbers or fractions is a number."""
    if not (isinstance(top, Number) and isinstance(bottom, Number)) or not bottom.value:
        return Apply("div", (top, bottom))
    if top.places is None and bottom.places is None:
        return Number(top.value / bottom.value)
    return Apply("div", (top, bottom))


def proper_fraction(formula: Formula) -> Fraction | None:
    """The value of a fraction between 0 and 1, as in a mixed number."""
    if isinstance(formula, Number) and formula.places is None and 0 < formula.value < 1:
        return formula.value
    return None


def determinant(rows: tuple[tuple[Formula, ...], ...]) -> Formula:
    """Of a square matrix, by its first row."""
    if len(rows) == 1:
        return rows[0][0]
    terms = []
    for column, entry in enumerate(rows[0]):
        minor = tuple(row[:column] + row[column + 1 :] for row in rows[1:])
        term = Apply("mul", (entry, determinant(minor)))
        terms.append(Apply("neg", (term,)) if column % 2 else term)
    return Apply("add", tuple(terms))


def numeral(digits: str, base: int) -> Numeral:
    """Digits in a base. Raises Unreadable for a digit that the base does not have."""
    if not 2 <= base <= 36 or any(int(digit, 36) >= base for digit in digits):
        raise Unreadable(f"{digits} is no numeral of base {base}")
    return Numeral(digits.lstrip("0") or "0", base)


def with_unit(formula: Formula, text: str) -> Formula:
    """The formula with the unit that the words after it name. Raises Unreadable."""
    unit = PERCENT if text.lower() in _PERCENT_WORDS else read_unit(text)
    if unit is None:
        raise Unreadable(f"{text[:40]!r} is no unit")
    if isinstance(formula, Quantity):
        if unit.measures:
            raise Unreadable(f"{text[:40]!r} is a second unit")
        return formula
    return Quantity(formula, unit)
