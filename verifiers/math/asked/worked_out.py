"""Decides whether an expression is worked out, or still has an operation on numbers.

`\\sqrt2`, `3\\pi`, `6/8` and `6\\times10^8` are values. `3+4`, `2^{10}` and `\\sqrt8` are not.
Expressions with variables are not classified.
"""

import itertools
import math
from fractions import Fraction

from verifiers.math.asked.as_written import (
    ARITHMETIC,
    is_closed,
    is_fraction,
    is_whole_number,
    parts_of,
    without_sign,
)
from verifiers.math.equality.equality import real_value
from verifiers.math.equality.exact_values import exact_or_none
from verifiers.math.forms.nodes import Apply, Constant, Formula, Number

_LARGEST_BASE = 1000
_LARGE = 10**6
_MOST_DEGREE = 64
_CLOSED_FORMS = frozenset(["pow", "factorial", "binom"])


def is_worked_out(formula: Formula) -> bool:
    """Whether no operation on numbers remains; `\\sqrt2` and `3\\pi` are worked out."""
    return not any(map(is_left_to_do, parts_of(formula)))


def is_function(formula: Formula) -> bool:
    """Whether it is a function of something, such as a root, a logarithm or a factorial."""
    return isinstance(formula, Apply) and formula.name not in ARITHMETIC


def is_value(formula: Formula) -> bool:
    """Whether it is worked out to a number, or to a number in closed form.

    Closed forms are powers, factorials and binomial coefficients, such as `2^{10}`. A fraction of whole
    numbers is a value, reduced or not. A root, logarithm or sine of a number is not.
    """
    return not any(
        isinstance(part, Apply)
        and part.name not in _CLOSED_FORMS
        and (is_left_to_do(part) or (is_function(part) and is_closed(part)))
        for part in parts_of(formula)
    )


def has_power_of_i(formula: Formula) -> bool:
    """Whether it contains a power or product of complex numbers, such as `i^2` or `(2+i)(2-i)`."""
    return any(map(_is_power_of_i, parts_of(formula)))


def _is_power_of_i(formula: Formula) -> bool:
    if not isinstance(formula, Apply):
        return False
    if formula.name == "pow":
        return _is_complex(formula.args[0]) and is_whole_number(formula.args[1])
    return formula.name == "mul" and sum(map(_is_complex, formula.args)) > 1


def _is_complex(formula: Formula) -> bool:
    """Whether it is `i`, or a sum or product that contains `i`."""
    if isinstance(formula, Apply) and formula.name in ("add", "mul", "neg"):
        return any(map(_is_complex, formula.args))
    return formula == Constant("i")


def is_left_to_do(formula: Formula) -> bool:
    if not isinstance(formula, Apply) or not is_closed(formula):
        return False
    if formula.name in ("add", "mul"):
        return sum(map(_is_number, formula.args)) > 1 or all(map(_is_small, formula.args))
    if formula.name == "pow":
        return all(map(_is_number, formula.args)) and formula.args[0] != _TEN
    if formula.name == "div":
        return not is_fraction(formula) and all(map(_is_number, formula.args))
    if formula.name == "root":
        return _has_root_in_it(*formula.args)
    if formula.name in ("neg", "mixed", "plus_minus", "minus_plus"):
        return False
    return exact_or_none(formula) is not None or _is_known(formula)


_TEN = Number(Fraction(10))
_ALMOST = 1e-12
_KNOWN = frozenset("sin cos tan cot sec csc arcsin arccos arctan ln log log10 log_base".split())


def _is_known(formula: Apply) -> bool:
    """Whether it is a function whose value people know: of a multiple of 1/12, or of pi/12."""
    if formula.name not in _KNOWN:
        return False
    value = real_value(formula)
    if value is None:
        return False
    twelfths = (12 * value, 12 * value / math.pi)
    return any(abs(one - round(one)) < _ALMOST for one in twelfths)


def _is_small(formula: Formula) -> bool:
    """Whether it is a number that people would write out: `3^2`, but not `2^{100}`."""
    if isinstance(formula, Apply) and formula.name == "pow" and formula.args[0] == _TEN:
        return False
    value = exact_or_none(formula)
    return value is not None and abs(value) < _LARGE


def _is_number(formula: Formula) -> bool:
    formula = without_sign(formula)
    return isinstance(formula, Number) or is_fraction(formula)


def _has_root_in_it(base: Formula, degree: Formula) -> bool:
    """Whether a whole power can be taken out of the root of a whole number."""
    if not (is_whole_number(base) and isinstance(base, Number) and is_whole_number(degree)):
        return is_fraction(base)
    assert isinstance(degree, Number)
    number, power = int(base.value), int(degree.value)
    if number < 2 or power < 2:
        return True
    powers = (factor**power for factor in range(2, _LARGEST_BASE if power < _MOST_DEGREE else 2))
    return any(number % one == 0 for one in itertools.takewhile(lambda one: one <= number, powers))
