"""Rules for words, numerals in a stated base, and ratios."""

import re
from collections.abc import Iterable

from verifiers.math.comparing.comparison import Comparer, Comparison, all_equal, no, unknown, yes
from verifiers.math.equality.equality import same_value
from verifiers.math.forms.nodes import (
    Apply,
    Number,
    Numeral,
    Ratio,
    Words,
)
from verifiers.math.meaning.statements import Structure
from verifiers.math.reading.building import value_of

MEANINGS = {
    **dict.fromkeys(["yes", "true", "是", "是的", "对", "正确"], "true"),
    **dict.fromkeys(["no", "false", "否", "不是", "不对", "错", "错误", "不正确"], "false"),
    **dict.fromkeys(["充要条件", "充分必要条件", "充要", "充分必要"], "sufficient and necessary"),
    **dict.fromkeys(
        ["充分不必要条件", "充分非必要条件", "充分不必要", "充分而不必要条件"], "sufficient"
    ),
    **dict.fromkeys(
        ["必要不充分条件", "必要非充分条件", "必要不充分", "必要而不充分条件"], "necessary"
    ),
    **dict.fromkeys(["既不充分也不必要条件", "既不充分也不必要", "既非充分也非必要条件"], "neither"),
}
"""Groups of synonyms; different groups contradict each other."""
_DENIALS = re.compile(r"[不非无没未]")
_NEGATIONS = frozenset(
    ["不", "非", "无", "没", "未", "not", "no", "never", "non", "neither", "nor", "isn't", "cannot"]
)


def compare_words(gold: Structure, answer: Structure, comparer: Comparer) -> Comparison:
    if not (isinstance(gold, Words) and isinstance(answer, Words)):
        return no("words are compared with a formula")
    if gold == answer:
        return yes("the same words")
    meanings = MEANINGS.get(gold.text), MEANINGS.get(answer.text)
    if None not in meanings:
        return yes("the same meaning") if meanings[0] == meanings[1] else no("the opposite")
    ours, theirs = set(_words(gold)), set(_words(answer))
    if ours.symmetric_difference(theirs) & _NEGATIONS:
        return no("one answer denies something")
    if not (gold.text.isascii() and answer.text.isascii()):
        return (
            no("other words")
            if _is_condition(gold) and _is_condition(answer)
            else unknown("other words")
        )
    if _contains(answer.text, gold.text) or _contains(gold.text, answer.text):
        return unknown("the words of one answer are among those of the other")
    return no("other words")


def _words(words: Words) -> Iterable[str]:
    """The words; for Chinese and Japanese, which have no spaces, only the negations."""
    return words.text.split() if words.text.isascii() else _DENIALS.findall(words.text)


def _is_condition(words: Words) -> bool:
    """Whether it is a condition that Chinese problems ask for, such as 充分不必要条件."""
    return words.text.endswith("条件")


def _contains(text: str, part: str) -> bool:
    return f" {part} " in f" {text} "


def compare_numerals(gold: Structure, answer: Structure, comparer: Comparer) -> Comparison:
    by_value = comparer.context.conventions.bases == "value"
    if isinstance(gold, Numeral) and isinstance(answer, Numeral):
        if gold.base == answer.base or by_value:
            same = value_of(gold) == value_of(answer)
            return yes("equal numerals") if same else no("another numeral")
        return no(f"a numeral of base {answer.base}, expected one of base {gold.base}")
    if not by_value:
        return no("one answer states a number base, the other does not")
    values = [Number(value_of(one)) if isinstance(one, Numeral) else one for one in (gold, answer)]
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
