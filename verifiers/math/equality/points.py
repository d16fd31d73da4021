"""Points at which expressions are compared: always the same ones for the same variables."""

import random
from collections.abc import Iterator, Mapping
from fractions import Fraction

Point = Mapping[str, Fraction]

_SIZES = (1, 1, 1, 1, 2, 3, 4, 6, -1, -1, -1, -1, -2, -3, -4, -6)
"""Digits before the decimal point of each point's values; a minus sign allows either sign.

Positive values come first, where roots and logarithms are real. Large ones detect differences that
appear only far away, as in |x - 100|.
"""
_NUM_CLOSE = 48
_WHOLE_SIZES = (1, 1, 1, 1, 1, 1, 2, 2, 3, 3)


def points(
    names: frozenset[str],
    whole: frozenset[str] = frozenset(),
    *,
    steps: bool = False,
    bends: bool = False,
) -> Iterator[Point]:
    """Points to try; variables in `whole` are natural numbers.

    `steps` adds integer points, for functions that jump there; `bends` adds small, closely spaced
    values, for functions such as |x| that change at a sign: x(x+1) is negative only from -1 to 0.
    """
    ordered = sorted(names)
    for number, size in enumerate(_SIZES):
        rng = random.Random(f"{number} {ordered}")
        yield {name: _natural(rng, number) if name in whole else _real(rng, size) for name in ordered}
    for number in range(4 if steps else 0):
        rng = random.Random(f"steps {number} {ordered}")
        yield {name: Fraction(rng.randint(-9, 9) * 10 ** (number // 2)) for name in ordered}
    for number in range(_NUM_CLOSE if bends else 0):
        rng = random.Random(f"bends {number} {ordered}")
        yield {
            name: _natural(rng, number)
            if name in whole
            else _close(rng, number if len(ordered) == 1 else rng.randrange(_NUM_CLOSE))
            for name in ordered
        }


def _close(rng: random.Random, number: int) -> Fraction:
    """A value in the quarter with this number; the quarters cover -6 to 6."""
    return Fraction(number, 4) - 6 + Fraction(rng.randint(1, 249), 1000)


def _real(rng: random.Random, size: int) -> Fraction:
    scale = Fraction(10) ** (abs(size) + rng.randint(-1, 0))
    value = Fraction(rng.randint(10**5, 10**6), 10**6) * scale
    return value if size > 0 else value * rng.choice((-1, 1))


def _natural(rng: random.Random, number: int) -> Fraction:
    digits = _WHOLE_SIZES[number % len(_WHOLE_SIZES)]
    return Fraction(rng.randint(10 ** (digits - 1), 10**digits - 1) % 400 or 1)
