"""Decides whether two expressions are equal: by exact value, or by values at several points.

Different values at one point prove inequality. Equal values to 110 digits or more at every point count
as equality, after Schwartz and Zippel. If digits would be lost, in sums of numbers of very different
sizes, more are computed; if 1500 are too few, the result is UNKNOWN.

Expressions are compared where both are real, because that is what answers mean: `x/x` equals 1, and
`2 ln x` equals `ln x^2`, but `sqrt(x^2)` is not `x`. Without such a point complex values are compared.
"""

from collections.abc import Iterable
from enum import Enum
from functools import lru_cache
from typing import Any

import mpmath

from verifiers.math.equality.exact_values import Undefined, exact_or_none, exact_value
from verifiers.math.equality.numeric import MOST_DIGITS, Evaluator, TooFewDigits, TooLarge, variables
from verifiers.math.equality.points import Point, points
from verifiers.math.forms.calls import calls_in, with_calls_named
from verifiers.math.forms.nodes import Apply, Formula, Number, Variable

_DIGITS = (30, 160, 400, MOST_DIGITS)
"""Digits for a quick comparison, for confirmation, and for terms of very different sizes."""
_QUICK, _SURE = 0, 1
_MARGINS = (12, 50, 50, 50)
"""Digits at each level that cancellation may spoil; numeric.py enforces the limit."""
_ENOUGH = 3
_EVALUATORS = {
    (level, base): Evaluator(digits, log_base=base)
    for level, digits in enumerate(_DIGITS)
    for base in (None, 10)
}


class Equal(Enum):
    """Result of comparing two answers."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


def same_value(one: Formula, other: Formula) -> Equal:
    """Whether two expressions are equal. Raises TooLarge if their values cannot be computed."""
    if one == other:
        return Equal.YES
    calls = calls_in(one), calls_in(other)
    if any(calls):
        found = same_value(with_calls_named(one), with_calls_named(other))
        return found if calls[0] == calls[1] or found is Equal.YES else Equal.UNKNOWN
    try:
        values = exact_value(one), exact_value(other)
    except Undefined:
        return Equal.UNKNOWN
    if None not in values:
        return Equal.YES if values[0] == values[1] else Equal.NO
    if (powers := _same_powers(one, other)) is not None:
        return powers
    found = _same_by_numbers(one, other, None)
    if found is not Equal.YES and (_uses(one, _LOG) or _uses(other, _LOG)):
        # Authors disagree on whether `\log` is the natural or the decimal logarithm.
        decimal = _same_by_numbers(one, other, 10)
        found = decimal if decimal is Equal.YES else found
    return found


def _same_powers(one: Formula, other: Formula) -> Equal | None:
    """Whether powers too large to compute are equal; None if that is not obvious."""
    powers = _power_of(one), _power_of(other)
    if powers[0] is not None and powers[1] is not None and powers[0][0] == powers[1][0]:
        found = same_value(powers[0][1], powers[1][1])
        return None if found is Equal.UNKNOWN else found
    for power, number in ((one, other), (other, one)):
        value = exact_or_none(number)
        if value is not None and _is_above(power, abs(value).numerator.bit_length()):
            return Equal.NO
    return None


def _power_of(formula: Formula) -> tuple[int, Formula] | None:
    """Base and exponent of a power of a whole number above 1, whose exponent is a number."""
    if not isinstance(formula, Apply) or formula.name != "pow" or variables(formula.args[1]):
        return None
    base, exponent = formula.args
    if not isinstance(base, Number) or base.value.denominator != 1 or base.value <= 1:
        return None
    return int(base.value), exponent


def _is_above(formula: Formula, num_bits: int) -> bool:
    """Whether a power exceeds all numbers of `num_bits` bits: `b^n` is at least `2^n`."""
    power = _power_of(formula)
    if power is None:
        return False
    exponent = exact_or_none(power[1])
    return exponent > num_bits if exponent is not None else _is_above(power[1], num_bits.bit_length())


def real_value(formula: Formula) -> Any:
    """The real value of a constant, or None if it has none."""
    try:
        value = _EVALUATORS[_QUICK, None].value(formula, {})
    except (Undefined, KeyError):
        return None
    return _as_real(value, _QUICK)


def constant_ratio(one: Formula, other: Formula) -> tuple[Equal, int]:
    """Whether `one` is a constant times `other`, and the constant's sign."""
    calls = calls_in(one), calls_in(other)
    if any(calls):
        found, sign = constant_ratio(with_calls_named(one), with_calls_named(other))
        return (found if calls[0] == calls[1] or found is Equal.YES else Equal.UNKNOWN), sign
    ratios: list[Any] = []
    for point in points(variables(one) | variables(other)):
        values = _values(one, other, point, _SURE, None)
        if values is None or any(map(mpmath.isinf, values[:2])):
            continue
        x, y, level = values
        if (x == 0) != (y == 0):
            return Equal.NO, 0
        if x != 0:
            ratios.append(x / y)
        if len(ratios) > 1 and not _close(ratios[-1], ratios[0], level):
            return Equal.NO, 0
    if len(ratios) < _ENOUGH:
        return Equal.UNKNOWN, 0
    return Equal.YES, 1 if mpmath.re(ratios[0]) > 0 else -1


