"""The exact value of an expression, if it is rational and not too large to compute."""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache

from verifiers.math.forms.nodes import Apply, Formula, Number

_MOST_BITS = 30_000
"""Largest exact value, in bits."""
_MOST_FACTORIAL = 2_000


class Undefined(ArithmeticError):
    """The expression has no value at this point, for example because of a division by zero."""


@lru_cache(maxsize=4096)
def exact_value(formula: Formula) -> Fraction | None:
    """The rational value; None if it is irrational, not known to be rational, or too large.

    Raises Undefined for a division by zero.
    """
    if isinstance(formula, Number):
        return formula.value
    if not isinstance(formula, Apply) or formula.name not in _EXACT:
        return None
    arguments = []
    for argument in formula.args:
        value = exact_value(argument)
        if value is None:
            return None
        arguments.append(value)
    result = _EXACT[formula.name](*arguments)
    if result is not None and _bits(result) > _MOST_BITS:
        return None
    return result


def exact_or_none(formula: Formula) -> Fraction | None:
    """The rational value; None also if the expression has no value."""
    try:
        return exact_value(formula)
    except Undefined:
        return None


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _exact_product(*factors: Fraction) -> Fraction | None:
    product = Fraction(1)
    for factor in factors:
        product *= factor
        if _bits(product) > _MOST_BITS:
            return None
    return product


def _exact_quotient(top: Fraction, bottom: Fraction) -> Fraction:
    if not bottom:
        raise Undefined("division by zero")
    return top / bottom


def _exact_power(base: Fraction, exponent: Fraction) -> Fraction | None:
    if exponent.denominator != 1:
        return _exact_root_power(base, exponent)
    power = exponent.numerator
    if not base and power <= 0:
        if power == 0:
            return Fraction(1)
        raise Undefined("division by zero")
    if base not in (0, 1, -1) and _bits(base) * abs(power) > _MOST_BITS:
        return None
    return base ** (power if abs(base) != 1 else power % 2)


def _exact_root_power(base: Fraction, exponent: Fraction) -> Fraction | None:
    """(a/b)^(p/q) if the root is rational."""
    root = _rational_root(base, exponent.denominator)
    return None if root is None else _exact_power(root, Fraction(exponent.numerator))


def _rational_root(base: Fraction, degree: int) -> Fraction | None:
    if base < 0:
        if degree % 2 == 0:
            return None
        positive = _rational_root(-base, degree)
        return None if positive is None else -positive
    parts = [_integer_root(part, degree) for part in (base.numerator, base.denominator)]
    return None if None in parts else Fraction(parts[0], parts[1])  # type: ignore[arg-type]  # None is excluded


def _integer_root(number: int, degree: int) -> int | None:
    """The root, if it is an integer."""
    if degree == 2:
        root = math.isqrt(number)
        return root if root * root == number else None
    if number < 2:
        return number
    if degree > number.bit_length():
        return None
    low, high = 1, 1 << (number.bit_length() // degree + 1)
    while low < high:
        middle = (low + high + 1) // 2
        if middle**degree <= number:
            low = middle
        else:
            high = middle - 1
    return low if low**degree == number else None


def _exact_factorial(number: Fraction) -> Fraction | None:
    if number.denominator != 1 or number < 0:
        return None
    return Fraction(math.factorial(int(number))) if number <= _MOST_FACTORIAL else None


def _exact_binomial(n: Fraction, k: Fraction) -> Fraction | None:
    if n.denominator != 1 or k.denominator != 1 or not 0 <= n <= _MOST_FACTORIAL or k < 0:
        return None
    return Fraction(math.comb(int(n), int(k)))


def _integers(function: Callable[..., int]) -> Callable[..., Fraction | None]:
    def apply(*numbers: Fraction) -> Fraction | None:
        if any(number.denominator != 1 for number in numbers):
            return None
        return Fraction(function(*(number.numerator for number in numbers)))

    return apply


_EXACT: Mapping[str, Callable[..., Fraction | None]] = {
    "add": lambda *terms: sum(terms, Fraction(0)),
    "neg": lambda x: -x,
    "mul": _exact_product,
    "div": _exact_quotient,
    "pow": _exact_power,
    "sqrt": lambda x: _rational_root(x, 2),
    "cbrt": lambda x: _rational_root(x, 3),
    "root": lambda x, n: _rational_root(x, int(n)) if n.denominator == 1 and 0 < n < 100 else None,
    "factorial": _exact_factorial,
    "binom": _exact_binomial,
    "abs": abs,
    "floor": lambda x: Fraction(math.floor(x)),
    "ceil": lambda x: Fraction(math.ceil(x)),
    "gcd": _integers(math.gcd),
    "lcm": _integers(math.lcm),
    "max": max,
    "min": min,
}
