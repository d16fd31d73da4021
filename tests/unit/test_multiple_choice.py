"""Letters are found where they are stated, and nowhere else."""

import pickle
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.patience import processor_time
from verifiers import Outcome, Target, Verdict
from verifiers.multiple_choice import MultipleChoiceVerifier

VERIFIER = MultipleChoiceVerifier(MultipleChoiceVerifier.Config())
CITIES: dict[str, Any] = {"choices": ["Paris", "Rome", "New York", "Oslo"]}


async def judge(response: str, value: str | None = "B", **tests: Any) -> Verdict:
    return await VERIFIER.verify("?", response, Target(kind="choice", value=value, tests=tests))


@pytest.mark.parametrize(
    "response",
    [
        "B",
        "b",
        "(b)",
        "B.",
        " B) ",
        "**B**",
        "**B) 12**",
        "**B. 12**",
        "$B$",
        r"\boxed{B}",
        r"\boxed{\text{(B)}}",
        r"\boxed{\textbf{(B)}\ 12}",
        r"$\text{(B)}$",
        "The answer is B.",
        "The answer is (b).",
        "The answer is B because A is too small.",
        "The answer is B, because (A) is too small.",
        "The answer is **B**",
        "Answer: B) 12",
        "Answer: option B",
        "(A) gives 3 and (B) gives 4.\n\nSo the choice is (B)",
        "(A) 11\n(B) 12\n(C) 13\nSo it is (B)",
        "B) 12\nOption A is wrong.",
        "I think about it.\nIt has to be option B.",
        "B) 12\nBecause three times four is twelve.",
        "A person who knows will say:\n(B)",
        "\uff08\uff22\uff09",  # full-width brackets and letter
    ],
)
async def test_a_stated_letter_passes_and_is_wrong_for_another_gold(response: str) -> None:
    verdict = await judge(response)
    assert (verdict.outcome, verdict.extracted) == (Outcome.PASS, "B")
    assert (await judge(response, "C")).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    "response",
    [
        "",
        "I wonder.",
        "A cat sat on a mat.",
        "I do not know",
        "The answer is a dog",
        "The answer is A person's age",
        "The answer is I do not know",
        "The answer is I (to be honest) do not know",
        "The answer is 12",
        "So f(b) = 12",
        "So f(B) = 12",
        "The answer is that option I would take",
        "An option A person would take",
        "Vitamin B is fine",
        "Let A = 5 and B = 6.",
        "The answer is not B",
        "It is not (B).",
        "Option B is wrong.",
        "The answer isn't (B)",
    ],
)
async def test_prose_is_no_letter(response: str) -> None:
    for gold in "ABI":
        verdict = await judge(response, gold)
        assert (verdict.outcome, verdict.reason) == (Outcome.ABSTAIN, "the response states no letter")


@pytest.mark.parametrize(
    "response",
    [
        "The answer is A or B",
        "The answer is (A) or (B)",
        r"\boxed{A, B}",
        r"\boxed{A/B}",
        "Answer: A and B",
        "**A** or **B**",
        "It is (A), no, (B)",
        "B) 12\nNo: (A)",
        "(A) 11\n(B) 12",
    ],
)
async def test_two_letters_do_not_decide(response: str) -> None:
    verdict = await judge(response)
    assert (verdict.outcome, verdict.extracted) == (Outcome.ABSTAIN, "A or B")