class _Found(Enum):
    """Relation of two expressions at a point."""

    SAME = "the same real value"
    ZERO = "both zero"
    OTHER = "other real values"
    SAME_COMPLEX = "the same value, which is not real"
    OTHER_COMPLEX = "other values, which are not real"
    MIXED = "one is real, the other is not: their domains differ there"
    NOTHING = "one has no value that can be computed"


def _same_by_numbers(one: Formula, other: Formula, log_base: int | None) -> Equal:
    names = variables(one) | variables(other)
    agreed: dict[_Found, list[Point]] = {found: [] for found in _Found}
    for point in _points_for(one, other, names):
        found = _at(one, other, point, _QUICK, log_base)
        if found in (_Found.OTHER, _Found.OTHER_COMPLEX):
            # Lost digits can make equal values look different: compare again with more digits.
            found = _at(one, other, point, _SURE, log_base)
        if found is _Found.OTHER:
            return Equal.NO
        agreed[found].append(point)
    enough = _ENOUGH if names else 1
    same = agreed[_Found.SAME] or agreed[_Found.ZERO]
    if len(same) < enough:
        if agreed[_Found.OTHER_COMPLEX]:
            return Equal.UNKNOWN if same else Equal.NO
        same = same + agreed[_Found.SAME_COMPLEX]
    if len(same) < enough:
        # Each is real only where the other is not: they have no value in common.
        return Equal.NO if not same and len(agreed[_Found.MIXED]) >= _ENOUGH else Equal.UNKNOWN
    return _confirm(one, other, same[:_ENOUGH] + same[-1:], log_base)


def _points_for(one: Formula, other: Formula, names: frozenset[str]) -> Iterable[Point]:
    if not names:
        return [{}]
    steps = _uses(one, _STEPS) or _uses(other, _STEPS)
    return points(names, _whole(one) | _whole(other), steps=steps, bends=_bends(one) or _bends(other))


def _confirm(one: Formula, other: Formula, same: Iterable[Point], log_base: int | None) -> Equal:
    for point in same:
        found = _at(one, other, point, _SURE, log_base)
        if found in (_Found.OTHER, _Found.OTHER_COMPLEX):
            return Equal.NO
        if found is _Found.NOTHING:
            return Equal.UNKNOWN
    return Equal.YES


