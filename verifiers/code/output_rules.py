"""Rules that compare printed text with expected text. Each returns the difference, or None.

They compare bytes: output that is not UTF-8 differs from any that is. White space and digits are ASCII,
as for `scanf` and the checkers of programming contests; any other character is part of a word.
"""

import decimal
import io
import itertools
import re
from collections.abc import Callable
from decimal import Decimal

_NUMBER = re.compile(rb"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?|[+-]?(?:inf|infinity)", re.I)
_INTEGER = re.compile(rb"([+-]?)0*(\d+)")
_WHOLE = re.compile(rb"([+-]?)0*(\d+)\.?0*")
_LARGE = decimal.Context(prec=40, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)
"""For numbers that no float can hold."""
_EXACT_AS_FLOAT = 15
"""Whole numbers of up to this many digits are exact as floats."""


def exact(printed: bytes, expected: bytes, tolerance: float) -> str | None:
    """Compares byte by byte."""
    return None if printed == expected else _difference(printed, expected)


def whitespace(printed: bytes, expected: bytes, tolerance: float) -> str | None:
    """Compares line by line, ignoring white space between words, at line ends and at the end."""
    if printed == expected:
        return None
    if _has_as_many_lines(printed, expected) and _lines(printed) == _lines(expected):
        return None
    return _difference(printed, expected)


def tokens(printed: bytes, expected: bytes, tolerance: float) -> str | None:
    """Compares word by word; line ends count as white space."""
    got, wanted = printed.split(), expected.split()
    if got == wanted:
        return None
    for number, (left, right) in enumerate(itertools.zip_longest(got, wanted), start=1):
        if left != right:
            return f"word {number}: expected {_short(right, 'word')}, got {_short(left, 'word')}"
    raise AssertionError("lists that differ differ somewhere")


def numbers(printed: bytes, expected: bytes, tolerance: float) -> str | None:
    """Like `whitespace`, but words that are numbers may differ by a tolerance.

    The tolerance is absolute or relative. Two whole numbers are equal only if they are the same.
    """
    if _has_as_many_lines(printed, expected) and all(
        len(line) == len(wanted)
        and all(a == b or _equal(a, b, tolerance) for a, b in zip(line, wanted, strict=True))
        for line, wanted in zip(_lines(printed), _lines(expected), strict=True)
    ):
        return None
    return _difference(printed, expected)


PRINTED_RULES: dict[str, Callable[[bytes, bytes, float], str | None]] = {
    "exact": exact,
    "whitespace": whitespace,
    "tokens": tokens,
    "numbers": numbers,
}


def _has_as_many_lines(printed: bytes, expected: bytes) -> bool:
    """Whether both have as many lines, without blank ones at the end; fast for millions of lines."""
    return printed.rstrip().count(b"\n") == expected.rstrip().count(b"\n")


def _lines(text: bytes) -> list[list[bytes]]:
    """The words of each line, without blank lines at the end."""
    return [line.split() for line in text.rstrip().split(b"\n")]


def _equal(word: bytes, wanted: bytes, tolerance: float) -> bool:
    if not _NUMBER.fullmatch(word) or not _NUMBER.fullmatch(wanted):
        return False
    whole = _WHOLE.fullmatch(word), _WHOLE.fullmatch(wanted)
    if whole[0] and whole[1]:
        digits = whole[0][2].lstrip(b"0"), whole[1][2].lstrip(b"0")
        if digits[0] == digits[1] and (not digits[0] or _sign(word) == _sign(wanted)):
            return True
        is_integer = [_INTEGER.fullmatch(one) is not None for one in (word, wanted)]
        if all(is_integer) or (any(is_integer) and max(map(len, digits)) <= _EXACT_AS_FLOAT):
            return False
    return _is_near(word, wanted, tolerance)


def _is_near(word: bytes, wanted: bytes, tolerance: float) -> bool:
    left, right = float(word), float(wanted)
    if abs(left) == float("inf") or abs(right) == float("inf"):
        # A number too large for a float equals only itself; "inf" equals only "inf".
        if b"n" in word.lower() or b"n" in wanted.lower():
            return left == right and b"n" in word.lower() and b"n" in wanted.lower()
        with decimal.localcontext(_LARGE):
            exact_left, exact_right = Decimal(word.decode()), Decimal(wanted.decode())
            return abs(exact_left - exact_right) <= Decimal(tolerance) * abs(exact_right)
    return abs(left - right) <= tolerance * max(1.0, abs(right))


def _sign(word: bytes) -> bool:
    return word.startswith(b"-")


def _difference(printed: bytes, expected: bytes) -> str:
    got, wanted = io.BytesIO(printed), io.BytesIO(expected)
    for number, (left, right) in enumerate(itertools.zip_longest(got, wanted), start=1):
        if left is None or right is None or left.split() != right.split():
            return f"line {number}: expected {_short(right, 'line')}, got {_short(left, 'line')}"
    return "other white space"


def _short(text: bytes | None, what: str) -> str:
    if text is None:
        return f"no such {what}"
    shown = text[:400].rstrip(b"\n").decode(errors="backslashreplace")
    return repr(shown) if len(shown) <= 80 else repr(f"{shown[:77]}...")
