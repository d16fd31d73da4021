"""Are two expressions equal? By exact value, else by their values to many digits at several points.

Different values at one point prove that they are not. The same values to 150 digits at every point that
was tried are taken as equality, after Schwartz and Zippel: for what people write as answers a false
agreement would need a difference below 10^-140 of the values.

Expressions are compared where both are real, since that is where answers live: `x/x` equals 1, and
`2 ln x` equals `ln x^2`, but `sqrt(x^2)` is not `x`. Without such a point complex values are compared.
"""

import random
from collections.abc import Iterator, Mapping
from enum import Enum
from fractions import Fraction
from functools import lru_cache
from typing import Any

from verifiers.formulas.exact_values import Undefined, exact_value
from verifiers.formulas.nodes import Apply, Formula, Number, Variable
from verifiers.formulas.numeric import Evaluator, TooLarge, variables

Point = Mapping[str, Fraction]

_FEW_DIGITS, _MANY_DIGITS, _MOST_DIGITS = 30, 160, 400
_MARGIN_DIGITS = 12
"""Digits that an evaluation may lose by cancellation."""
_NUM_POINTS = 10
_ENOUGH = 3
_EVALUATORS = {
    (digits, base): Evaluator(digits, log_base=base)
    for digits in (_FEW_DIGITS, _MANY_DIGITS, _MOST_DIGITS)
    for base in (None, 10)
}


class Equal(Enum):
    """What is known of two answers."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


def same_value(one: Formula, other: Formula) -> Equal:
    """Whether two expressions are equal. Raises TooLarge where their values cannot be computed."""
    if one == other:
        return Equal.YES
    try:
        values = exact_value(one), exact_value(other)
    except Undefined:
        return Equal.UNKNOWN
    if None not in values:
        return Equal.YES if values[0] == values[1] else Equal.NO
    found = _same_by_numbers(one, other, None)
    if found is not Equal.YES and (_uses_log(one) or _uses_log(other)):
        # `\log` is the natural logarithm to some and the decimal one to others.
        decimal = _same_by_numbers(one, other, 10)
        found = decimal if decimal is Equal.YES else found
    return found


def real_value(formula: Formula, digits: int = _FEW_DIGITS) -> Any:
    """The real value of a constant, or None where there is none."""
    try:
        value = _EVALUATORS[digits, None].value(formula, {})
    except (Undefined, KeyError):
        return None
    return _as_real(value, _EVALUATORS[digits, None].context, digits)


def constant_ratio(one: Formula, other: Formula) -> tuple[Equal, int]:
    """Whether `one` is a constant times `other`, and the constant's sign."""
    evaluator = _EVALUATORS[_MANY_DIGITS, None]
    context, ratios = evaluator.context, []
    for point in points(variables(one) | variables(other), whole=frozenset()):
        try:
            x, y = evaluator.value(one, point), evaluator.value(other, point)
        except Undefined:
            continue
        if context.isinf(x) or context.isinf(y):
            continue
        if (x == 0) != (y == 0):
            return Equal.NO, 0
        if x != 0:
            ratios.append(x / y)
        if len(ratios) > 1 and not _close(ratios[-1], ratios[0], context, _MANY_DIGITS):
            return Equal.NO, 0
    if len(ratios) < _ENOUGH:
        return Equal.UNKNOWN, 0
    return Equal.YES, 1 if context.re(ratios[0]) > 0 else -1


def points(names: frozenset[str], whole: frozenset[str]) -> Iterator[Point]:
    """Points to try, always the same for the same names; variables in `whole` are natural numbers."""
    ordered = sorted(names)
    for number in range(_NUM_POINTS):
        chance = random.Random(f"{number} {ordered}")
        point = {}
        for name in ordered:
            if name in whole:
                point[name] = Fraction(chance.randint(1, 6) + number)
                continue
            value = Fraction(chance.randint(1, 10**6), chance.randint(10**5, 10**6))
            # Positive everywhere at first, where roots and logarithms are real; then of either sign.
            point[name] = value if number < _NUM_POINTS // 2 else value * chance.choice((-1, 1, -1))
        yield point


