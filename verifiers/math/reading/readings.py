"""Answers with two readings, for which the other answer may decide.

Letters after a number can be a unit or variables, as in `5m` and `2 hr`; `2 and 1/2` can be two
numbers.
"""

import re

from verifiers.math.equality.numeric import variables
from verifiers.math.forms.nodes import Quantity, Unreadable
from verifiers.math.forms.units import find_unit, read_unit
from verifiers.math.reading.grammar import read
from verifiers.math.reading.notation import plain

_BEHIND_NUMBER = re.compile(r"(-?[\d.,]*\d)\s*([a-zA-Z]{1,3})")
_MIXED_IN_WORDS = re.compile(r"(\d+)\s+and\s+(\d+/\d+)")
_CHOOSE = re.compile(r"(?<![a-zA-Z\\])C\s*\(\s*(\d+|[a-z])\s*,\s*(\d+|[a-z])\s*\)")
_POINT = re.compile(r"\s*(?:[A-Z]\s*)?[(\[]\s*[^(),]+,[^(),]+[)\]]\s*$")
_NUMBER_AND_LETTERS = re.compile(r"-?[\d.,]*\d(?:\s+[a-zA-Z](?:\s*\^\s*\{?\s*\d+\s*\}?)?)+")
_UNIT_AT_END = re.compile(
    r"(.*[\d}])\s+([a-zA-Z]{1,3}(?:\s*\^\s*\{?-?\d\}?)?(?:\s*/\s*[a-zA-Z]{1,3}(?:\s*\^\s*\{?\d\}?)?)?)"
)
_LETTER = re.compile(r"[a-zA-Z]")
_LAST_LETTERS = re.compile(r"(?<![a-zA-Z\\{])([a-z]{2,3})$")


def other_readings(gold: str, answer: str) -> tuple[str, str] | None:
    """Both texts in their alternative reading; None if there is none."""
    try:
        texts = plain(gold), plain(answer)
    except Unreadable:
        return None
    found = tuple(_other_reading(one, other) or one for one, other in (texts, texts[::-1]))
    return None if found == texts else (found[0], found[1])


def _other_reading(text: str, other: str) -> str | None:
    if match := _MIXED_IN_WORDS.fullmatch(text):
        return f"{match[1]} {match[2]}"
    if (match := _BEHIND_NUMBER.fullmatch(text)) and find_unit(match[2]) and not _letters_of(other):
        return rf"{match[1]} \text{{{match[2]}}}"
    if _CHOOSE.search(text) and not _POINT.match(other):
        return _CHOOSE.sub(r"\\binom{\1}{\2}", text)
    letters = frozenset(_LETTER.findall(text))
    if _NUMBER_AND_LETTERS.fullmatch(text) and letters & _letters_of(other):
        return "".join(text.split())
    if (match := _UNIT_AT_END.fullmatch(text)) and _measures(other):
        unit = read_unit(match[2])
        if unit is not None and unit.measures:
            return rf"{match[1]} \text{{{match[2]}}}"
    match = _LAST_LETTERS.search(text)
    if match and find_unit(match[1]) and set(match[1]) <= _letters_of(other):
        return text[: match.start()] + " ".join(match[1])
    return None


def _measures(text: str) -> bool:
    """Whether it is a value with a unit of measurement."""
    try:
        formula = read(text)
    except Unreadable:
        return False
    return isinstance(formula, Quantity) and formula.unit.measures


def _letters_of(text: str) -> frozenset[str]:
    """The variables of a formula; empty if it cannot be read."""
    try:
        return variables(read(text))
    except Unreadable:
        return frozenset()
