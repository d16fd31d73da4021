"""Answers and their comparison; the pairs below are decided without a process."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from verifiers import Outcome, Target
from verifiers.answers import extract_answer
from verifiers.math import MathVerifier


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (r"so \boxed{42}.", "42"),
        (r"\boxed{1} no, \boxed{2}", "2"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{1} and \boxed{2", "1"),
        (r"\boxed{a \} b}", r"a \} b"),
        (r"\fbox{7}", "7"),
        ("work\n#### 1,200\n", "1,200"),
        ("#### 1\n#### 2", "2"),
        ("The answer is 18.", "18"),
        ("The answer is 3.50. Good.", "3.50"),
        ("The final answer is: **42**", "42"),
        ("Answer: 5 apples", "5 apples"),
        ("the answer is $x = 5$, as said", "$x = 5$"),
        ("the answer is 1. No, the answer is 2.", "2"),
        (r"The answer is 3, so \boxed{4}", "4"),
        ("The answer is:\n\n42\nQED", "42"),
        ("the answer is", None),
        ("#### Step 2: add\nThe answer is 18.", "18"),
        ("The answer is 17.\n#### 18", "18"),
        ("The answer is 3, 4, 5", "3, 4, 5"),
        ("The answer is 5, as we saw", "5"),
        ("I got 12 and then 13", None),
        ("", None),
        (r"\boxed{}", None),
        (r"\boxed{ }", None),
    ],
)
def test_the_answer_is_found_by_the_stated_rule(response: str, answer: str | None) -> None:
    assert extract_answer(response) == answer


def test_the_last_number_counts_only_if_asked_for() -> None:
    assert extract_answer("3 and then 1,234.5", last_number=True) == "1,234.5"
    assert extract_answer("The answer is 4, not 5", last_number=True) == "4"


@pytest_asyncio.fixture
async def verifier() -> AsyncIterator[MathVerifier]:
    verifier = MathVerifier(MathVerifier.Config(timeout_seconds=1.5))
    yield verifier
    await verifier.close()


@pytest.mark.parametrize(
    ("gold", "response", "outcome"),
    [
        ("72", r"\boxed{72}", Outcome.PASS),
        ("72", r"\boxed{72.0}", Outcome.PASS),
        ("0.5", "#### 1/2", Outcome.PASS),
        ("1", r"\boxed{11}", Outcome.FAIL),
        ("0.0000001", r"\boxed{0.0000002}", Outcome.FAIL),
        (str(10**30), rf"\boxed{{{10**30 + 1}}}", Outcome.FAIL),
        ("72", "I do not know", Outcome.ABSTAIN),
        ("", r"\boxed{1}", Outcome.ABSTAIN),
        ("9" * 5000, r"\boxed{" + "9" * 5000 + "}", Outcome.PASS),
    ],
)
async def test_numbers_are_decided_exactly(
    verifier: MathVerifier, gold: str, response: str, outcome: Outcome
) -> None:
    verdict = await verifier.verify("", response, Target(kind="math", value=gold))
    assert verdict.outcome is outcome, verdict


async def test_expressions_go_to_math_verify(verifier: MathVerifier) -> None:
    async def outcome(gold: str, answer: str) -> Outcome:
        target = Target(kind="math", value=gold)
        return (await verifier.verify("", rf"\boxed{{{answer}}}", target)).outcome

    assert await outcome(r"2\sqrt{2}", r"\sqrt{8}") is Outcome.PASS
    assert await outcome("x+1", "1+x") is Outcome.PASS
    assert await outcome("x+1", "x+2") is Outcome.FAIL


async def test_no_gold_answer_means_no_verdict(verifier: MathVerifier) -> None:
    verdict = await verifier.verify("", r"\boxed{1}", Target(kind="math"))
    assert verdict.outcome is Outcome.ABSTAIN