def _at(one: Formula, other: Formula, point: Point, level: int, log_base: int | None) -> _Found:
    values = _values(one, other, point, level, log_base)
    if values is None:
        return _Found.NOTHING
    x, y, level = values
    real = [_as_real(value, level) for value in (x, y)]
    if None not in real:
        if real[0] == real[1] == 0:
            return _Found.ZERO
        return _Found.SAME if _close(real[0], real[1], level) else _Found.OTHER
    if (real[0] is None) != (real[1] is None) and point:
        return _Found.MIXED
    return _Found.SAME_COMPLEX if _close(x, y, level) else _Found.OTHER_COMPLEX


def _values(
    one: Formula, other: Formula, point: Point, level: int, log_base: int | None
) -> tuple[Any, Any, int] | None:
    """Both values, and the level of digits that they needed; None if either has no value."""
    while level < len(_DIGITS):
        evaluator = _EVALUATORS[level, log_base]
        try:
            x, y = evaluator.value(one, point), evaluator.value(other, point)
            if level >= _SURE:
                x, y = (
                    _or_zero(x, one, point, level, log_base),
                    _or_zero(y, other, point, level, log_base),
                )
            return x, y, level
        except TooFewDigits:
            level += 1
        except Undefined:
            return None
        except TooLarge:
            if not point:
                raise
            return None
    return None


def _or_zero(value: Any, formula: Formula, point: Point, level: int, log_base: int | None) -> Any:
    """Zero for a tiny value that changes with the number of digits, and so is only rounding error."""
    if value == 0 or mpmath.mag(value) > -_DIGITS[level]:
        return value
    if level + 1 == len(_DIGITS):
        raise Undefined("a value that may be zero up to rounding")
    surer = _EVALUATORS[level + 1, log_base].value(formula, point)
    return 0 * value if abs(surer - value) > abs(value) / 2 else value


def _as_real(value: Any, level: int) -> Any:
    """The value as a real number; None if its imaginary part is more than rounding error."""
    if mpmath.isinf(value):
        return value
    imaginary = abs(mpmath.im(value))
    if imaginary == 0 or imaginary < abs(value) * _tolerance(level):
        return _EVALUATORS[level, None].context.re(value)
    return None


def _close(x: Any, y: Any, level: int) -> bool:
    if x == y:
        return True
    if mpmath.isinf(x) or mpmath.isinf(y):
        return False
    return bool(abs(x - y) <= max(abs(x), abs(y)) * _tolerance(level))


def _tolerance(level: int) -> Any:
    return _EVALUATORS[level, None].context.mpf(10) ** (_MARGINS[level] - _DIGITS[level])


@lru_cache(maxsize=4096)
def _whole(formula: Formula) -> frozenset[str]:
    """Variables for natural numbers: in factorials, and in exponents of negative numbers."""
    if not isinstance(formula, Apply):
        return frozenset()
    inner = frozenset().union(*map(_whole, formula.args))
    if formula.name in ("factorial", "binom"):
        return inner | variables(formula)
    if formula.name == "pow" and _is_negative(formula.args[0]):
        return inner | variables(formula.args[1])
    return inner


def _is_negative(formula: Formula) -> bool:
    if isinstance(formula, Apply) and formula.name == "neg":
        return not isinstance(formula.args[0], Variable)
    return isinstance(formula, Number) and formula.value < 0


_STEPS = frozenset(["floor", "ceil", "sgn"])
_BENDS = frozenset(["abs", "max", "min"])
_LOG = frozenset(["log"])


def _bends(formula: Formula) -> bool:
    """Whether it contains |x|, possibly as the root of a square."""
    if not isinstance(formula, Apply):
        return False
    is_root_of_power = formula.name in ("sqrt", "root") and any(
        isinstance(argument, Apply) and argument.name == "pow" for argument in formula.args
    )
    return formula.name in _BENDS or is_root_of_power or any(map(_bends, formula.args))


def _uses(formula: Formula, functions: frozenset[str]) -> bool:
    if not isinstance(formula, Apply):
        return False
    return formula.name in functions or any(_uses(argument, functions) for argument in formula.args)


__all__ = ["Equal", "Point", "TooLarge", "constant_ratio", "points", "real_value", "same_value"]
