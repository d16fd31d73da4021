"""A problem as a template: which numbers of its text its calculations use.

Every number in a calculation has to be explained: it is the result of an earlier calculation, a number
of the text, or a constant that the story brings with it (`constants.py`). A number with two
explanations is in doubt, so the numbers of the text on which the two depend stay as they are. Whatever
stays in doubt refuses the template, with the reason: a wrong gold answer does more harm than no
variant.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from itertools import combinations

from pipeline.problems.variants.calculations import (
    Calculation,
    Unreadable,
    evaluate,
    literals,
    read_calculations,
    read_number,
)
from pipeline.problems.variants.constants import constants_of
from pipeline.problems.variants.mentions import Mention, find_fractions, find_mentions, with_values

_CONDITION = re.compile(
    r"\b(?:if .{0,60}\b(?:more|less|fewer|over|above|below|at least)\b|otherwise|unless|at least"
    r"|at most|minimum|maximum|exceed\w*|overtime|additional|beyond|first \$?\d+|next \$?\d+|up to"
    r"|limit\w*|or (?:more|less|fewer|older|younger)"
    r"|round(?:ed|ing)?|nearest|remainder|left ?over|whole number"
    r"|leap|closest|after the|greatest|least|fewest|cheapest|whichever|maximi[sz]e|minimi[sz]e"
    r"|consecutive|average|mean|median|prime|multiple|digit|divisible)\b",
    re.IGNORECASE,
)
"""Other numbers may be on the other side of a condition, or the calculation holds for these alone."""
_CHOICE = re.compile(
    r"\bround\w*|\bremainder\b|\bsince .{0,80}\b(?:less|more|greater|smaller|larger|bigger) than\b"
    r"|[<>\u2264\u2265]|\bguess\w*|\btry\b|\blet\b|\bmust be an integer\b",
    re.IGNORECASE,
)
"""The solution decides by its numbers, or has an unknown."""
_MARKS = re.compile(r"<<[^<>]*>>")
_MOST_CALCULATIONS = 40
_MOST_NUMBERS = 40


class NoTemplate(StrEnum):
    """Why a problem has no template."""

    NO_SOLUTION = "no_solution"
    """There is no worked solution, or none with calculations."""
    NO_NUMBER_ANSWER = "no_number_answer"
    NUMBER_IN_COLUMN = "number_in_column"
    """A column that the prompt template uses has a number, which may depend on those of the text."""
    UNREADABLE = "unreadable"
    """A calculation has an unknown, is wrong, or is rounded."""
    CONDITION = "condition"
    """The text has a condition that other numbers may not meet, or the solution decides by numbers."""
    UNEXPLAINED = "unexplained"
    """A calculation has a number that is neither in the text nor an earlier result, or none has a
    percentage of the text: something was worked out that the solution does not show."""
    UNUSED_RESULT = "unused_result"
    """The answer is not the last result, or an earlier one does not lead to it."""
    STATED_TWICE = "stated_twice"
    """A number that no calculation uses follows from others in the text."""
    ALL_FIXED = "all_fixed"
    """No number may change."""
    OTHER_ANSWER = "other_answer"
    """The program does not give the gold answer."""
    NO_NUMBERS = "no_numbers"
    """No other numbers were found that keep the results of the same kind."""


@dataclass(frozen=True, slots=True)
class Given:
    """A number of the text."""

    mention: int
    """Its index among the template's."""
    is_share: bool
    """Whether a percentage is used as a fraction of 1."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """The result of an earlier calculation."""

    calculation: int


@dataclass(frozen=True, slots=True)
class Constant:
    """A number that stays."""

    value: Fraction


Origin = Given | Earlier | Constant


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A text with numbers that may change, and how its answer follows from them."""

    text: str
    mentions: tuple[Mention, ...]
    """The numbers that may change, in order."""
    calculations: tuple[Calculation, ...]
    origins: tuple[tuple[Origin, ...], ...]
    """For each calculation, where its numbers come from, from left to right."""
    fixed: tuple[Mention, ...] = ()
    """The numbers of the text that stay."""

    @property
    def values(self) -> tuple[Fraction, ...]:
        """The original numbers."""
        return tuple(one.value for one in self.mentions)

    def fill(self, values: Sequence[Fraction]) -> str:
        """The text with these numbers. Raises ValueError for one that its form cannot show."""
        pairs = zip(self.mentions, values, strict=True)
        return with_values(self.text, {one: one.written(value) for one, value in pairs})

    def answer(
        self, values: Sequence[Fraction], see: Callable[[Fraction], None] = lambda _: None
    ) -> Fraction:
        """The answer for these numbers; `see` gets every intermediate value, in a fixed order.

        Raises ZeroDivisionError.
        """
        results: list[Fraction] = []
        for calculation, origins in zip(self.calculations, self.origins, strict=True):
            numbers = iter([_value(origin, values, results) for origin in origins])
            results.append(evaluate(calculation.expression, numbers, see))
        return results[-1]