@pytest.mark.parametrize("value", ["B", "b", "(B)", "B.", "B)", r"\text{(B)}", " Rome ", "rome."])
async def test_gold_may_be_a_letter_or_a_text(value: str) -> None:
    assert (await judge(r"\boxed{B}", value, **CITIES)).outcome is Outcome.PASS
    assert (await judge(r"\boxed{A}", value, **CITIES)).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        ("The answer is Rome.", Outcome.PASS),
        ("The answer is B. Rome", Outcome.PASS),
        (r"\boxed{\text{rome}}", Outcome.PASS),
        ("Rome", Outcome.PASS),
        ("The answer is new york.", Outcome.FAIL),
        ("The answer is Rom", Outcome.ABSTAIN),
        ("The answer is Rome or Paris", Outcome.ABSTAIN),
        (r"\boxed{(B) Paris}", Outcome.ABSTAIN),
        (r"\boxed{E}", Outcome.FAIL),
    ],
)
async def test_a_choice_may_be_named_by_its_text(response: str, outcome: Outcome) -> None:
    assert (await judge(response, **CITIES)).outcome is outcome
    lettered: dict[str, Any] = {"choices": {"a": "Paris", "b": "Rome", "c": "New York", "d": "Oslo"}}
    assert (await judge(response, **lettered)).outcome is outcome


async def test_a_letter_that_is_also_another_choices_text_does_not_decide() -> None:
    tests: dict[str, Any] = {"choices": ["C", "A", "B"]}
    assert (await judge(r"\boxed{A}", "B", **tests)).outcome is Outcome.ABSTAIN


async def test_a_letter_beyond_the_choices_is_said_to_be_one() -> None:
    verdict = await judge("(Z)", **CITIES)
    assert (verdict.outcome, verdict.reason) == (Outcome.FAIL, "there is no such choice")
    assert (await judge("(Z)", "Z")).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("value", "tests", "complaint"),
    [
        ("12", {}, "target.value: expected a letter"),
        ("E", CITIES, "target.value: expected one of A, B, C, D"),
        ("Berlin", CITIES, "got 'Berlin'"),
        ("A", {"choices": "ABC"}, "target.tests.choices"),
        ("A", {"choices": []}, "target.tests.choices"),
        ("A", {"choices": [1, 2]}, "got 'A': int"),
        ("A", {"choices": ["x"] * 27}, "at most 26"),
        ("A", {"choices": {"AB": "x"}}, "got 'AB'"),
        ("A", {"choices": {"A": "x", "a": "y"}}, "each letter once"),
        ("x", {"choices": ["x is", "x is"]}, "got 'x'"),
    ],
)
async def test_a_bad_target_is_an_error(value: str, tests: dict[str, object], complaint: str) -> None:
    verdict = await judge("(A)", value, **tests)
    assert verdict.outcome is Outcome.ERROR
    assert complaint in verdict.reason


@pytest.mark.parametrize("value", [None, "", "  "])
async def test_without_gold_nothing_is_known(value: str | None) -> None:
    assert (await judge("(A)", value)).outcome is Outcome.ABSTAIN


@pytest.mark.parametrize(
    "part", ["option", "A and ", "a\n", "\\text{", "(", "not ", "**", "B,", "A) ", "\\(", " option B"]
)
async def test_a_long_text_takes_no_time(part: str) -> None:
    for text in (part * 50_000, part + " " * 500_000 + "x", f"The answer is {part * 50_000}"):
        with processor_time(most=5):
            await judge(text)


@given(st.text(alphabet="ABCabc()[]*.:,; \n$\\{}notriswep", max_size=60), st.sampled_from("ABC"))
async def test_never_raises_and_decides_for_one_letter_only(response: str, gold: str) -> None:
    verdict = await judge(response, gold)
    assert verdict == await judge(response, gold)
    assert pickle.loads(pickle.dumps(verdict)) == verdict
    assert verdict.outcome is not Outcome.ERROR
    letters = (verdict.extracted or "").split(" or ")
    assert verdict.outcome.is_trial == (len(letters) == 1 and letters != [""])
    assert (verdict.outcome is Outcome.PASS) == (verdict.extracted == gold)


@given(st.sampled_from(string.ascii_uppercase), st.sampled_from(string.ascii_uppercase))
async def test_any_letter_in_a_box_is_compared(letter: str, gold: str) -> None:
    expected = Outcome.PASS if letter == gold else Outcome.FAIL
    assert (await judge(rf"So \boxed{{({letter})}}", gold)).outcome is expected
