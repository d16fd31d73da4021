"""Normal forms of formulas as written: nothing is computed, only the order is made uniform.

`6/8` and `\\frac68` stay six eighths. Two formulas have the same normal form if they differ only in
notation, in the order or grouping of sums and products, in the position of a minus sign, in factors of
1 or terms of 0, or in a quotient written as a product. Different normal forms may still be equal.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache

from verifiers.math.forms.nodes import (
    Apply,
    Constant,
    Formula,
    Items,
    Matrix,
    Number,
    Quantity,
    Ratio,
    Relation,
    SetOperation,
    Variable,
)
from verifiers.math.reading.grammar import Parser, read_by
from verifiers.math.reading.tokens import Token

_ZERO, _ONE, _TWO = (Number(Fraction(value)) for value in range(3))
_TEN = Number(Fraction(10))
_SCIENTIFIC = re.compile(r"[\d.]+[eE][+-]?\d+")
_ANY_ORDER = frozenset(["gcd", "lcm", "max", "min", "cup", "cap"])
_TURNED = {"<": ">", "<=": ">="}
ARITHMETIC = frozenset(["add", "mul", "div", "neg", "pow", "mixed", "plus_minus", "minus_plus"])
"""Operations with a sign of their own; all others are functions."""


class _AsWritten(Parser):
    def number(self, token: Token) -> Formula:
        if not _SCIENTIFIC.fullmatch(token.text):
            return super().number(token)
        mantissa, _, exponent = token.text.lower().partition("e")
        places = len(mantissa.partition(".")[2]) or None
        power = Apply("pow", (_TEN, Number(Fraction(int(exponent)))))
        return Apply("mul", (Number(Fraction(mantissa), places), power))

    def fraction(self, top: Formula, bottom: Formula) -> Formula:
        return Apply("div", (top, bottom))

    def mixed(self, whole: Number, fraction: Formula, value: Fraction) -> Formula:
        return Apply("mixed", (whole, fraction))


@lru_cache(maxsize=1024)
def read_as_written(text: str) -> Formula:
    """The normal form of a formula. Raises Unreadable."""
    return normal_form(read_by(_AsWritten, text))


def normal_form(formula: Formula) -> Formula:
    """The form that all notations of the formula have in common."""
    match formula:
        case Number():
            decimal = formula.places is not None and formula.value.denominator != 1
            size = Number(abs(formula.value), 0 if decimal else None)
            return _with_sign(formula.value < 0, size)
        case Apply():
            return _of_operation(formula.name, [normal_form(part) for part in formula.args])
        case Quantity():
            return Quantity(normal_form(formula.value), formula.unit)
        case Items():
            return Items(tuple(map(normal_form, formula.items)), formula.left, formula.right)
        case Relation():
            return _of_relation(formula)
        case SetOperation():
            sides = [normal_form(formula.left), normal_form(formula.right)]
            left, right = _ordered(sides) if formula.name in _ANY_ORDER else sides
            return SetOperation(formula.name, left, right)
        case Ratio():
            return Ratio(tuple(map(normal_form, formula.parts)))
        case Matrix():
            return Matrix(tuple(tuple(map(normal_form, row)) for row in formula.rows))
    return formula


def parts_of(formula: Formula) -> Iterator[Formula]:
    """The formula and all its parts, recursively."""
    yield formula
    match formula:
        case Apply():
            inner: tuple[Formula, ...] = formula.args
        case Quantity():
            inner = (formula.value,)
        case Items():
            inner = formula.items
        case Relation():
            inner = formula.sides
        case SetOperation():
            inner = (formula.left, formula.right)
        case Ratio():
            inner = formula.parts
        case Matrix():
            inner = tuple(entry for row in formula.rows for entry in row)
        case _:
            inner = ()
    for part in inner:
        yield from parts_of(part)


def without_sign(formula: Formula) -> Formula:
    """The formula without a minus sign before the whole."""
    return formula.args[0] if isinstance(formula, Apply) and formula.name == "neg" else formula


def is_fraction(formula: Formula) -> bool:
    """Whether it is one whole number over another."""
    return (
        isinstance(formula, Apply) and formula.name == "div" and all(map(is_whole_number, formula.args))
    )


def is_whole_number(formula: Formula) -> bool:
    """Whether it is a non-negative whole number."""
    return isinstance(formula, Number) and formula.value.denominator == 1


def is_closed(formula: Formula) -> bool:
    """Whether it is an expression without variables."""
    return isinstance(formula, Number | Constant | Apply | Quantity) and not any(
        isinstance(part, Variable) or (isinstance(part, Apply) and part.name.endswith("()"))
        for part in parts_of(formula)
    )


def _of_operation(name: str, args: list[Formula]) -> Formula:
    if name == "add":
        return _sum(args)
    if name in ("mul", "div", "neg"):
        return _product(name, args)
    if name in ("sqrt", "cbrt"):
        return Apply("root", (args[0], _TWO if name == "sqrt" else Number(Fraction(3))))
    if name == "pow":
        return _power(*args)
    return Apply(name, tuple(_ordered(args) if name in _ANY_ORDER else args))


def _sum(terms: list[Formula]) -> Formula:
    flat: list[Formula] = []
    for term in terms:
        flat += term.args if isinstance(term, Apply) and term.name == "add" else (term,)
    flat = [term for term in flat if term != _ZERO]
    return Apply("add", tuple(_ordered(flat))) if len(flat) > 1 else (flat or [_ZERO])[0]


def _product(name: str, args: list[Formula]) -> Formula:
    """One quotient of two products, with its sign in front."""
    negative, above, below = _factors(Apply(name, tuple(args)))
    top, bottom = _of_factors(above), _of_factors(below)
    return _with_sign(negative, top if bottom == _ONE else Apply("div", (top, bottom)))


def _factors(formula: Formula) -> tuple[bool, list[Formula], list[Formula]]:
    """Whether it has a minus sign in front, its factors above the bar, and those below."""
    if not isinstance(formula, Apply) or formula.name not in ("mul", "div", "neg"):
        return False, [formula], []
    negative, above, below = formula.name == "neg", [], []
    for place, part in enumerate(formula.args):
        other, over, under = _factors(part)
        negative ^= other
        if formula.name == "div" and place == 1:
            over, under = under, over
        above += over
        below += under
    return negative, above, below


def _of_factors(factors: list[Formula]) -> Formula:
    factors = [factor for factor in factors if factor != _ONE]
    return Apply("mul", tuple(_ordered(factors))) if len(factors) > 1 else (factors or [_ONE])[0]


def _power(base: Formula, exponent: Formula) -> Formula:
    if exponent == _ONE:
        return base
    if isinstance(exponent, Apply) and exponent.name == "neg" and base != _TEN:
        return Apply("div", (_ONE, _power(base, exponent.args[0])))
    if is_fraction(exponent) and isinstance(exponent, Apply) and exponent.args[0] == _ONE:
        return Apply("root", (base, exponent.args[1]))
    return Apply("pow", (base, exponent))


def _of_relation(relation: Relation) -> Formula:
    """The sides of an equation in a canonical order; `<` becomes `>`."""
    sides, signs = [*map(normal_form, relation.sides)], list(relation.signs)
    if all(sign in ("=", "approx") for sign in signs):
        return Relation(tuple(_ordered(sides)), tuple(signs))
    if all(sign in _TURNED for sign in signs):
        return Relation(tuple(reversed(sides)), tuple(_TURNED[sign] for sign in reversed(signs)))
    return Relation(tuple(sides), tuple(signs))


def _with_sign(negative: bool, formula: Formula) -> Formula:
    return Apply("neg", (formula,)) if negative else formula


def _ordered(parts: "list[Formula] | tuple[Formula, ...]") -> list[Formula]:
    return sorted(parts, key=repr)
