"""Near-duplicates: symmetric, reflexive, and never with other numbers."""

import re
from collections import Counter

from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.prune.near_duplicates import are_near_duplicates, normal_form

WORDS = [
    "the",
    "So",
    "sum",
    "**is**",
    "\n- ",
    "$x$",
    "3",
    "4",
    "12",
    "0.5",
    "+",
    "-",
    "*",
    "=",
    "²",
    "\\(",
]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join) | st.text(max_size=30)
LEAST = st.floats(0.01, 1)


def numbers(text: str) -> Counter[str]:
    return Counter(re.findall(r"\d+(?:\.\d+)?|\.\d+", text))


@given(TEXTS, LEAST)
def test_a_response_is_like_itself(text: str, least: float) -> None:
    assert are_near_duplicates(normal_form(text), normal_form(text), least)


@given(TEXTS, TEXTS, LEAST)
def test_it_is_symmetric_and_other_numbers_are_never_alike(one: str, other: str, least: float) -> None:
    a, b = normal_form(one), normal_form(other)
    assert are_near_duplicates(a, b, least) == are_near_duplicates(b, a, least)
    if numbers(one) != numbers(other):
        assert not are_near_duplicates(a, b, least)


@given(TEXTS, st.sampled_from(["7", "0.25", "²", " 3 "]), LEAST)
def test_one_more_number_makes_another_response(text: str, number: str, least: float) -> None:
    assert not are_near_duplicates(normal_form(text), normal_form(f"{text} {number}"), least)


@given(TEXTS)
def test_what_is_asked_to_be_more_alike_is_not_more_often_alike(text: str) -> None:
    form, other = normal_form(text), normal_form(f"{text} and some more words")
    found = [are_near_duplicates(form, other, least) for least in (0.2, 0.5, 0.8, 1)]
    assert found == sorted(found, reverse=True)


OPERANDS = st.lists(st.sampled_from(["2", "3", "17", "0.5", "x", "(4)"]), min_size=2, max_size=6)
OPERATORS = ["+", "-", "\u2013", "*", "/", "^", "=", "<", "\\geq", "\\in", "\\cdot"]
SAME = str.maketrans({"\u2013": "-"})
PROSE = " ".join(["so", "we", "find", "the", "following", "value"] * 10)


def written(operands: list[str], operators: list[str]) -> str:
    """The operands with an operator before each, among so many words that they hardly matter."""
    pairs = zip(operators, operands, strict=True)
    return f"{PROSE}\n{' '.join(f'{operator} {operand}' for operator, operand in pairs)}\n{PROSE}"


@given(st.data(), OPERANDS, LEAST)
def test_another_operator_or_sign_is_another_calculation(
    data: st.DataObject, operands: list[str], least: float
) -> None:
    num = len(operands)
    operators = data.draw(st.lists(st.sampled_from(OPERATORS), min_size=num, max_size=num))
    changed = data.draw(st.integers(1, num - 1))
    other = data.draw(st.sampled_from([*OPERATORS, ""]))
    assume(other.translate(SAME) != operators[changed].translate(SAME))
    assume({other, operators[changed]} != {"*", "\\cdot"})
    others = [*operators[:changed], other, *operators[changed + 1 :]]
    one, two = written(operands, operators), written(operands, others)
    assert not are_near_duplicates(normal_form(one), normal_form(two), least)


@given(st.data(), OPERANDS, LEAST)
def test_another_order_of_two_numbers_is_another_calculation(
    data: st.DataObject, operands: list[str], least: float
) -> None:
    operands = [operand for operand in operands if operand != "x"]
    assume(len(set(operands)) > 1)
    i, j = data.draw(st.permutations(range(len(operands))))[:2]
    assume(operands[i] != operands[j])
    swapped = list(operands)
    swapped[i], swapped[j] = operands[j], operands[i]
    operators = ["+"] * len(operands)
    one, two = written(operands, operators), written(swapped, operators)
    assert not are_near_duplicates(normal_form(one), normal_form(two), least)
