"""Answers are compared; the pairs below are decided without a process."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from verifiers import Outcome, Target
from verifiers.math import MathVerifier


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
