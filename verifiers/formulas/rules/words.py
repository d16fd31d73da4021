"""Rules for words, numerals of a stated base, and ratios."""

from fractions import Fraction

from verifiers.formulas.comparison import Comparer, Comparison, all_equal, no, unknown, yes
from verifiers.formulas.equality import same_value
from verifiers.formulas.nodes import (
    Apply,
    Number,
    Numeral,
    Ratio,
    Words,
)
from verifiers.formulas.statements import Structure

_NEGATIONS = frozenset(["not", "no", "never", "non", "neither", "nor", "isn't", "cannot"])


def compare_words(gold: Structure, answer: Structure, comparer: Comparer) -> Comparison:
    if not (isinstance(gold, Words) and isinstance(answer, Words)):
        return no("words are compared with a formula")
    if gold == answer:
        return yes("the same words")
    ours, theirs = set(gold.text.split()), set(answer.text.split())
    if ours.symmetric_difference(theirs) & _NEGATIONS:
        return no("one answer denies something")
    if _contains(answer.text, gold.text) or _contains(gold.text, answer.text):
        return unknown("the words of one answer are among those of the other")
    return no("other words")


def _contains(text: str, part: str) -> bool:
    return f" {part} " in f" {text} "


def compare_numerals(gold: Structure, answer: Structure, comparer: Comparer) -> Comparison:
    by_value = comparer.context.conventions.bases == "value"
    if isinstance(gold, Numeral) and isinstance(answer, Numeral):
        if gold.base == answer.base or by_value:
            same = int(gold.digits, gold.base) == int(answer.digits, answer.base)
            return yes("equal numerals") if same else no("another numeral")
        return no(f"a numeral of base {answer.base}, expected one of base {gold.base}")
    if not by_value:
        return no("one answer states a number base, the other does not")
    values = [
        Number(Fraction(int(one.digits, one.base))) if isinstance(one, Numeral) else one
        for one in (gold, answer)
    ]
    return comparer.compare(values[0], values[1])


def compare_ratios(gold: Structure, answer: Structure, comparer: Comparer) -> Comparison:
    if isinstance(gold, Ratio) and isinstance(answer, Ratio):
        if len(gold.parts) != len(answer.parts):
            return no("a ratio of another number of parts")
        first, other = gold.parts[0], answer.parts[0]
        crossed = [
            same_value(Apply("mul", (first, theirs)), Apply("mul", (other, ours)))
            for ours, theirs in zip(gold.parts, answer.parts, strict=True)
        ]
        return all_equal(crossed, "the same ratio", "another ratio")
    quotients = [_quotient(one) for one in (gold, answer)]
    if None in quotients:
        return no("a ratio is compared with something else")
    return comparer.compare(quotients[0], quotients[1])  # type: ignore[arg-type]  # None is excluded


def _quotient(structure: Structure) -> Structure | None:
    if not isinstance(structure, Ratio):
        return structure
    return Apply("div", structure.parts) if len(structure.parts) == 2 else None
