"""What every verifier guarantees, whatever it is given."""

import pickle
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from pipeline.config import KINDS, VERIFIERS
from pipeline.judging import LocalJudge
from verifiers import Outcome, Target, Verdict, Verifier


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What one verifier is tried with."""

    right: str
    wrong: str
    extracted: str
    """From the right response."""
    target: Target
    no_target: Target
    """One that says nothing about what is right."""
    without_target: Outcome


ANSWERS = Sample(
    right=r"So it is \boxed{42}.",
    wrong=r"So it is \boxed{41}.",
    extracted="42",
    target=Target(kind="math", value="42"),
    no_target=Target(kind="math"),
    without_target=Outcome.ABSTAIN,
)
CASES = [{"args": [6, 7], "expected": 42}]
PROGRAMS = Sample(
    right="```python\ndef f(a, b): return a * b\n```",
    wrong="```python\ndef f(a, b): return a + b\n```",
    extracted="def f(a, b): return a * b\n",
    target=Target(kind="calls", tests={"entry_point": "f", "cases": CASES}),
    no_target=Target(kind="calls"),
    without_target=Outcome.ERROR,
)
SAMPLES = {"math": ANSWERS, "exact": ANSWERS, "code": PROGRAMS}
STRANGE = [
    "",
    "\x00\ufffd\u202e",
    "\\boxed{" * 500,
    "\\boxed{}" * 500,
    r"\boxed{\frac{}{}}",
    "the answer is " * 300,
    "\\boxed{" + "(" * 3000 + "}",
    "\\boxed{" + "x" * 100_000 + "}",
    "9" * 100_000,
    "####",
]


@pytest_asyncio.fixture(params=VERIFIERS)
async def verifier(request: pytest.FixtureRequest) -> AsyncIterator[Verifier]:
    built: Verifier = KINDS["verifier"].part({"use": request.param}).build()
    yield built
    judge = LocalJudge(built)
    await judge.close()
    await judge.close()


async def judge(verifier: Verifier, response: str, target: Target | None = None) -> Verdict:
    target = target or SAMPLES[verifier.name].target
    verdict = await verifier.verify("6 * 7?", response, target)
    assert (verdict.verifier, verdict.version) == (verifier.name, verifier.version)
    assert verdict.reason
    return verdict


async def test_right_is_pass_and_wrong_is_fail(verifier: Verifier) -> None:
    sample = SAMPLES[verifier.name]
    assert (await judge(verifier, sample.right)).outcome is Outcome.PASS
    assert (await judge(verifier, sample.wrong)).outcome is Outcome.FAIL
    assert (await judge(verifier, sample.right)).extracted == sample.extracted


async def test_no_answer_is_an_abstention_and_no_target_is_never_a_trial(verifier: Verifier) -> None:
    sample = SAMPLES[verifier.name]
    assert (await judge(verifier, "I wonder.")).outcome is Outcome.ABSTAIN
    without = await judge(verifier, sample.right, sample.no_target)
    assert without.outcome is sample.without_target


@pytest.mark.parametrize("response", STRANGE, ids=lambda text: repr(text[:12]))
async def test_a_strange_response_never_passes_and_never_raises(
    verifier: Verifier, response: str
) -> None:
    assert (await judge(verifier, response)).outcome is not Outcome.PASS


async def test_the_same_question_has_the_same_answer(verifier: Verifier) -> None:
    wrong = SAMPLES[verifier.name].wrong
    one, other = await judge(verifier, wrong), await judge(verifier, wrong)
    assert (one.outcome, one.reason, one.extracted) == (other.outcome, other.reason, other.extracted)


async def test_a_verdict_can_be_sent(verifier: Verifier) -> None:
    verdict = await judge(verifier, SAMPLES[verifier.name].right)
    assert pickle.loads(pickle.dumps(verdict)) == verdict
