"""Fast path for plain numbers of any size, the most common answers to word problems, without a parser.

Numbers are compared in a normal form of their digits. Fractions, percentages, units in the gold answer
and anything else that needs interpretation are left to the full comparison.
"""

import re
from functools import lru_cache

from verifiers.math.forms.units import NOT_NOUNS

_NUMBER = re.compile(
    r"(?:\*\*|\$|\\\(|\\\$)?\s*+([+-]?)\s*+(?:\\?\$)?\s*+"
    r"([1-9]\d{0,2}(?:(?:,|\\,|\{,\})\d{3})++(?!\d)|\d++)?+(?:\.(\d*+))?+"
    r"(?:\s*+(?:\*\*|\$|\\\)))?+"
    r"((?:\s++[a-z]{3,}+){0,3}+|\s*+\\text\{\s*+[a-z]{3,}+(?:\s++[a-z]{3,}+){0,2}+\s*+\})\s*+\$?+\s*+\.?\s*+(?:\*\*)?",
    re.ASCII,
)
_SEPARATORS = str.maketrans("", "", ",\\{}")
_WORD = re.compile(r"[a-z]+")
_LONGEST = 2_000_000
_LONGEST_KEPT = 200
"""Longest gold answer that is cached, in characters."""


def normal_gold(text: str) -> str | None:
    """The normal form of a gold answer that is only a number; None for anything else."""
    return _remembered_gold(text) if len(text) <= _LONGEST_KEPT else _normal_gold(text)


def _normal_gold(text: str) -> str | None:
    found = _read(text)
    return found[0] if found and not found[1] and "$" not in text else None


_remembered_gold = lru_cache(maxsize=4096)(_normal_gold)


def normal_number(text: str) -> str | None:
    """The normal form of a number without the nouns and units after it; None for anything more."""
    found = _read(text)
    if found is None or (found[1] and not NOT_NOUNS.isdisjoint(_WORD.findall(found[1]))):
        return None
    return found[0]


def _read(text: str) -> tuple[str, str] | None:
    """(normal form, words) of a number with words after it."""
    if len(text) > _LONGEST or not (match := _NUMBER.fullmatch(text)):
        return None
    sign, whole, decimals, words = match.groups()
    if not whole and not decimals:
        return None
    whole = (whole or "").translate(_SEPARATORS).lstrip("0") or "0"
    decimals = (decimals or "").rstrip("0")
    number = f"{whole}.{decimals}" if decimals else whole
    return ("-" if sign == "-" and number != "0" else "") + number, words
