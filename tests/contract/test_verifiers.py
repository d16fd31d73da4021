"""What every verifier guarantees, whatever it is given."""

import pickle
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from pipeline.config import KINDS, VERIFIERS
from pipeline.judging import LocalJudge
from verifiers import Outcome, Target, Verdict, Verifier

RIGHT, WRONG = r"So it is \boxed{42}.", r"So it is \boxed{41}."
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


async def judge(verifier: Verifier, response: str, value: str | None = "42") -> Verdict:
    verdict = await verifier.verify("6 * 7?", response, Target(kind="math", value=value))
    assert (verdict.verifier, verdict.version) == (verifier.name, verifier.version)
    assert verdict.reason
    return verdict


async def test_right_is_pass_and_wrong_is_fail(verifier: Verifier) -> None:
    assert (await judge(verifier, RIGHT)).outcome is Outcome.PASS
    assert (await judge(verifier, WRONG)).outcome is Outcome.FAIL
    assert (await judge(verifier, RIGHT)).extracted == "42"


async def test_no_answer_and_no_gold_are_abstentions(verifier: Verifier) -> None:
    assert (await judge(verifier, "I wonder.")).outcome is Outcome.ABSTAIN
    assert (await judge(verifier, RIGHT, None)).outcome is Outcome.ABSTAIN


@pytest.mark.parametrize("response", STRANGE, ids=lambda text: repr(text[:12]))
async def test_a_strange_response_never_passes_and_never_raises(
    verifier: Verifier, response: str
) -> None:
    assert (await judge(verifier, response)).outcome is not Outcome.PASS


async def test_the_same_question_has_the_same_answer(verifier: Verifier) -> None:
    one, other = await judge(verifier, WRONG), await judge(verifier, WRONG)
    assert (one.outcome, one.reason, one.extracted) == (other.outcome, other.reason, other.extracted)


async def test_a_verdict_can_be_sent(verifier: Verifier) -> None:
    verdict = await judge(verifier, RIGHT)
    assert pickle.loads(pickle.dumps(verdict)) == verdict