def _same_by_numbers(one: Formula, other: Formula, log_base: int | None) -> Equal:
    names = variables(one) | variables(other)
    whole = _whole(one) | _whole(other)
    quick, sure = _EVALUATORS[_FEW_DIGITS, log_base], _EVALUATORS[_MANY_DIGITS, log_base]
    agreed: list[Point] = []
    complex_agreed: list[Point] = []
    complex_differ = False
    num_mixed = 0
    for point in points(names, whole) if names else [{}]:
        found = _at(one, other, point, quick, _FEW_DIGITS)
        if found is None:
            continue
        agree, real = found
        if real is None:
            num_mixed += 1
            continue
        if real and not agree:
            # Digits lost by cancellation can make equal values look different: ask again with more.
            again = _at(one, other, point, sure, _MANY_DIGITS)
            if again is not None and not again[0]:
                return Equal.NO
        if real:
            agreed.append(point)
        elif agree:
            complex_agreed.append(point)
        else:
            complex_differ = True
    needed = _ENOUGH if names else 1
    if len(agreed) < needed:
        if complex_differ:
            return Equal.NO if not agreed else Equal.UNKNOWN
        agreed += complex_agreed
    if len(agreed) < needed:
        # Real wherever the other is not: they have no value in common.
        return Equal.NO if not agreed and num_mixed >= _ENOUGH else Equal.UNKNOWN
    return _confirm(one, other, agreed[:_ENOUGH] + agreed[-1:], sure)


def _confirm(one: Formula, other: Formula, agreed: list[Point], sure: Evaluator) -> Equal:
    for point in agreed:
        found = _at(one, other, point, sure, _MANY_DIGITS)
        if found is None:
            return Equal.UNKNOWN
        if not found[0]:
            return Equal.NO
    return Equal.YES


def _at(
    one: Formula, other: Formula, point: Point, evaluator: Evaluator, digits: int
) -> tuple[bool, bool | None] | None:
    """Whether they agree at a point, and whether both are real there; None if one is undefined.

    Of a point where one is real and the other is not, the second is None: their domains differ there.
    """
    context = evaluator.context
    try:
        x, y = evaluator.value(one, point), evaluator.value(other, point)
        if digits == _MANY_DIGITS:
            x, y = _or_zero(x, one, point, evaluator), _or_zero(y, other, point, evaluator)
    except Undefined:
        return None
    real = [_as_real(value, context, digits) for value in (x, y)]
    if None not in real:
        return _close(real[0], real[1], context, digits), True
    if (real[0] is None) != (real[1] is None) and point:
        return False, None
    return _close(x, y, context, digits), False


def _or_zero(value: Any, formula: Formula, point: Point, evaluator: Evaluator) -> Any:
    """Zero for a tiny value that changes with the number of digits: it is only what rounding left."""
    if value == 0 or evaluator.context.mag(value) > -_MANY_DIGITS:
        return value
    surer = _EVALUATORS[_MOST_DIGITS, evaluator.log_base].value(formula, point)
    return 0 * value if abs(surer - value) > abs(value) / 2 else value


def _as_real(value: Any, context: Any, digits: int) -> Any:
    """The value as a real number; None if its imaginary part is more than lost digits."""
    if context.isinf(value):
        return value
    imaginary = abs(context.im(value))
    if imaginary == 0 or imaginary < abs(value) * context.mpf(10) ** (_MARGIN_DIGITS - digits):
        return context.re(value)
    return None


def _close(x: Any, y: Any, context: Any, digits: int) -> bool:
    if x == y:
        return True
    if context.isinf(x) or context.isinf(y):
        return False
    difference = abs(x - y)
    return bool(difference <= max(abs(x), abs(y)) * context.mpf(10) ** (_MARGIN_DIGITS - digits))


@lru_cache(maxsize=4096)
def _whole(formula: Formula) -> frozenset[str]:
    """Variables that stand for natural numbers: in factorials, and in exponents of negative numbers."""
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


def _uses_log(formula: Formula) -> bool:
    return isinstance(formula, Apply) and (formula.name == "log" or any(map(_uses_log, formula.args)))


__all__ = ["Equal", "TooLarge", "constant_ratio", "points", "real_value", "same_value"]
