"""Where expressions are tried: always the same points for the same variables."""

import random
from collections.abc import Iterator, Mapping
from fractions import Fraction

Point = Mapping[str, Fraction]

_SIZES = (1, 1, 1, 1, 2, 3, 4, 6, -1, -1, -1, -1, -2, -3, -4, -6)
"""Digits before the point of each point's values; with a minus sign they are of either sign.

Positive ones come first, where roots and logarithms are real. Large ones are there for what only
differs far away, such as |x - 100|.
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

    `steps` adds points of integers, for functions that jump there; `bends` adds small values close to
    each other, for functions such as |x| that change at a sign: x(x+1) is negative from -1 to 0 only.
    """
    ordered = sorted(names)
    for number, size in enumerate(_SIZES):
        chance = random.Random(f"{number} {ordered}")
        yield {
            name: _natural(chance, number) if name in whole else _real(chance, size) for name in ordered
        }
    for number in range(4 if steps else 0):
        chance = random.Random(f"steps {number} {ordered}")
        yield {name: Fraction(chance.randint(-9, 9) * 10 ** (number // 2)) for name in ordered}
    for number in range(_NUM_CLOSE if bends else 0):
        chance = random.Random(f"bends {number} {ordered}")
        yield {
            name: _natural(chance, number)
            if name in whole
            else _close(chance, number if len(ordered) == 1 else chance.randrange(_NUM_CLOSE))
            for name in ordered
        }


def _close(chance: random.Random, number: int) -> Fraction:
    """A value of the quarter with that number; they cover what lies from -6 to 6."""
    return Fraction(number, 4) - 6 + Fraction(chance.randint(1, 249), 1000)


def _real(chance: random.Random, size: int) -> Fraction:
    scale = Fraction(10) ** (abs(size) + chance.randint(-1, 0))
    value = Fraction(chance.randint(10**5, 10**6), 10**6) * scale
    return value if size > 0 else value * chance.choice((-1, 1))


def _natural(chance: random.Random, number: int) -> Fraction:
    digits = _WHOLE_SIZES[number % len(_WHOLE_SIZES)]
    return Fraction(chance.randint(10 ** (digits - 1), 10**digits - 1) % 400 or 1)
