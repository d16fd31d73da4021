"""Decides a pair of answers: reads both, compares them, asks sympy where that says nothing."""

import re
from dataclasses import dataclass

from verifiers.formulas.answer_form import fault
from verifiers.formulas.by_sympy import compare_by_sympy
from verifiers.formulas.compare import compare
from verifiers.formulas.comparison import Comparison, Context
from verifiers.formulas.equality import Equal
from verifiers.formulas.grammar import read
from verifiers.formulas.layout import same_signs
from verifiers.formulas.nodes import Formula, Number, Quantity, Unreadable, Words
from verifiers.formulas.notation import plain
from verifiers.formulas.prose import quantity_in, styles_removed
from verifiers.formulas.readings import other_readings
from verifiers.formulas.tokens import MOST_CHARACTERS

_CHOICE = re.compile(
    r"(?:\\(?:text|textbf|mathrm|mathbf|textrm|mbox)\s*+\{\s*+)?+(?:(?:[Oo]ption|[Cc]hoice|[Aa]nswer)\s++)?+"
    r"\(?\s*+([A-Ja-j])\s*+(?:\)|\.|:|\}|$)"
)
_WANTS_SYMPY = re.compile(r"\\(?:int|sum|prod|lim|frac\{d)(?![a-z])")
_FULL_STOP = re.compile(r"(?<!\.)\.$")
_TIME = re.compile(r"\d{1,2}:[0-5]\d")
_OTHER_CHOICE = re.compile(r"(?:\bor\b|\band\b|,|/)\s*+\(?[A-J]\b|\([A-J]\)")
_GOLD_CHOICE = re.compile(r"(?:\\text(?:bf)?\s*+\{\s*+)?+\(?\s*+([A-J])\s*+\)?\s*+\.?\s*+\}?")


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
        return Comparison(Equal.UNKNOWN, wrong)
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
    if _TIME.fullmatch(gold.strip()) and _TIME.fullmatch(answer.strip()):
        return _compare_times(gold, answer)
    return _compare_choices(gold, answer) if question.context.conventions.choices else None


def _decide_by_meaning(question: Question) -> Comparison:
    gold, answer = question.gold, question.answer
    found = _compare(gold, answer, question.context)
    if found.equal is Equal.NO and (other := other_readings(gold, answer)) is not None:
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


def _compare_times(gold: str, answer: str) -> Comparison:
    """Two of `6:40`, written differently: as times they differ, as ratios they may not."""
    (a, b), (c, d) = (map(int, one.strip().split(":")) for one in (gold, answer))
    if a * d != b * c:
        return Comparison(Equal.NO, "another time, and another ratio")
    return Comparison(Equal.UNKNOWN, "equal as ratios, not as times")


def _compare_choices(gold: str, answer: str) -> Comparison | None:
    expected, given = _GOLD_CHOICE.fullmatch(gold.strip()), _CHOICE.match(answer.strip())
    if expected is None or given is None or _OTHER_CHOICE.search(answer, given.end(1)):
        return None
    if expected[1] == given[1].upper():
        return Comparison(Equal.YES, "the same choice")
    return Comparison(Equal.NO, "another choice")


def _read_answer(gold: str, answer: str) -> Formula:
    """The answer; of one in prose the only number in it, if the gold answer is a number."""
    formula = read(answer)
    if isinstance(formula, Words) and isinstance(read(gold), Number | Quantity):
        quantity = quantity_in(answer)
        return formula if quantity is None else read(quantity)
    return formula
