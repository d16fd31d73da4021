"""Letters behind a number that can be a unit or variables: `5m`, `2 hr`. The other answer may tell."""

import re

from verifiers.formulas.grammar import read
from verifiers.formulas.nodes import Formula, Quantity, Unreadable
from verifiers.formulas.notation import plain
from verifiers.formulas.numeric import variables
from verifiers.formulas.units import find_unit

_BEHIND_NUMBER = re.compile(r"(-?[\d.,]*\d)\s*([a-zA-Z]{1,3})")
_LAST_LETTERS = re.compile(r"(?<![a-zA-Z\\{])([a-z]{2,3})$")


def other_readings(gold: str, answer: str) -> tuple[str, str] | None:
    """Both texts, with letters read as a unit in one where the other has a unit or nothing there.

    And as variables, where the other has these variables. None where there is no other reading.
    """
    texts = plain(gold), plain(answer)
    found = tuple(_other_reading(one, other) or one for one, other in (texts, texts[::-1]))
    return None if found == texts else (found[0], found[1])


def _other_reading(text: str, other: str) -> str | None:
    if (match := _BEHIND_NUMBER.fullmatch(text)) and find_unit(match[2]) and not _letters_of(other):
        return rf"{match[1]} \text{{{match[2]}}}"
    match = _LAST_LETTERS.search(text)
    if match and find_unit(match[1]) and set(match[1]) <= _letters_of(other):
        return text[: match.start()] + " ".join(match[1])
    return None


def _letters_of(text: str) -> frozenset[str]:
    """The variables of a formula; none for what is a quantity, or cannot be read."""
    try:
        formula: Formula = read(text)
    except Unreadable:
        return frozenset()
    if isinstance(formula, Quantity) and _LAST_LETTERS.search(text):
        # Its unit may be letters too.
        match = _LAST_LETTERS.search(text)
        return variables(formula) | (
            frozenset(match[1]) if match and variables(formula) else frozenset()
        )
    return variables(formula)
