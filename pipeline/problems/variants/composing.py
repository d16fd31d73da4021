"""A problem in which the answer of another is one of the numbers.

The gold answer is computed by the second problem's program, from the first one's gold answer. So it is
as right as the first gold answer and the second template are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from random import Random

from pipeline.problems.variants.calculations import read_number
from pipeline.problems.variants.drawing import Values, fits
from pipeline.problems.variants.mentions import Mention, with_values
from pipeline.problems.variants.template import Template

_NAME = "X"
_FACTOR = 5
"""The first answer is within this factor of the number whose place it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """Two problems in one."""

    text: str
    template: Template
    """The second problem's."""
    values: Values
    """The second problem's numbers, with the first answer among them."""


def compose(first: str, answer: str, second: Template, random: Random) -> Composition | None:
    """The second problem with the answer of the first in the place of a number.

    None if no number of its can be that answer, or if the texts use the name that stands for it.
    """
    value = read_number(answer)
    if value is None or value.denominator != 1 or f" {_NAME} " in f" {first} {second.text} ":
        return None
    places = [
        place for place, one in enumerate(second.mentions) if _takes(one, value) and value != one.value
    ]
    random.shuffle(places)
    for place in places:
        values = (*second.values[:place], value, *second.values[place + 1 :])
        if fits(second, values):
            asked = with_values(second.text, {second.mentions[place]: _NAME})
            return Composition(text=_text(first, asked), template=second, values=values)
    return None


def _takes(one: Mention, value: Fraction) -> bool:
    is_plain = not one.is_percent and not one.decimals and one.takes_an is None
    return is_plain and one.value <= value * _FACTOR and 1 < value <= one.value * _FACTOR


def _text(first: str, second: str) -> str:
    parts: Sequence[str] = (
        first.strip(),
        f"Let {_NAME} be the answer to this question. Now answer another one:",
        second.strip(),
    )
    return "\n\n".join(parts)
