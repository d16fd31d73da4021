"""Decides whether an answer with the right value answers the problem or only repeats it.

Asked "Evaluate `\\sin(\\pi/6)`", the response `\\sin(\\pi/6)` has the right value but answers nothing.
`fault` names the flaw in the form of an answer whose value is right:

    1. an answer in the gold answer's own notation is never at fault, but `-(-3)` is not `3`
    2. it repeats the question: the prompt has the same formula, up to notation and order
    3. it is not worked out: it still contains an operation that the prompt asks for, or the gold answer
       is a number and the answer is an operation on numbers
    4. the prompt asks for a form ("in lowest terms") that the gold answer has and the answer lacks

A formula that cannot be read has no fault. The run time is linear in the prompt.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from verifiers.math.asked.as_written import (
    is_closed,
    parts_of,
    read_as_written,
)
from verifiers.math.asked.asked_forms import missing_form
from verifiers.math.asked.form_measures import is_scientific
from verifiers.math.asked.questions import AskedFor, is_plain_number, read_question
from verifiers.math.asked.worked_out import (
    has_power_of_i,
    is_function,
    is_value,
    is_worked_out,
)
from verifiers.math.equality.equality import real_value
from verifiers.math.equality.numeric import TooLarge
from verifiers.math.forms.nodes import (
    Apply,
    Constant,
    Formula,
    Items,
    Number,
    Quantity,
    Relation,
    Unreadable,
    Variable,
    Words,
)

REPEATS = "the answer repeats the question"
NOT_WORKED_OUT = "the answer is not worked out: it still has an operation that the question asks for"

_OPERATORS = re.compile(
    r"\\(int|iint|oint|sum|prod|lim)(?![a-zA-Z])|\\[dt]?frac\s*\{\s*(d)\s*(?:\^\S+\s*)?\}|([\u222b\u2211\u220f])"
)
_TWO_SIGNS = re.compile(r"[-+\u2212]\s*+(?:(?:\\left\s*+)?[({\[]\s*+)*+[-+\u2212]")
_WANTS_VALUE = re.compile(
    r"\b(?:evaluate|compute|calculate|work\s+out|determine|find|solve|simplify|add|subtract|multiply|divide|sum"
    r"|what\s+(?:is|are)|what['\u2019]s|how\s+much\s+is|value\s+of)\b",
    re.IGNORECASE,
)
_CLOSE = 1e-12


def fault(prompt: str, gold: str, answer: str) -> str | None:
    """Reason, in a phrase, why an answer equal to the gold answer does not pass; None if it passes."""
    if not prompt.strip():
        return None
    if _operators(answer) - _operators(gold):
        return NOT_WORKED_OUT
    try:
        golds, answers = list(_items(read_as_written(gold))), list(_items(read_as_written(answer)))
    except Unreadable:
        return None
    others = [one for one in answers if not any(_same_notation(other, one) for other in golds)]
    if not others and _has_two_signs(answer) and not _has_two_signs(gold):
        return NOT_WORKED_OUT if all(map(_is_number, golds)) else None
    if not others or any(isinstance(one, Words) for one in (*golds, *others)):
        return None
    question = read_question(prompt)
    if any(_repeats(one, question) for one in others):
        return REPEATS
    if any(_leaves_to_do(one, golds, question) or _is_no_value(one, golds, prompt) for one in others):
        return NOT_WORKED_OUT
    form = missing_form(prompt, golds, answers)
    return None if form is None else f"equal, but the question asks for {form}"


def _operators(text: str) -> set[str]:
    """Integrals, sums, products, limits and derivatives that remain in an answer."""
    return {next(filter(None, match.groups())) for match in _OPERATORS.finditer(text)}


def _items(formula: Formula) -> Iterator[Formula]:
    """The items of a list, each without the name before it."""
    if isinstance(formula, Items):
        for item in formula.items:
            yield from _items(item)
        return
    if isinstance(formula, Relation) and set(formula.signs) <= {"=", "approx"}:
        values = [side for side in formula.sides if not isinstance(side, Variable)]
        named = len(values) < len(formula.sides)
        if values and (named or all(map(is_closed, values))):
            # The most informative side of a chain such as `2 * 3 = 6`.
            yield min(values, key=lambda one: (not is_plain_number(one), not is_worked_out(one)))
            return
    yield formula


def _same_notation(gold: Formula, answer: Formula) -> bool:
    """Whether both have the same notation; units count only if both are units of measurement."""
    if gold == answer:
        return True
    units = [one.unit if isinstance(one, Quantity) else None for one in (gold, answer)]
    measured = [unit for unit in units if unit is not None and (unit.measures or unit.percent)]
    if len(measured) == 2 and measured[0] != measured[1]:
        return False
    plain = [one.value if isinstance(one, Quantity) else one for one in (gold, answer)]
    return plain[0] == plain[1]


def _repeats(answer: Formula, question: AskedFor) -> bool:
    if isinstance(answer, Variable) or answer not in question.parts:
        return False
    # A number may be in the prompt by accident, in another notation than the gold answer's.
    by_chance = is_plain_number(answer) or isinstance(answer, Constant)
    return not by_chance or answer in question.asked or question.about_notation


def _leaves_to_do(answer: Formula, golds: list[Formula], question: AskedFor) -> bool:
    """Whether the answer still has an operation on numbers that the question asks for."""
    if any(is_function(part) for gold in golds for part in parts_of(gold)):
        return False
    functions = (part for part in parts_of(answer) if is_function(part) and is_closed(part))
    if any(part in question.parts for part in functions):
        return True
    if len(golds) != 1 or not is_plain_number(golds[0]) or is_worked_out(answer):
        return False
    return any(
        _is_value_of(one, golds[0])
        for one in question.asked
        if is_closed(one) and not is_plain_number(one)
    )


def _is_no_value(answer: Formula, golds: list[Formula], prompt: str) -> bool:
    """Whether an operation remains where the gold answer has the result, for any question.

    Powers and products of `i` must always be worked out; arithmetic and functions of numbers only if
    the prompt asks for a value. The exact form of a rounded gold decimal counts as a value.
    """
    if all(map(is_closed, golds)) and has_power_of_i(answer) and not any(map(has_power_of_i, golds)):
        return True
    if not all(map(_is_number, golds)) or _WANTS_VALUE.search(prompt) is None:
        return False
    if is_value(answer) or is_scientific(answer):
        return False
    return not any(map(_is_decimal, golds)) or any(_is_value_of(answer, gold) for gold in golds)


def _is_number(formula: Formula) -> bool:
    """Whether it is a plain number; a unit or a preceding `\\pm` is allowed."""
    formula = formula.value if isinstance(formula, Quantity) else formula
    if isinstance(formula, Apply) and formula.name in ("plus_minus", "minus_plus"):
        return all(map(is_plain_number, formula.args))
    return is_plain_number(formula)


def _is_decimal(formula: Formula) -> bool:
    return any(isinstance(part, Number) and part.places is not None for part in parts_of(formula))


def _has_two_signs(text: str) -> bool:
    """Whether the last side of an equation has two adjacent signs: `-(-3)`."""
    return _TWO_SIGNS.search(text.rpartition("=")[2]) is not None


def _is_value_of(formula: Formula, number: Formula) -> bool:
    try:
        values = _value(formula), _value(number)
    except TooLarge:
        return False
    if None in values:
        return False
    return bool(abs(values[0] - values[1]) <= _CLOSE * max(abs(values[1]), 1))


def _value(formula: Formula) -> Any:
    """The real value of a number or expression, from mpmath; None if it has none."""
    if isinstance(formula, Quantity):
        value = real_value(formula.value)
        factor = formula.unit.factor if formula.unit.percent else Fraction(1)
        return None if value is None else value * factor.numerator / factor.denominator
    return real_value(formula)
