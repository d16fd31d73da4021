"""Compares sums, products, integrals, limits and derivatives with sympy.

Values are equal if they are the same exactly, or to a hundred digits. Sums with numeric bounds are
added term by term; sympy's results for infinite sums, integrals and limits count only if numeric checks
confirm them. Run this in a process that can be killed, because simplification may never end.
"""

import re
import warnings
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from verifiers.math.comparing.comparison import Comparison, no, unknown, yes
from verifiers.math.comparing.latex_reading import Unsure, read_latex
from verifiers.math.equality.equality import Equal, Point, points

_DIGITS = 110
_SAME, _DIFFERENT = 10.0**-95, 10.0**-80
"""Relative differences: equal below the first, different above the second, undecided between."""
_TINY = 10.0**-60
"""Values below this are compared only exactly."""
_ROUNDED = 0.01
"""Decimals may be rounded: only a larger difference makes another number."""
_ENOUGH = 3
_MOST_TERMS = 3000
_CHECK_DIGITS, _CHECKED = 15, 10.0**-8
_NEAR = 10**6
"""Distances from a limit's point, or towards infinity, at which its function is evaluated."""
_NEAR_DIGITS, _LIMIT_CHECKED = 60, 0.1

_NATURAL = re.compile(r"\\log(?!\s*_)(?![a-zA-Z])")
_DECIMAL = re.compile(r"\d\.\d")


_FAILURES = (
    ArithmeticError,
    ValueError,
    TypeError,
    NotImplementedError,
    AttributeError,
    RecursionError,
)
"""Exceptions that sympy raises if it finds no value, such as for a divergent sum."""


def compare_by_sympy(gold: str, answer: str) -> Comparison:
    """Compares two answers in plain LaTeX."""
    found = _compare(gold, answer)
    if found.equal is not Equal.YES and (_NATURAL.search(gold) or _NATURAL.search(answer)):
        # Authors disagree on whether `\log` is the natural or the decimal logarithm.
        natural = _compare(_NATURAL.sub(r"\\ln", gold), _NATURAL.sub(r"\\ln", answer))
        return found if natural.equal is found.equal or natural.equal is Equal.UNKNOWN else natural
    return found


def _compare(gold: str, answer: str) -> Comparison:
    ours, theirs = read_latex(gold), read_latex(answer)
    if ours is None:
        return unknown("the gold answer cannot be read")
    if theirs is None:
        return unknown("the answer cannot be read")
    rounded = bool(_DECIMAL.search(gold) or _DECIMAL.search(answer))
    found = _by_values(ours, theirs, rounded)
    if found is Equal.NO:
        return no("not equal at a point that was tried")
    if found is Equal.YES:
        return yes("equal at the points that were tried")
    return unknown("it cannot be decided whether they are equal")


# ---------------------------------------------------------------------------------------- comparing


def _by_values(one: Any, other: Any, rounded: bool) -> Equal:
    """Compares expressions at points: one difference decides; equality needs several agreements."""
    symbols = {symbol.name: symbol for symbol in one.free_symbols | other.free_symbols}
    whole = frozenset(symbol.name for symbol in _whole(one) | _whole(other))
    agreed = 0
    for point in _points(frozenset(symbols), whole):
        at = {symbols[name]: _rational(value) for name, value in point.items()}
        found = _at(one, other, at, rounded)
        if found is Equal.NO:
            return Equal.NO
        agreed += found is Equal.YES
        if agreed >= (2 * _ENOUGH if symbols else 1):
            break
    return Equal.YES if agreed >= (_ENOUGH if symbols else 1) else Equal.UNKNOWN


def _whole(expression: Any) -> set[Any]:
    """Variables for natural numbers: those in bounds of sums, in factorials and in binomials."""
    import sympy

    found: set[Any] = set()
    for part in expression.atoms(sympy.Sum, sympy.Product):
        for _, *bounds in part.limits:
            found = found.union(*(bound.free_symbols for bound in bounds))
    for part in expression.atoms(sympy.factorial, sympy.binomial):
        found |= part.free_symbols
    return {symbol for symbol in found if symbol in expression.free_symbols}


def _points(names: frozenset[str], whole: frozenset[str]) -> Iterator[Point]:
    """The points of other comparisons, and small ones, where power series converge."""
    if not names:
        yield {}
        return
    for number, point in enumerate(points(names, whole)):
        small = {
            name: value if name in whole else (value / (1 + abs(value))).limit_denominator(100)
            for name, value in point.items()
        }
        yield small
        if number < _ENOUGH and small != point:
            yield {name: value.limit_denominator(100) for name, value in point.items()}


def _rational(value: Fraction) -> Any:
    import sympy

    return sympy.Rational(value.numerator, value.denominator)


def _at(one: Any, other: Any, at: dict[Any, Any], rounded: bool) -> Equal:
    try:
        return _same(_value(one, at), _value(other, at), rounded)
    except _FAILURES:
        return Equal.UNKNOWN


