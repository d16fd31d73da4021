"""Answers for values and texts: each is what its rule says, and what is unsure has none."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.audit.final_answers import answers_to, texts_to
from pipeline.audit.made import Known, Made, Source
from tests.conftest import make_problem
from tests.unit.pipeline.audit.test_numbers import NUMBERS, value
from verifiers import Target

PROMPT = "What is the result of this?"


def source(gold: str, prompt: str = PROMPT, passing: str | None = None, other: str = "77") -> Source:
    others = (Target(kind="math", value=other),)
    return Source(problem=make_problem(prompt, gold), passing=passing, others=others)


def by_rule(made: list[Made], known: Known) -> dict[str, str]:
    found = {one.rule: one.response for one in made if one.known is known}
    assert len(found) == sum(one.known is known for one in made), "a rule makes one answer"
    return found


def boxes(response: str) -> list[str]:
    return re.findall(r"\\boxed\{((?:[^{}]|\{[^{}]*\})*)\}", response)


@given(NUMBERS, NUMBERS, st.booleans())
def test_final_answers_are_right_or_wrong_as_is_known(gold: str, other: str, has_passed: bool) -> None:
    passing = f"I add it all up. The answer is {gold}." if has_passed else None
    for one in answers_to(source(gold, passing=passing, other=other)):
        found = boxes(one.response)
        if one.rule == "two_boxes":
            assert value(found[0]) != value(found[1]) == value(gold)
        elif found:
            assert (value(found[-1]) == value(gold)) == (one.known is Known.RIGHT), one.rule
        elif one.known is Known.RIGHT:
            assert gold in one.response


def test_all_rules_of_a_number() -> None:
    made = answers_to(source("1250", passing="It is 1250."))
    assert list(by_rule(made, Known.RIGHT)) == [
        *("boxed", "phrase", "dollars", "restated"),
        *("trailing_zero", "thousands_separators", "plus_sign"),
    ]
    wrong = by_rule(made, Known.WRONG)
    assert list(wrong) == [
        *("off_by_one", "sign_flipped", "digits_swapped", "point_shifted", "gold_of_another_problem"),
        *("two_answers", "two_boxes", "right_then_wrong", "empty", "refusal", "prompt_repeated"),
    ]
    assert wrong["two_answers"] == "The answer is 1251 or 1250."
    assert wrong["right_then_wrong"].startswith("It is 1250.\n\nWait, I made a mistake.")
    assert wrong["prompt_repeated"] == PROMPT


@pytest.mark.parametrize(
    "prompt",
    ["Write 0.5 as a fraction.", "Round it to the nearest ten.", "Express it in simplest form."],
)
def test_a_demanded_form_has_no_other_notations(prompt: str) -> None:
    rules = by_rule(answers_to(source("3/4", prompt)), Known.RIGHT)
    assert list(rules) == ["boxed", "phrase", "dollars"]


@pytest.mark.parametrize(
    ("gold", "prompt"),
    [
        ("12", "Is it true that the answer is 12?"),
        ("1200", "How much more than 1,200.00 is the price of this?"),
        ("0.5", r"What is half of this: \frac{1}{2}?"),
        ("7", "2 + 5"),
    ],
)
def test_a_prompt_that_may_have_the_answer_is_not_repeated(gold: str, prompt: str) -> None:
    assert "prompt_repeated" not in by_rule(answers_to(source(gold, prompt)), Known.WRONG)


@pytest.mark.parametrize(
    ("gold", "others"),
    [
        (r"2\sqrt{3}", {"off_by_one": r"2\sqrt{3}+1"}),
        (r"\frac{\pi}{6}", {"off_by_one": r"\frac{\pi}{6}+1"}),
        ("B", {"another_letter": "C"}),
        ("D", {"another_letter": "C"}),
        ("Yes", {"opposite": "No"}),
        *((gold, {}) for gold in (r"x^2+C", r"\frac{1}{0}", "(2, 3)", r"\{1, 2\}", "Paris", "x=3")),
    ],
)
def test_other_gold_answers_get_only_what_surely_differs(gold: str, others: dict[str, str]) -> None:
    made = answers_to(source(gold))
    wrong = by_rule(made, Known.WRONG)
    values = {
        rule: boxes(response)[0]
        for rule, response in wrong.items()
        if rule not in ("two_boxes", "right_then_wrong") and boxes(response)
    }
    assert values == others
    assert ("two_answers" in wrong) == bool(others)
    assert rf"\boxed{{{gold}}}" in by_rule(made, Known.RIGHT)["boxed"]


@pytest.mark.parametrize(
    "gold", ["", "It is\n5", r"so \boxed{5}", "#### 5", "The answer is 5", "a}{", "{"]
)
def test_a_solution_is_no_answer(gold: str) -> None:
    assert answers_to(source(gold)) == []
    assert texts_to(source(gold)) == []


@pytest.mark.parametrize(
    "passing", ["It is 5.<|im_end|>", "It is 5.</s>", "It is 5.\n```python\nx = 5", "<think>It is 5."]
)
def test_nothing_is_added_to_a_response_that_has_ended(passing: str) -> None:
    rules = {one.rule for one in answers_to(source("5", passing=passing))}
    assert not rules & {"restated", "right_then_wrong"}


def test_a_response_that_has_thought_may_go_on() -> None:
    made = answers_to(source("5", passing="<think>It is 5.</think> The answer is 5."))
    assert {"restated", "right_then_wrong"} <= {one.rule for one in made}


@pytest.mark.parametrize("gold", ["no solution", "undefined", "none"])
def test_a_refusal_may_say_the_same_as_a_gold_answer_of_nothing(gold: str) -> None:
    assert "refusal" not in by_rule(answers_to(source(gold)), Known.WRONG)


def test_texts_are_compared_with_texts_that_differ_by_more_than_layout() -> None:
    wrong = by_rule(texts_to(source("New York", other="Rome")), Known.WRONG)
    assert boxes(wrong["gold_of_another_problem"]) == ["Rome"]
    same = by_rule(texts_to(source("New York", other="new-york.")), Known.WRONG)
    assert list(same) == ["empty", "refusal", "prompt_repeated"]
