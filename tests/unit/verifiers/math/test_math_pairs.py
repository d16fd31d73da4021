"""Every pair of the collection, through the verifier's public interface."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.math_pairs import CONVENTIONS, PAIRS, Pair
from tests.math_pairs.other_kinds import OTHER, UNDECIDED
from tests.math_pairs.same_kinds import SAME
from tests.math_pairs.traps import EQUAL, NEVER_EQUAL
from verifiers import Outcome, Target
from verifiers.math.verifier import MathVerifier


@pytest_asyncio.fixture
async def verifier() -> AsyncIterator[MathVerifier]:
    verifier = MathVerifier(MathVerifier.Config(check_processes=2, timeout_seconds=20))
    await verifier.start()
    yield verifier
    await verifier.close()


async def wrong_verdicts(verifier: MathVerifier, pairs: "tuple[Pair, ...]") -> list[str]:
    verdicts = await asyncio.gather(
        *(verifier.verify(p.prompt, p.response, Target(kind="math", value=p.gold)) for p in pairs)
    )
    return [
        f"{pair.gold!r} and {pair.response!r}: expected {pair.outcome} since {pair.why}, got {verdict}"
        for pair, verdict in zip(pairs, verdicts, strict=True)
        if verdict.outcome is not pair.outcome
    ]


@pytest.mark.parametrize("kind", PAIRS)
async def test_every_verdict_is_right(verifier: MathVerifier, kind: str) -> None:
    assert not await wrong_verdicts(verifier, PAIRS[kind])


async def test_the_conventions_are_as_documented(verifier: MathVerifier) -> None:
    assert not await wrong_verdicts(verifier, CONVENTIONS)


def test_the_collection_is_large_and_has_all_outcomes() -> None:
    outcomes = [pair.outcome for pairs in PAIRS.values() for pair in pairs]
    assert len(outcomes) >= 1000
    assert min(outcomes.count(Outcome.PASS), outcomes.count(Outcome.FAIL)) >= 400
    assert outcomes.count(Outcome.ABSTAIN) >= 20


async def outcomes_of(verifier: MathVerifier, pairs: tuple[tuple[str, str], ...]) -> list[Outcome]:
    found = await asyncio.gather(*(verifier.compare("", gold, answer) for gold, answer in pairs))
    return [one.outcome for one in found]


@pytest.mark.parametrize("reason", NEVER_EQUAL)
async def test_what_is_not_equal_never_passes(verifier: MathVerifier, reason: str) -> None:
    outcomes = await outcomes_of(verifier, NEVER_EQUAL[reason])
    wrong = [
        pair for pair, outcome in zip(NEVER_EQUAL[reason], outcomes, strict=True) if not kept(outcome)
    ]
    assert not wrong


def kept(outcome: Outcome) -> bool:
    return outcome in (Outcome.FAIL, Outcome.ABSTAIN)


@pytest.mark.parametrize("reason", EQUAL)
async def test_what_is_equal_passes(verifier: MathVerifier, reason: str) -> None:
    outcomes = await outcomes_of(verifier, EQUAL[reason])
    pairs = zip(EQUAL[reason], outcomes, strict=True)
    assert not [(pair, outcome) for pair, outcome in pairs if outcome is not Outcome.PASS]


@pytest.mark.parametrize(
    ("reason", "pairs", "expected"),
    [
        pytest.param(reason, pairs, expected, id=f"{reason}-{expected.value}")
        for kinds, expected in (
            (SAME, Outcome.PASS),
            (OTHER, Outcome.FAIL),
            (UNDECIDED, Outcome.ABSTAIN),
        )
        for reason, pairs in kinds.items()
    ],
)
async def test_each_kind_has_its_outcome(
    verifier: MathVerifier, reason: str, pairs: tuple[tuple[str, str], ...], expected: Outcome
) -> None:
    found = zip(pairs, await outcomes_of(verifier, pairs), strict=True)
    assert not [(reason, pair, outcome) for pair, outcome in found if outcome is not expected]