def _same(x: Any, y: Any, rounded: bool) -> Equal:
    if x.is_Rational and y.is_Rational and not rounded:
        return Equal.YES if x == y else Equal.NO
    x, y = x.evalf(_DIGITS), y.evalf(_DIGITS)
    if not (x.is_Float or x.is_Rational) or not (y.is_Float or y.is_Rational):
        return Equal.UNKNOWN
    if not (x.is_finite and y.is_finite):
        return Equal.UNKNOWN
    size, difference = max(abs(x), abs(y)), abs(x - y)
    if min(abs(x), abs(y)) < _TINY:
        return Equal.NO if size > _ROUNDED else Equal.UNKNOWN
    if difference <= _SAME * size:
        return Equal.YES
    return Equal.NO if difference > (_ROUNDED if rounded else _DIFFERENT) * size else Equal.UNKNOWN


# ------------------------------------------------------------------------------------------- values


def _value(expression: Any, at: dict[Any, Any]) -> Any:
    """The exact value at a point. Raises Unsure, and whatever sympy raises."""
    import sympy

    _check_bounds(expression, at)
    value = _evaluated(expression.subs(at), [_MOST_TERMS]).doit()
    if value.has(
        sympy.Sum, sympy.Product, sympy.Integral, sympy.Limit, sympy.Derivative, sympy.Piecewise
    ):
        raise Unsure("it has no known value")
    if value.free_symbols or value.has(sympy.nan, sympy.zoo, sympy.oo, sympy.AccumBounds):
        raise Unsure("it has no finite value")
    return sympy.re(value) if value.has(sympy.I) and sympy.im(value).equals(0) else value


def _check_bounds(expression: Any, at: dict[Any, Any]) -> None:
    """Formulas for sums assume at least one term. Raises Unsure at other points."""
    import sympy

    for part in expression.atoms(sympy.Sum, sympy.Product):
        for _, lower, upper in part.limits:
            if (upper - lower).subs(at).is_negative:
                raise Unsure("a sum without terms")


def _evaluated(expression: Any, left: list[int]) -> Any:
    """The expression with its sums, products, integrals and limits replaced by their values."""
    import sympy

    if isinstance(expression, sympy.Sum | sympy.Product):
        *inner, (variable, lower, upper) = expression.limits
        if (upper - lower).is_Integer and lower.is_Integer:
            body = expression.func(expression.function, *inner) if inner else expression.function
            terms = [
                _evaluated(body.subs(variable, k), left) for k in _range(int(lower), int(upper), left)
            ]
            return sympy.Add(*terms) if isinstance(expression, sympy.Sum) else sympy.Mul(*terms)
    if isinstance(expression, sympy.Sum | sympy.Product | sympy.Integral | sympy.Limit):
        return _found(expression)
    if not expression.args:
        return expression
    return expression.func(*(_evaluated(argument, left) for argument in expression.args))


def _range(lower: int, upper: int, left: list[int]) -> range:
    """The integers from `lower` to `upper`; their number is subtracted from the terms left."""
    left[0] -= max(upper - lower + 1, 1)
    if left[0] < 0:
        raise Unsure("more terms than are added up here")
    return range(lower, upper + 1)


def _found(expression: Any) -> Any:
    """Sympy's result, if numeric checks confirm it: sympy is sometimes wrong."""
    import sympy

    value = expression.doit()
    if not value.is_number or value.has(type(expression)) or not value.is_finite:
        raise Unsure("it has no known finite value")
    if isinstance(expression, sympy.Limit):
        _check_limit(expression, value)
        return value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        number = expression.evalf(_CHECK_DIGITS)
    _check_near(number, value, _CHECKED)
    return value


def _check_limit(limit: Any, value: Any) -> None:
    """Evaluates the function close to the point, on each side that counts."""
    import sympy

    inner, variable, point, side = limit.args
    # A float of limited precision, because powers of exact numbers would be computed in full.
    near = sympy.Float(_NEAR, _NEAR_DIGITS)
    if point.is_infinite:
        places = [sympy.sign(point) * near]
    else:
        signs = {"+": (1,), "-": (-1,)}.get(str(side), (1, -1))
        places = [point + sign / near for sign in signs]
    if inner.has(sympy.Sum, sympy.Product, sympy.Integral):
        raise Unsure("a limit of sums")
    for place in places:
        number = inner.subs(variable, place.evalf(_NEAR_DIGITS)).evalf(_CHECK_DIGITS)
        _check_near(number, value, _LIMIT_CHECKED)


def _check_near(number: Any, value: Any, tolerance: float) -> None:
    value = value.evalf(_CHECK_DIGITS)
    if not (number.is_number and number.is_finite and value.is_number):
        raise Unsure("no number to check it with")
    if not abs(number - value) <= tolerance * max(abs(value), 1):
        raise Unsure("numeric checks contradict it")