def make_template(text: str, worked: str | None, gold: str | None) -> Template | NoTemplate:
    """The template of a problem with a worked solution, or why there is none."""
    answer = read_number(gold or "")
    if answer is None:
        return NoTemplate.NO_NUMBER_ANSWER
    if not worked:
        return NoTemplate.NO_SOLUTION
    if _CONDITION.search(text) or _CHOICE.search(_MARKS.sub("", worked)):
        return NoTemplate.CONDITION
    try:
        calculations = read_calculations(worked)
    except Unreadable:
        return NoTemplate.UNREADABLE
    if not calculations:
        return NoTemplate.NO_SOLUTION
    if len(calculations) > _MOST_CALCULATIONS:
        return NoTemplate.UNREADABLE
    if calculations[-1].result != answer:
        return NoTemplate.UNUSED_RESULT
    return _bind(text, calculations)


def _bind(text: str, calculations: Sequence[Calculation]) -> Template | NoTemplate:
    mentions = find_mentions(text)
    if len(mentions) > _MOST_NUMBERS:
        return NoTemplate.ALL_FIXED
    binding = _Binding(text, mentions, calculations)
    if not binding.is_explained:
        return NoTemplate.UNEXPLAINED
    if not binding.leads_to_the_end():
        return NoTemplate.UNUSED_RESULT
    if binding.says_twice():
        return NoTemplate.STATED_TWICE
    varying = binding.settle()
    return binding.template(varying) if varying else NoTemplate.ALL_FIXED


