"""Votes over the responses to a problem without a gold answer."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verifiers import Outcome
from verifiers.math.consensus import Consensus

PASS, FAIL, ABSTAIN = Outcome.PASS, Outcome.FAIL, Outcome.ABSTAIN


def box(answer: str) -> str:
    return rf"So it is $\boxed{{{answer}}}$."


@pytest_asyncio.fixture
async def consensus() -> AsyncIterator[Consensus]:
    consensus = Consensus(Consensus.Config())
    yield consensus
    await consensus.close()


@pytest.mark.parametrize(
    ("answers", "outcomes"),
    [
        (["5", "5", "6"], [PASS, PASS, FAIL]),
        (["1/2", "0.5", r"\frac{1}{2}", "2"], [PASS, PASS, PASS, FAIL]),
        (["x+1", "1+x", "x"], [PASS, PASS, FAIL]),
        ([r"\sqrt{8}", r"2\sqrt{2}", "3"], [PASS, PASS, FAIL]),
        (["1,200", "1200", "12"], [PASS, PASS, FAIL]),
        (["5", "5", "6", "6"], [ABSTAIN] * 4),
        (["5", "6", "7"], [ABSTAIN] * 3),
        (["5"], [ABSTAIN]),
        ([], []),
        (["5", "5", "???"], [PASS, PASS, ABSTAIN]),
        (["3.14", r"\pi", r"\pi"], [FAIL, PASS, PASS]),
    ],
)
async def test_the_majority_is_right(
    consensus: Consensus, answers: list[str], outcomes: list[Outcome]
) -> None:
    verdicts = await consensus.verify_all("", list(map(box, answers)))
    assert [verdict.outcome for verdict in verdicts] == outcomes


async def test_responses_without_an_answer_count_in_the_fraction(consensus: Consensus) -> None:
    verdicts = await consensus.verify_all("", [box("5"), box("5"), "hm", "hm", "hm"])
    assert {verdict.outcome for verdict in verdicts} == {ABSTAIN}
    assert "40%" in verdicts[0].reason


async def test_evidence_has_the_fraction(consensus: Consensus) -> None:
    passed, *_ = await consensus.verify_all("", [box("5"), box("5.0"), box("6"), "hm"])
    assert passed.evidence == {"share": 0.5, "votes": 2.0, "classes": 2, "consensus": "5"}


async def test_votes_can_be_weighted(consensus: Consensus) -> None:
    verdicts = await consensus.verify_all("", [box("5"), box("5"), box("6")], [1, 1, 3])
    assert [verdict.outcome for verdict in verdicts] == [FAIL, FAIL, PASS]
    with pytest.raises(ValueError, match="expected 1 weights"):
        await consensus.verify_all("", [box("5")], [1, 2])
    with pytest.raises(ValueError, match="at least 0"):
        await consensus.verify_all("", [box("5")], [float("nan")])


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_the_order_of_the_responses_does_not_matter(data: st.DataObject) -> None:
    answers = data.draw(st.lists(st.sampled_from(["5", "5.0", "6", "12/2", "-5"]), max_size=9))
    shuffled = data.draw(st.permutations(range(len(answers))))
    consensus = Consensus(Consensus.Config())
    try:
        verdicts = await consensus.verify_all("", list(map(box, answers)))
        again = await consensus.verify_all("", [box(answers[number]) for number in shuffled])
    finally:
        await consensus.close()
    assert [again[place].outcome for place in range(len(answers))] == [
        verdicts[number].outcome for number in shuffled
    ]
