"""Numbers that a story gives without digits: in words, or by what a week or a percentage is."""

import re
from collections.abc import Iterable
from fractions import Fraction

_ONES = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen""".split()
_TENS = {
    name: 10 * n
    for n, name in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)
}
_HALF, _QUARTER, _THIRD = Fraction(1, 2), Fraction(1, 4), Fraction(1, 3)
_SAID: dict[str, tuple[Fraction | int, ...]] = {
    **{name: (value,) for value, name in enumerate(_ONES)},
    **{name: (value,) for name, value in _TENS.items()},
    "hundred": (100,),
    "thousand": (1000,),
    "million": (1000000,),
    "dozen": (12,),
    "half": (2, _HALF, 50),
    "halves": (2, _HALF),
    "twice": (2,),
    "double": (2,),
    "doubled": (2,),
    "pair": (2,),
    "couple": (2,),
    "both": (2,),
    "thrice": (3,),
    "triple": (3,),
    "tripled": (3,),
    "quadruple": (4,),
    "third": (3, _THIRD),
    "fourth": (4, _QUARTER),
    "quarter": (4, _QUARTER, 25),
    "fifth": (5, Fraction(1, 5)),
    "sixth": (6, Fraction(1, 6)),
    "eighth": (8, Fraction(1, 8)),
    "tenth": (10, Fraction(1, 10)),
}
"""Words for numbers."""
_MEANT: dict[str, tuple[Fraction | int, ...]] = {
    "day": (7, 24, 30, 365),
    "daily": (7,),
    "week": (7, 4, 52),
    "weekly": (4, 52),
    "weekend": (2,),
    "weekday": (5,),
    "month": (12, 30, 4),
    "monthly": (12,),
    "year": (12, 52, 365),
    "yearly": (12,),
    "annual": (12,),
    "hour": (60, 24),
    "hourly": (60,),
    "minute": (60,),
    "second": (60,),
    "decade": (10,),
    "century": (100,),
    "foot": (12, 3),
    "feet": (12, 3),
    "inch": (12,),
    "inches": (12,),
    "yard": (3, 36),
    "cent": (100,),
    "cm": (100,),
    "centimeter": (100,),
    "meter": (100, 1000),
    "kilometer": (1000,),
    "km": (1000,),
    "kg": (1000,),
    "kilogram": (1000,),
    "gram": (1000,),
    "liter": (1000,),
    "ton": (1000, 2000),
    "pound": (16,),
    "ounce": (16,),
    "gallon": (4, 16),
    "quart": (4,),
    "square": (4,),
    "triangle": (3,),
    "perimeter": (2, 4),
    "percent": (100,),
    "nickel": (5, Fraction(1, 20)),
    "dime": (10, Fraction(1, 10)),
    "penny": (Fraction(1, 100),),
    "pennies": (Fraction(1, 100),),
}
"""Words that bring a number with them, which the text does not say."""
_WORD = re.compile(r"[A-Za-z]+")
_COMPOUND = re.compile(rf"\b({'|'.join(_TENS)})[\s-]({'|'.join(_ONES[1:10])})\b", re.IGNORECASE)


def constants_of(text: str) -> frozenset[Fraction]:
    """Every number that the text may bring into a calculation without digits, and 1."""
    words = {word.lower() for word in _WORD.findall(text)}
    words |= {word[:-1] for word in words if word.endswith("s")}
    found: set[Fraction] = {Fraction(1)}
    for table in (_SAID, _MEANT):
        found |= _fractions(value for word in words for value in table.get(word, ()))
    if "%" in text:
        found.add(Fraction(100))
    if "$" in text and "cent" in words:
        found.add(Fraction(100))
    for tens, ones in _COMPOUND.findall(text):
        found.add(Fraction(_TENS[tens.lower()] + _ONES.index(ones.lower())))
    return frozenset(found)


def _fractions(values: Iterable[Fraction | int]) -> set[Fraction]:
    return {Fraction(value) for value in values}