class _Binding:
    """What each number of the calculations may be."""

    def __init__(
        self, text: str, mentions: Sequence[Mention], calculations: Sequence[Calculation]
    ) -> None:
        self._text, self._mentions, self._calculations = text, mentions, calculations
        constants = set(constants_of(text))
        for above, below in find_fractions(text):
            constants |= {Fraction(above), Fraction(below)}
            constants |= {Fraction(above, below)} if below else set()
        if any(one.is_percent for one in mentions):
            constants.add(Fraction(100))
        self._constants = constants
        self._choices = [
            [self._choose(value, place) for value in literals(one.expression)]
            for place, one in enumerate(calculations)
        ]

    @property
    def is_explained(self) -> bool:
        """Whether every number has an explanation, and every percentage of the text a use."""
        used = self._used()
        if any(one.is_percent and place not in used for place, one in enumerate(self._mentions)):
            return False
        return all(choices for numbers in self._choices for choices in numbers)

    def leads_to_the_end(self) -> bool:
        """Whether a later calculation uses each result but the last."""
        used = {
            one.calculation
            for numbers in self._choices
            for choices in numbers
            for one in choices
            if isinstance(one, Earlier)
        }
        return used >= set(range(len(self._calculations) - 1))

    def says_twice(self) -> bool:
        """Whether a number that no calculation uses is a result, or follows from two others."""
        used = self._used()
        unused = [one.value for place, one in enumerate(self._mentions) if place not in used]
        others = [one.value for one in self._mentions]
        follow = {one.result for one in self._calculations}
        for a, b in combinations(others, 2):
            follow |= {a + b, abs(a - b), a * b}
        return any(value in follow for value in unused)

    def settle(self) -> frozenset[int]:
        """The numbers of the text that may change, without those on which a doubt depends."""
        varying = {place for place in self._used() if self._mentions[place].may_change}
        shares = [one.value for one in self._mentions if one.is_percent]
        if len(shares) > 1 and sum(shares) == 100:
            varying -= {place for place, one in enumerate(self._mentions) if one.is_percent}
        while True:
            in_doubt = {
                place
                for numbers in self._choices
                for choices in numbers
                if len(choices) > 1
                for one in choices
                for place in self._depends(one) & varying
            }
            if not in_doubt:
                return frozenset(varying)
            varying -= in_doubt

    def template(self, varying: frozenset[int]) -> Template:
        """The template in which these numbers change."""
        places = {place: number for number, place in enumerate(sorted(varying))}
        return Template(
            text=self._text,
            mentions=tuple(self._mentions[place] for place in places),
            calculations=tuple(self._calculations),
            origins=tuple(
                tuple(
                    self._origin(value, choices, places)
                    for value, choices in zip(literals(one.expression), numbers, strict=True)
                )
                for one, numbers in zip(self._calculations, self._choices, strict=True)
            ),
            fixed=tuple(one for place, one in enumerate(self._mentions) if place not in places),
        )

    def _choose(self, value: Fraction, place: int) -> list[Origin]:
        found: list[Origin] = [
            Earlier(number)
            for number, one in enumerate(self._calculations[:place])
            if one.result == value
        ]
        for number, one in enumerate(self._mentions):
            if one.value == value:
                found.append(Given(number, is_share=False))
            elif one.is_percent and one.value / 100 == value:
                found.append(Given(number, is_share=True))
        if value in self._constants:
            found.append(Constant(value))
        return found

    def _used(self) -> set[int]:
        return {
            one.mention
            for numbers in self._choices
            for choices in numbers
            for one in choices
            if isinstance(one, Given)
        }

    def _depends(self, origin: Origin) -> frozenset[int]:
        """The numbers of the text that an explanation depends on."""
        if isinstance(origin, Given):
            return frozenset({origin.mention})
        if isinstance(origin, Constant):
            return frozenset()
        return self._reach()[origin.calculation]

    def _reach(self) -> list[frozenset[int]]:
        """For each calculation, the numbers of the text that its numbers may depend on."""
        reach: list[frozenset[int]] = []
        for numbers in self._choices:
            own: set[int] = set()
            for one in (one for choices in numbers for one in choices):
                if isinstance(one, Given):
                    own.add(one.mention)
                elif isinstance(one, Earlier):
                    own |= reach[one.calculation]
            reach.append(frozenset(own))
        return reach

    def _origin(self, value: Fraction, choices: Sequence[Origin], places: Mapping[int, int]) -> Origin:
        # Several explanations are all of numbers that stay.
        first = choices[0]
        if isinstance(first, Given):
            if len(choices) > 1 or first.mention not in places:
                return Constant(value)
            return Given(places[first.mention], first.is_share)
        return first if len(choices) == 1 else Constant(value)


def _value(origin: Origin, values: Sequence[Fraction], results: Sequence[Fraction]) -> Fraction:
    if isinstance(origin, Constant):
        return origin.value
    if isinstance(origin, Earlier):
        return results[origin.calculation]
    value = values[origin.mention]
    return value / 100 if origin.is_share else value


def leaves(template: Template) -> Iterator[Origin]:
    """Where each number of the calculations comes from, in order."""
    for origins in template.origins:
        yield from origins
