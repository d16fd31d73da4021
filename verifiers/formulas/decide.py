"""Decides a pair of answers: reads both, compares them, asks sympy where that says nothing."""

import re
from dataclasses import dataclass

from verifiers.formulas.answer_form import fault
from verifiers.formulas.by_sympy import compare_by_sympy
from verifiers.formulas.choices import compare_choices
from verifiers.formulas.compare import compare
from verifiers.formulas.comparison import Comparison, Context
from verifiers.formulas.equality import Equal
from verifiers.formulas.grammar import read
from verifiers.formulas.layout import same_signs
from verifiers.formulas.nodes import Formula, Number, Quantity, Unreadable, Words
from verifiers.formulas.notation import plain
from verifiers.formulas.prose import quantity_in, styles_removed
from verifiers.formulas.readings import other_readings
from verifiers.formulas.rules.words import MEANINGS
from verifiers.formulas.times import compare_times
from verifiers.formulas.tokens import MOST_CHARACTERS

_WANTS_SYMPY = re.compile(r"\\(?:int|sum|prod|lim|frac\{d)(?![a-z])")
_TRUTH = re.compile(r"\s*(yes|no|true|false)\s*[,.;:]\s", re.IGNORECASE)
"""An answer with an explanation behind it."""
_FULL_STOP = re.compile(r"(?<!\.)\.$")


@dataclass(frozen=True, slots=True)
class Question:
    """A pair to decide."""

    gold: str
    answer: str
    context: Context
    prompt: str = ""
    """What was asked; an answer that only repeats it is not decided. Without it any form will do."""


def decide(question: Question) -> Comparison:
    """Whether the answer equals the gold answer. Raises TooLarge where that cannot be computed."""
    found = _decide_by_text(question)
    if found is not None:
        return found
    found = _decide_by_meaning(question)
    if found.equal is Equal.YES and (wrong := fault(question.prompt, question.gold, question.answer)):
        return Comparison(Equal.UNKNOWN, wrong, no_answer=True)
    return found


def _decide_by_text(question: Question) -> Comparison | None:
    """What can be said before the answers are read as formulas; None where that is needed."""
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
    """With single spaces and without styles; spaces count, since `1 1/2` is not `11/2`."""
    return _FULL_STOP.sub("", " ".join(styles_removed(answer).split()))


def _is_anagram(gold: str, answer: str) -> bool:
    three_letters = len(gold) == len(answer) == 3 and (gold + answer).isalpha()
    return three_letters and sorted(gold) == sorted(answer)


def _read_answer(gold: str, answer: str) -> Formula:
    """The answer; of one in prose the only number in it, if the gold answer is a number."""
    if truth := _TRUTH.match(answer):
        expected = read(gold)
        if isinstance(expected, Words) and MEANINGS.get(expected.text) in ("true", "false"):
            return Words(truth[1].lower())
    formula = read(answer)
    if isinstance(formula, Words) and isinstance(read(gold), Number | Quantity):
        quantity = quantity_in(answer)
        return formula if quantity is None else read(quantity)
    return formula
