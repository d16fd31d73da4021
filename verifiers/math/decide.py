"""Decides a pair of answers: reads both and compares them, with sympy if the rules cannot decide."""

import re
from dataclasses import dataclass

from verifiers.math.asked.answer_form import fault
from verifiers.math.comparing.by_sympy import compare_by_sympy
from verifiers.math.comparing.choices import compare_choices
from verifiers.math.comparing.compare import compare
from verifiers.math.comparing.comparison import Comparison, Context
from verifiers.math.comparing.rules.words import MEANINGS
from verifiers.math.comparing.times import compare_times
from verifiers.math.equality.equality import Equal
from verifiers.math.forms.nodes import Formula, Number, Quantity, Unreadable, Words
from verifiers.math.reading.grammar import read
from verifiers.math.reading.layout import same_signs
from verifiers.math.reading.notation import plain
from verifiers.math.reading.prose import quantity_in, styles_removed
from verifiers.math.reading.readings import other_readings
from verifiers.math.reading.tokens import MOST_CHARACTERS

_WANTS_SYMPY = re.compile(r"\\(?:int|sum|prod|lim|frac\{d)(?![a-z])")
_TRUTH = re.compile(r"\s*(yes|no|true|false)\s*[,.;:]\s", re.IGNORECASE)
"""An answer followed by an explanation."""
_FULL_STOP = re.compile(r"(?<!\.)\.$")


@dataclass(frozen=True, slots=True)
class Question:
    """A pair to decide."""

    gold: str
    answer: str
    context: Context
    prompt: str = ""
    """The problem's text; an answer that only repeats it is UNKNOWN. If empty, any form is accepted."""


def decide(question: Question) -> Comparison:
    """Whether the answer equals the gold answer. Raises TooLarge if that cannot be computed."""
    found = _decide_by_text(question)
    if found is not None:
        return found
    found = _decide_by_meaning(question)
    if found.equal is Equal.YES and (wrong := fault(question.prompt, question.gold, question.answer)):
        return Comparison(Equal.UNKNOWN, wrong, no_answer=True)
    return found


def _decide_by_text(question: Question) -> Comparison | None:
    """Decides without reading the answers as formulas; None if that is not possible."""
    gold, answer = question.gold, question.answer
    if max(len(gold), len(answer)) > MOST_CHARACTERS:
        return _compare_long(gold, answer)
    if _text(gold) == _text(answer):
        return Comparison(Equal.YES, "the same text")
    if same_signs(gold, answer):
        return Comparison(Equal.YES, "the same formula in another layout")
    if _is_anagram(gold.strip(), answer.strip()):
        return Comparison(
            Equal.UNKNOWN, "the same letters may be a product, or words or figures that differ"
        )
    if (times := compare_times(gold, answer)) is not None:
        return times
    return compare_choices(gold, answer) if question.context.conventions.choices else None


def _decide_by_meaning(question: Question) -> Comparison:
    gold, answer = question.gold, question.answer
    found = _compare(gold, answer, question.context)
    if found.equal is not Equal.YES and (other := other_readings(gold, answer)) is not None:
        again = _compare(*other, question.context)
        found = again if again.equal is Equal.YES else found
    if found.equal is not Equal.UNKNOWN or not _WANTS_SYMPY.search(gold + answer):
        return found
    by_sympy = compare_by_sympy(plain(gold), plain(answer))
    return by_sympy if by_sympy.equal is not Equal.UNKNOWN else found


def _compare(gold: str, answer: str, context: Context) -> Comparison:
    try:
        return compare(read(gold), _read_answer(gold, answer), context)
    except Unreadable as e:
        return Comparison(Equal.UNKNOWN, f"cannot be read: {e}")


def _compare_long(gold: str, answer: str) -> Comparison:
    if gold.split() == answer.split():
        return Comparison(Equal.YES, "the same text")
    return Comparison(Equal.UNKNOWN, f"more than {MOST_CHARACTERS} characters are not read")


def _text(answer: str) -> str:
    """The text with single spaces and without styles; spaces count, since `1 1/2` is not `11/2`."""
    return _FULL_STOP.sub("", " ".join(styles_removed(answer).split()))


def _is_anagram(gold: str, answer: str) -> bool:
    three_letters = len(gold) == len(answer) == 3 and (gold + answer).isalpha()
    return three_letters and sorted(gold) == sorted(answer)


def _read_answer(gold: str, answer: str) -> Formula:
    """The formula of the answer; for prose, its only number if the gold answer is a number."""
    if truth := _TRUTH.match(answer):
        expected = read(gold)
        if isinstance(expected, Words) and MEANINGS.get(expected.text) in ("true", "false"):
            return Words(truth[1].lower())
    formula = read(answer)
    if isinstance(formula, Words) and isinstance(read(gold), Number | Quantity):
        quantity = quantity_in(answer)
        return formula if quantity is None else read(quantity)
    return formula
