"""Draws other numbers for a template, of the same magnitude and kind.

Every intermediate value stays of its kind, too: an integer an integer, a decimal one of no more places,
positive, below or above 1, and within a factor of ten. So a division that came out even still does, and
nobody gives away more than they have. Numbers of the same unit keep their order.
"""

from collections.abc import Container, Iterator, Sequence
from fractions import Fraction
from math import ceil, floor, gcd
from random import Random

from pipeline.problems.variants.mentions import Mention, takes_an
from pipeline.problems.variants.template import Template

_TRIES = 600
_KEEP_AFTER = 300
"""Tries after which some numbers may stay, so that the others come out even."""
_KEEP = 0.4
_FACTOR = 10
_LIMITS = {"hour": 24, "day": 7, "month": 12, "week": 52, "minute": 60, "second": 60, "year": 100}
"""Unit -> a number that an original below it does not exceed: no week has nine days."""
_MOST_CANDIDATES = 100_000
_SMALL_PRIMES = 2 * 3 * 5 * 7
_PLACES = 2
"""Most places of a decimal whose original has none or as many."""

Values = tuple[Fraction, ...]


def draw(template: Template, random: Random, known: Container[Values] = ()) -> Values | None:
    """Other numbers than the original and known ones, with another answer; None if none are found."""
    ranges = [_candidates(one) for one in template.mentions]
    seen: list[Fraction] = []
    answer = template.answer(template.values, seen.append)
    order = list(_ordered(template))
    for attempt in range(_TRIES):
        values = tuple(
            one.value
            if attempt >= _KEEP_AFTER and random.random() < _KEEP
            else random.choice(candidates)
            for one, candidates in zip(template.mentions, ranges, strict=True)
        )
        if values == template.values or values in known or not _in_order(values, order):
            continue
        found: list[Fraction] = []
        try:
            new = template.answer(values, found.append)
        except ZeroDivisionError:
            continue
        if new != answer and all(map(_same_kind, seen, found)):
            return values
    return None


def fits(template: Template, values: Sequence[Fraction]) -> bool:
    """Whether every intermediate value for these numbers stays of its kind."""
    seen: list[Fraction] = []
    found: list[Fraction] = []
    template.answer(template.values, seen.append)
    try:
        template.answer(values, found.append)
    except ZeroDivisionError:
        return False
    return all(map(_same_kind, seen, found))


def places_of(value: Fraction) -> int | None:
    """Decimal places of a number; None if it has no end."""
    below, places = value.denominator, 0
    while below % 10 == 0 or below % 5 == 0 or below % 2 == 0:
        below //= 10 if below % 10 == 0 else 5 if below % 5 == 0 else 2
        places += 1
    return places if below == 1 and (value * 10**places).denominator == 1 else None


def _same_kind(old: Fraction, new: Fraction) -> bool:
    if old.denominator == 1:
        is_kind = new.denominator == 1
    else:
        before, after = places_of(old), places_of(new)
        is_kind = after is not None and before is not None and after <= max(before, _PLACES)
    same_sign = (old > 0) == (new > 0) and (old < 0) == (new < 0)
    same_side = (abs(old) < 1) == (abs(new) < 1) and (abs(old) == 1) == (abs(new) == 1)
    return is_kind and same_sign and same_side and abs(new) <= abs(old) * _FACTOR


def _candidates(one: Mention) -> list[Fraction]:
    """Values of the same form, from about half to about twice the original."""
    scale = 10**one.decimals
    value = int(one.value * scale)
    step = _step(value)
    # Exact: a long number is no float.
    low, high = Fraction(value, 2), Fraction(2 * value)
    if value < 10:
        low, high = Fraction(2), Fraction(min(12, 2 * value + 2))
    limit = _LIMITS.get(one.unit)
    if one.is_percent and one.value < 100:
        high = min(high, Fraction(95 * scale))
    elif limit is not None and one.value <= limit:
        high = min(high, Fraction(limit * scale))
    first, last = ceil(max(low, Fraction(step)) / step), floor(high / step)
    numbers = range(first, last + 1, _stride(last - first))
    found = [Fraction(number * step, scale) for number in numbers]
    found = [new for new in found if one.takes_an is None or takes_an(new) == one.takes_an]
    return [new for new in found if new > 1 or one.value < 1] or [one.value]


def _stride(length: int) -> int:
    """Distance of the candidates: 1, or as many as leave not too many of them, which small numbers
    still divide as often as any others."""
    stride = length // _MOST_CANDIDATES + 1
    while gcd(stride, _SMALL_PRIMES) > 1:
        stride += 1
    return stride


def _step(value: int) -> int:
    """A round number stays round."""
    zeros = len(str(value)) - len(str(value).rstrip("0"))
    if zeros:
        return int(5 * 10 ** (zeros - 1))
    return 5 if value % 5 == 0 and value > 10 else 1


def _ordered(template: Template) -> Iterator[tuple[int, int | Fraction, bool]]:
    """Pairs of numbers of the same unit: index, the other's index or fixed value, and whether the first
    is less."""
    for index, one in enumerate(template.mentions):
        for other_index, other in enumerate(template.mentions[index + 1 :], index + 1):
            if _alike(one, other):
                yield index, other_index, one.value < other.value
        for fixed in template.fixed:
            if _alike(one, fixed) and fixed.value != one.value:
                yield index, fixed.value, one.value < fixed.value


def _alike(one: Mention, other: Mention) -> bool:
    if one.is_money or one.is_percent or other.is_money or other.is_percent:
        return one.is_money == other.is_money and one.is_percent == other.is_percent
    return bool(one.unit) and one.unit == other.unit


def _in_order(values: Values, order: Sequence[tuple[int, int | Fraction, bool]]) -> bool:
    return all(
        (values[index] < other_value) == is_less and values[index] != other_value
        for index, other, is_less in order
        for other_value in [values[other] if isinstance(other, int) else other]
    )
