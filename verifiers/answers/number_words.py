"""Numbers in words: `forty-two`, `two thousand five hundred`, `minus five`, `two thirds`."""

import re
from fractions import Fraction

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
SCALES = {
    "hundred": 100,
    "thousand": 1000,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "dozen": 12,
    "lakh": 10**5,
    "crore": 10**7,
}
PARTS = {
    name + plural: value
    for name, value in (
        ("third", 3), ("fourth", 4), ("fifth", 5), ("sixth", 6), ("seventh", 7), ("eighth", 8),
        ("ninth", 9), ("tenth", 10), ("hundredth", 100), ("thousandth", 1000),
    )
    for plural in ("", "s")
} | {"half": 2, "halves": 2}  # fmt: skip
"""Denominators by the words for fractions."""
_WORD = rf"(?:{'|'.join(sorted([*_SMALL, *_TENS], key=len, reverse=True))})"
_SCALE = rf"(?:{'|'.join(SCALES)})"
_PART = rf"(?:{'|'.join(sorted(PARTS, key=len, reverse=True))})"
PATTERN = (
    rf"(?:(?:negative|minus)\s)?{_WORD}(?:(?:-|\s(?:and\s)?)(?:{_WORD}|{_SCALE})\b){{0,12}}"
    rf"(?:(?:-|\s){_PART}\b)?"
)
"""Regular expression for a possible number in words, in lower case.

Not with a possessive `{0,12}+`, with which Python 3.11.2 also takes the space after the last word.
"""


def number_in_words(words: str) -> Fraction | None:
    """The value of a number in lower-case words; None for anything else."""
    parts = re.split(r"[-\s]+", words.strip())
    sign = -1 if parts[0] in ("negative", "minus") else 1
    parts = [part for part in parts[sign < 0 :] if part != "and"]
    if not parts:
        return None
    part = PARTS.get(parts[-1]) if len(parts) > 1 else None
    value = _cardinal(parts[:-1] if part else parts)
    return None if value is None else sign * Fraction(value, part or 1)


def _cardinal(parts: list[str]) -> int | None:
    """`two thousand five hundred`; each word must be smaller than those before it allow."""
    total, below = 0, 10**18
    current, room = 0, 1000
    for part in parts:
        value = _value(part)
        if value is not None and value < room:
            current, room = current + value, (10 if value >= 20 else 1)
        elif part == "hundred" and 0 < current < 10:
            current, room = current * 100, 100
        elif part in SCALES and part != "hundred" and current and SCALES[part] < below:
            total, below = total + current * SCALES[part], SCALES[part]
            current, room = 0, 1000
        else:
            return None
    return total + current


def _value(word: str) -> int | None:
    if word in _TENS:
        return 20 + 10 * _TENS.index(word)
    return _SMALL.index(word) if word in _SMALL else None
