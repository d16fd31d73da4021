"""The value of an expression to many digits, at a point.

Time and memory are bounded by limits on how large a value may grow; beyond them it raises TooLarge,
which says nothing about the value. Odd roots of negative numbers are real, as taught at school; other
powers of negative numbers are complex, on the principal branch.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import mpmath

from verifiers.math.equality.exact_values import Undefined, exact_value
from verifiers.math.forms.nodes import Apply, Constant, Formula, Number, Quantity, Variable

_MOST_MAGNITUDE = 10**6
"""Largest exponent of a value, in bits: up to about 10^300,000."""
_NOISE_BITS = 20
MOST_DIGITS = 1500
"""At this precision, a term as small as rounding errors counts as one."""
_MOST_ARGUMENT_BITS = 40
"""Largest argument of factorials and binomials."""


def spare_bits(precision: int) -> int:
    """Bits of the precision that rounding and cancellation may spoil."""
    return 40 if precision < 200 else 166


class TooLarge(ArithmeticError):
    """The value exceeds the limits of this module."""


class TooFewDigits(Undefined):
    """The value depends on more digits than are computed."""


def variables(formula: Formula) -> frozenset[str]:
    """Names of the variables in an expression."""
    if isinstance(formula, Variable):
        return frozenset([formula.name])
    if isinstance(formula, Apply):
        return frozenset().union(*map(variables, formula.args))
    return variables(formula.value) if isinstance(formula, Quantity) else frozenset()


class Evaluator:
    """Evaluates expressions to a number of digits."""

    def __init__(self, digits: int, *, log_base: int | None = None, strict: bool = True) -> None:
        """`log_base` is the base of `\\log` without a base; None means the natural logarithm.

        With `strict` it raises TooFewDigits if sums lose digits that may matter.
        """
        self.context = mpmath.MPContext()
        self.context.dps = digits
        self.context.strict = strict
        self.log_base = log_base

    def value(self, formula: Formula, point: Mapping[str, Any]) -> Any:
        """An mpf or mpc at a point, whose coordinates are rational or mpmath numbers.

        Raises TooLarge or Undefined.
        """
        try:
            return self._value(formula, point)
        except (ZeroDivisionError, ValueError, OverflowError, mpmath.libmp.NoConvergence) as e:
            raise Undefined(str(e)) from e

    def number(self, value: Fraction) -> Any:
        """The rational number, to this evaluator's digits."""
        if max(value.numerator.bit_length(), value.denominator.bit_length()) > self.context.prec:
            raise TooFewDigits("a number with more digits than are computed")
        return self.context.mpf(value.numerator) / value.denominator

    def _value(self, formula: Formula, point: Mapping[str, Any]) -> Any:
        if isinstance(formula, Number):
            return self.number(formula.value)
        if isinstance(formula, Variable):
            at = point[formula.name]
            return self.number(at) if isinstance(at, Fraction) else at
        if isinstance(formula, Constant):
            return _CONSTANTS[formula.name](self.context)
        if isinstance(formula, Quantity):
            if formula.unit.measures and not formula.unit.half_turns:
                raise Undefined("a unit inside an expression")
            value = self._value(formula.value, point) * self.number(formula.unit.factor)
            return value * (self.context.pi / 180) ** formula.unit.half_turns
        if not isinstance(formula, Apply):
            raise Undefined(f"{type(formula).__name__} has no value")
        arguments = [self._value(argument, point) for argument in formula.args]
        return self._checked(self._apply(formula, arguments))

    def _apply(self, formula: Apply, arguments: list[Any]) -> Any:
        context = self.context
        if formula.name == "pow":
            return _power(context, arguments[0], arguments[1], exact_value(formula.args[1]))
        if formula.name == "log":
            natural = _ln(context, arguments[0])
            return natural if self.log_base is None else natural / context.ln(self.log_base)
        if function := _FUNCTIONS.get(formula.name):
            return function(context, *arguments)
        if formula.name not in _BY_MPMATH:
            raise Undefined(f"{formula.name} is not a known function")
        return getattr(context, _BY_MPMATH[formula.name])(*arguments)

    def _checked(self, value: Any) -> Any:
        context = self.context
        for part in (context.re(value), context.im(value)):
            if context.isnan(part):
                raise Undefined("not a number")
            if part and not context.isinf(part) and abs(context.mag(part)) > _MOST_MAGNITUDE:
                raise TooLarge("a value is too large to compute")
        return value


_CONSTANTS: Mapping[str, Callable[[Any], Any]] = {
    "pi": lambda context: +context.pi,
    "e": lambda context: +context.e,
    "i": lambda context: context.mpc(0, 1),
    "oo": lambda context: context.inf,
}


def _sum(context: Any, *terms: Any) -> Any:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    if context.strict:
        _check_sum(context, terms, total)
    return total


