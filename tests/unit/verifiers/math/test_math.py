"""Answers are compared; the pairs below are decided without a process."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from verifiers import Outcome, Target
from verifiers.math.verifier import MathVerifier, gold_answer


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


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("5", "5"),
        ("$x = 5$", "$x = 5$"),
        ("Paris", "Paris"),
        (r"so it is \boxed{5}.", "5"),
        (r"The solutions are 3 and 5, which makes \boxed{2} solutions.", "2"),
        ("6*7 = 42\n#### 42", "42"),
        ("Final Answer: The final answer is $28$. I hope it is correct.", "$28$"),
        ("Solution is: $[x=1, y=2]$.", "$[x=1, y=2]$"),
        ("The unique solution is $x=2$ and $y=3$.", "$x=2$ and $y=3$"),
        # The other parts would be lost.
        (
            "The solution of the first system is (1, 0), and the solution of the second is (1, 1).",
            "The solution of the first system is (1, 0), and the solution of the second is (1, 1).",
        ),
        ("Solution is: $(t, t)$. A basis is $(1, 1)$.", "Solution is: $(t, t)$. A basis is $(1, 1)$."),
        ("It has rank 2, so the solution is unique.", "It has rank 2, so the solution is unique."),
    ],
)
def test_a_gold_answer_may_be_a_solution(gold: str, answer: str) -> None:
    assert gold_answer(gold) == answer


async def test_long_lists_of_formulas_take_no_long_time(verifier: MathVerifier) -> None:
    points = [f"(x_{{{i}}}, {i}y+z)" for i in range(2, 190)]
    shuffled = points[90:] + points[:90]
    gold = ", ".join(points)
    assert (await verifier.compare("", gold, ", ".join(shuffled)))[0] is Outcome.PASS
    sums = [f"(x_{{{i}}}, z+{i}y)" for i in range(2, 190)]
    assert (await verifier.compare("", gold, ", ".join(reversed(sums))))[0] is Outcome.ABSTAIN
