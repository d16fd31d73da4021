"""The numbers in a problem's text, and which of them may change.

A number may change if its context shows that it is a plain quantity. Years, times, ordinals, labels
such as "Room 5", fractions, ranges, counts of nature such as "7 days", and numbers that the text says
twice stay as they are.
"""

import re
from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction

_NUMBER = re.compile(r"\d+(?:,\d{3})+(?:\.\d+)?(?!\d)|\d*\.\d+|\d+", re.ASCII)
_WORD_AFTER = re.compile(r"[\s-]*([A-Za-z]+)")
_WORD_BEFORE = re.compile(r"([A-Za-z]+\.?)[\s#]*$")
_JOINED = re.compile(r"[:/]\s?\d|\s?(?:-|\u2013|\u2014|to)\s?[$]?\d")
_JOINS = re.compile(
    r"\d(?:[:/]\s?|\s?[x\u00d7]\s?|\s?(?:-|\u2013|\u2014|to)\s?[$]?)$|[\w#.]$|[A-Za-z]-$|[-\u2212^]$"
)
_TIME = re.compile(r"\s?(?:[ap]\.?\s?m\b|o'?\s?clock|noon)", re.IGNORECASE)
_FRACTION = re.compile(r"(\d+)\s?/\s?(\d+)")
_NAMED_ONES = re.compile(r"^[\w\s-]{0,40}?(?::|,|\(|--|\u2014|\u2013)\s?[A-Z]\w+(?:,| and\b|:)")
_ENUMERATES = re.compile(
    r"\b(?:first|second|third|fourth|fifth|sixth|last|others?|another|one of|each of (?:them|the))\b",
    re.IGNORECASE,
)
_LABELS = frozenset(
    """number no no. room grade chapter page day week month year step level version route highway exit
    gate lane line lot unit section part volume question problem class channel track bus flight
    team group apartment building floor january february march april may june july august
    september october november december jan feb mar apr jun jul aug sep oct nov dec monday
    tuesday wednesday thursday friday saturday sunday at by until since from in""".split()
)
"""Words before a number that names something, or that is a date or time."""
_TIMES = frozenset("at by until since from in".split())
"""Labels that are no label before a sum of money or a unit."""
_OF_NATURE = {
    "day": {5, 7, 28, 30, 31, 365, 366},
    "hour": {12, 24},
    "minute": {60, 30},
    "second": {60},
    "month": {6, 12},
    "week": {4, 52},
    "inch": {12},
    "inches": {12},
    "cent": {100},
    "feet": {3},
    "foot": {3},
}
"""Unit -> numbers that nature or the calendar gives, rather than the story."""
_BODY = frozenset(
    """leg wheel eye ear arm hand foot feet finger toe wing tail side corner half halves quarter parent
    tire edge face player inning dozen hundred thousand million billion digit digits st nd rd
    th""".split()
)
"""Words after a number that a shape, an animal or a game fixes, or that continue the number."""
_LEAST_YEAR, _MOST_YEAR = 1500, 2100
_NEAR = 200
"""Characters before and after a number that can tell what it is."""
_MOST_DIGITS = 400
"""Characters of a number; no calculation has longer ones, and Python refuses to read some."""
_FEW = 6
"""A text that enumerates ("the first", "the other") may enumerate up to so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A number in the text."""

    start: int
    end: int
    """Characters, without a sign of currency or percent."""
    value: Fraction
    decimals: int
    """Digits behind the point."""
    has_commas: bool
    is_money: bool
    is_percent: bool
    unit: str
    """The word after it in lower case, without its `s`; "" if none."""
    takes_an: bool | None
    """Whether `an` stands before it, or `a`; None if no article does."""
    may_change: bool

    def written(self, value: Fraction) -> str:
        """A value in the form of this number. Raises ValueError for one that needs more decimals."""
        scaled = value * 10**self.decimals
        if scaled.denominator != 1:
            raise ValueError(f"expected at most {self.decimals} decimals, got {value}")
        whole, rest = divmod(int(scaled), 10**self.decimals)
        text = f"{whole:,}" if self.has_commas else str(whole)
        return f"{text}.{rest:0{self.decimals}d}" if self.decimals else text


def find_mentions(text: str) -> list[Mention]:
    """Every number in digits, in order; none that is longer than any calculation."""
    matches = _NUMBER.finditer(text)
    found = [_mention(text, match) for match in matches if len(match[0]) <= _MOST_DIGITS]
    times = Counter(one.value for one in found)
    enumerates = _ENUMERATES.search(text) is not None
    return [
        one
        if times[one.value] == 1 and not (enumerates and one.value <= _FEW and not one.is_money)
        else replace(one, may_change=False)
        for one in found
    ]


def find_fractions(text: str) -> list[tuple[int, int]]:
    """Every `a/b` in digits; none with a number that is longer than any calculation."""
    return [
        (int(above), int(below))
        for above, below in _FRACTION.findall(text)
        if max(len(above), len(below)) <= _MOST_DIGITS
    ]


def with_values(text: str, written: dict[Mention, str]) -> str:
    """The text with other texts in the place of some numbers."""
    pieces, end = [], 0
    for one in sorted(written, key=lambda one: one.start):
        pieces += [text[end : one.start], written[one]]
        end = one.end
    return "".join([*pieces, text[end:]])


def takes_an(value: Fraction) -> bool:
    """Whether `an` stands before the number."""
    digits = str(int(value))
    return digits[0] == "8" or (digits[:2] in ("11", "18") and len(digits) % 3 == 2)


def _mention(text: str, match: re.Match[str]) -> Mention:
    before = text[max(0, match.start() - _NEAR) : match.start()]
    after = text[match.end() : match.end() + _NEAR]
    digits = match[0].replace(",", "")
    _, _, decimals = digits.partition(".")
    word = _WORD_AFTER.match(after)
    article = re.search(r"\b(an?) \$?$", before, re.IGNORECASE)
    one = Mention(
        start=match.start(),
        end=match.end(),
        value=Fraction(digits),
        decimals=len(decimals),
        has_commas="," in match[0],
        is_money=before.rstrip().endswith("$"),
        is_percent=re.match(r"\s?(?:%|percent\b)", after) is not None,
        unit=_singular(word[1].lower()) if word else "",
        takes_an=article[1].lower() == "an" if article else None,
        may_change=False,
    )
    return replace(one, may_change=not _is_fixed(one, before, after))


def _is_fixed(one: Mention, before: str, after: str) -> bool:
    value, label = one.value, _WORD_BEFORE.search(before)
    named = label is not None and label[1].lower() in _LABELS
    if named and label is not None and label[1].lower() in _TIMES:
        named = not one.is_money and not one.unit
    word = _WORD_AFTER.match(after)
    is_year = value.denominator == 1 and _LEAST_YEAR <= value <= _MOST_YEAR
    return (
        value <= 1
        or named
        or (is_year and not one.is_money and not one.has_commas)
        or _JOINED.match(after) is not None
        or (_JOINS.search(before) is not None and not one.is_money)
        or _TIME.match(after) is not None
        or re.match(r"\w|\.\d|\^|\s?[x\u00d7]\s?\d", after) is not None
        or (word is not None and word[1][0].isupper())
        or one.unit in _BODY
        or value in _OF_NATURE.get(one.unit, ())
        or (one.is_percent and value == 100)
        or _NAMED_ONES.match(after) is not None
    )


def _singular(word: str) -> str:
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word