def _check_sum(context: Any, terms: Sequence[Any], total: Any) -> None:
    """Raises TooFewDigits if digits are lost that may matter."""
    sizes = [context.mag(term) for term in terms if term and not context.isinf(term)]
    if context.dps >= MOST_DIGITS:
        sizes = [size for size in sizes if not _is_noise(size, context.prec)]
    spare = spare_bits(context.prec)
    if sizes and max(sizes) - min(sizes) > context.prec - spare:
        raise TooFewDigits("a sum whose small terms are lost in the large ones")
    # The remainder of terms that cancel, unless it is only rounding error around zero.
    if total and sizes and spare < max(sizes) - context.mag(total) < context.prec - _NOISE_BITS:
        raise TooFewDigits("a sum whose terms nearly cancel")


def _is_noise(size: int, precision: int) -> bool:
    """Whether a value is as small as rounding errors around zero, like the computed cosine of pi/2."""
    return -precision - 10 * _NOISE_BITS < size < 3 * _NOISE_BITS - precision


def _quotient(context: Any, top: Any, bottom: Any) -> Any:
    if bottom and context.mag(bottom) < spare_bits(context.prec) - context.prec:
        raise TooFewDigits("a divisor that may be zero up to rounding")
    return top / bottom


def _product(context: Any, *factors: Any) -> Any:
    product = factors[0]
    for factor in factors[1:]:
        product = product * factor
    return product


def _power(context: Any, x: Any, y: Any, exponent: Fraction | None) -> Any:
    if x == 0:
        if context.re(y) < 0:
            raise Undefined("division by zero")
        return context.mpf(1 if y == 0 else 0)
    if context.isinf(x) or context.isinf(y):
        return x**y
    if context.mag(y) + context.mag(abs(context.mag(x)) + 1) > math.log2(_MOST_MAGNITUDE) + 1:
        raise TooLarge("a power is too large to compute")
    negative = context.im(x) == 0 and context.re(x) < 0
    if negative and exponent is not None and exponent.denominator % 2 and exponent.denominator > 1:
        return (-1 if exponent.numerator % 2 else 1) * (-x) ** y
    return x**y


def _root(context: Any, x: Any, degree: Any) -> Any:
    if context.im(x) == 0 and context.re(x) < 0 and context.isint(degree) and int(degree) % 2:
        return -((-x) ** (1 / degree))
    return x ** (1 / degree)


def _ln(context: Any, x: Any) -> Any:
    if x == 0:
        raise Undefined("logarithm of zero")
    return context.ln(x)


def _exp(context: Any, x: Any) -> Any:
    return _power(context, +context.e, x, None)


def _stepped(name: str) -> Callable[..., Any]:
    """Functions that jump at integers, where rounding would decide."""

    def apply(context: Any, x: Any) -> Any:
        if not context.isinf(x) and x != context.nint(x):
            distance = abs(x - context.nint(x))
            if context.mag(distance) < context.mag(x) + spare_bits(context.prec) - context.prec:
                raise TooFewDigits("a step that rounding may have moved")
        return getattr(context, name)(x)

    return apply


def _bounded(name: str) -> Callable[..., Any]:
    def apply(context: Any, *arguments: Any) -> Any:
        if any(context.mag(argument) > _MOST_ARGUMENT_BITS for argument in arguments):
            raise TooLarge("the argument of a factorial or binomial is too large to compute with")
        return getattr(context, name)(*arguments)

    return apply


def _periodic(name: str) -> Callable[..., Any]:
    """Functions whose argument is reduced by a period, which needs as many digits as it has."""

    def apply(context: Any, x: Any) -> Any:
        if context.mag(x) > 1000:
            raise TooLarge("the argument of a function is too large to compute with")
        return getattr(context, name)(x)

    return apply


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "add": _sum,
    "mul": _product,
    "neg": lambda context, x: -x,
    "div": _quotient,
    "abs": lambda context, x: abs(x),
    "root": _root,
    "cbrt": lambda context, x: _root(context, x, context.mpf(3)),
    "ln": _ln,
    "log10": lambda context, x: _ln(context, x) / context.ln(10),
    "log_base": lambda context, x, base: _ln(context, x) / _ln(context, base),
    "exp": _exp,
    "max": lambda context, *numbers: max(numbers),
    "min": lambda context, *numbers: min(numbers),
    "floor": _stepped("floor"),
    "ceil": _stepped("ceil"),
    "factorial": _bounded("factorial"),
    "binom": _bounded("binomial"),
    **{
        name: _periodic(name)
        for name in "sin cos tan cot sec csc sinh cosh tanh coth sech csch".split()
    },
}
_BY_MPMATH: Mapping[str, str] = {
    "sqrt": "sqrt",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arccot": "acot",
    "arcsec": "asec",
    "arccsc": "acsc",
    "asinh": "asinh",
    "acosh": "acosh",
    "atanh": "atanh",
    "sgn": "sign",
    "Re": "re",
    "Im": "im",
    "arg": "arg",
}
