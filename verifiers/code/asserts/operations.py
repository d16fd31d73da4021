"""What Python does in test code, within bounds on time and memory.

The operators and functions that `interpreter.py` reads, for values of which some were made by a model's
program. Whatever would take long here raises NotReadable.
"""

import ast
import math
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from verifiers.code.inside.values import check_hashes

_MOST_ITEMS = 1_000_000
_MOST_BITS = 100_000
_MOST_SUMMED = 1000
_MOST_ROUNDED = 1000


class NotReadable(Exception):
    """These tests do what only Python itself can; the message says what."""


def _size(value: Any) -> int:
    """Bits of an exact number; 0 for all else, which is never large."""
    if isinstance(value, Fraction):
        return value.numerator.bit_length() + value.denominator.bit_length()
    return value.bit_length() if isinstance(value, int) else 0


def _check_sizes(*values: Any) -> None:
    """Refuses numbers whose products and quotients take time that grows with the square."""
    if sum(map(_size, values)) > _MOST_BITS:
        raise NotReadable("a number is too large")


def _power(base: Any, exponent: Any) -> Any:
    if isinstance(exponent, int) and _size(base) * abs(exponent) > _MOST_BITS:
        raise NotReadable("a number is too large")
    _check_sizes(base, exponent)
    return base**exponent


def _true_divide(left: Any, right: Any) -> Any:
    _check_sizes(left, right)
    return left / right


def _floor_divide(left: Any, right: Any) -> Any:
    _check_sizes(left, right)
    return left // right


def _times(left: Any, right: Any) -> Any:
    for sequence, count in ((left, right), (right, left)):
        repeats = isinstance(sequence, str | bytes | list | tuple) and isinstance(count, int)
        if repeats and len(sequence) * count > _MOST_ITEMS:
            raise NotReadable("a sequence is too long")
    if isinstance(left, int | Fraction) and isinstance(right, int | Fraction):
        _check_sizes(left, right)
    return left * right


def _format(left: Any, right: Any) -> Any:
    if isinstance(left, str | bytes):
        raise NotReadable("formatting cannot be read")
    _check_sizes(left, right)
    return left % right


def _sum(items: Any, start: Any = 0) -> Any:
    values = [*items, start]
    if not all(isinstance(value, int | float | complex) for value in values):
        _check_sizes(*values)
        if len(values) > _MOST_SUMMED:
            raise NotReadable("too much is added up")
    elif len(values) * max(map(_size, values)) > _MOST_BITS * _MOST_SUMMED:
        raise NotReadable("too much is added up")
    return sum(values[:-1], start)


def _round(number: Any, digits: Any = None) -> Any:
    if isinstance(digits, int) and abs(digits) > _MOST_ROUNDED:
        raise NotReadable("a number is rounded to too many digits")
    _check_sizes(number)
    return round(number, digits)


def _bytes(*values: Any) -> bytes:
    if values and isinstance(values[0], int) and values[0] > _MOST_ITEMS:
        raise NotReadable("a sequence is too long")
    return bytes(*values)


def _range(*bounds: int) -> range:
    numbers = range(*bounds)
    if len(numbers) > _MOST_ITEMS:
        raise NotReadable("a range is too long")
    return numbers


UNARY: dict[type, Callable[[Any], Any]] = {
    ast.Not: operator.not_,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
}
BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: _times,
    ast.Div: _true_divide,
    ast.FloorDiv: _floor_divide,
    ast.Mod: _format,
    ast.Pow: _power,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
}
COMPARE: dict[type, Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}


def _hashed(kind: Callable[[list[Any]], Any]) -> Callable[..., Any]:
    """A set of what a program returned: keys chosen to collide would hold up this process."""

    def build(*values: Any) -> Any:
        items = [item for value in values for item in value]
        check_hashes(items)
        return kind(items)

    return build


TYPES: dict[str, Any] = {
    kind.__name__: kind
    for kind in (bool, int, float, complex, str, bytes, list, tuple, set, frozenset, dict)
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{
        f.__name__: f
        for f in (
            abs,
            all,
            any,
            len,
            max,
            min,
            sorted,
            isinstance,
            enumerate,
            zip,
            reversed,
        )
    },
    **TYPES,
    "bytes": _bytes,
    "round": _round,
    "sum": _sum,
    "set": _hashed(set),
    "frozenset": _hashed(frozenset),
    "range": _range,
    "math.isclose": math.isclose,
    "math.fabs": math.fabs,
    "math.sqrt": math.sqrt,
    "math.isnan": math.isnan,
    "math.isinf": math.isinf,
}
