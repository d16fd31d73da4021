"""Asks math-verify and sympy about formulas that the grammar here does not know, such as integrals.

Their text is parsed by a LaTeX grammar; none of it is evaluated as code. "Equal" counts only if the
numbers do not speak against it, and "not equal" only if they do: a failure to show it proves nothing.
To be run in a process that can be killed: simplifying may take for ever.
"""

import logging
from fractions import Fraction
from functools import lru_cache
from typing import Any

from verifiers.formulas.comparison import Comparison
from verifiers.formulas.equality import Equal, points

_DIGITS = 30
_TOLERANCE = 10.0**-20
_ENOUGH = 3


def compare_by_library(gold: str, answer: str) -> Comparison:
    """Compares two answers in plain LaTeX."""
    ours, theirs = _parse(gold), _parse(answer)
    if ours is None:
        return Comparison(Equal.UNKNOWN, "the gold answer cannot be read")
    if theirs is None:
        return Comparison(Equal.UNKNOWN, "the answer cannot be read")
    by_numbers = _by_numbers(ours, theirs)
    if by_numbers is Equal.NO:
        return Comparison(Equal.NO, "not equal at a point that was tried")
    if by_numbers is Equal.YES:
        return Comparison(Equal.YES, "equal at the points that were tried")
    from math_verify import verify

    same_kind = type(ours) is type(theirs)
    if same_kind and verify([ours], [theirs], timeout_seconds=None, raise_on_error=True):
        return Comparison(Equal.YES, "equal by math-verify")
    return Comparison(Equal.UNKNOWN, "it cannot be told whether they are equal")


@lru_cache(maxsize=4096)
def _parse(text: str) -> Any:
    """What math-verify reads, if it reads all of it; None otherwise."""
    from math_verify import LatexExtractionConfig, parse

    # It warns at every call that its own time limit, a signal, is off; this process has a hard one.
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    found = parse(
        f"${text}$",
        extraction_config=[LatexExtractionConfig()],
        parsing_timeout=None,
        raise_on_error=False,
    )
    if len(found) < 2 or "".join(str(found[1]).split()) != "".join(text.split()):
        return None
    return found[0]


def _by_numbers(one: Any, other: Any) -> Equal:
    """Compares sympy expressions at points; UNKNOWN for anything else, or without enough points."""
    import sympy

    if not (isinstance(one, sympy.Expr) and isinstance(other, sympy.Expr)):
        return Equal.UNKNOWN
    symbols = {symbol.name: symbol for symbol in one.free_symbols | other.free_symbols}
    agreed = 0
    for point in points(frozenset(symbols), frozenset()) if symbols else [{}]:
        at = {symbols[name]: _rational(value) for name, value in point.items()}
        x, y = one.evalf(_DIGITS, subs=at), other.evalf(_DIGITS, subs=at)
        if not (x.is_number and y.is_number and x.is_finite and y.is_finite):
            continue
        if _differ(x, y):
            return Equal.NO
        agreed += 1
    return Equal.YES if agreed >= (_ENOUGH if symbols else 1) else Equal.UNKNOWN


def _rational(value: Fraction) -> Any:
    import sympy

    return sympy.Rational(value.numerator, value.denominator)


def _differ(x: Any, y: Any) -> bool:
    return bool(abs(x - y) > _TOLERANCE * max(abs(x), abs(y)))
