"""Every pair of the collection, through the verifier as users call it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.math_pairs import CONVENTIONS, PAIRS, Pair
from verifiers import Outcome, Target
from verifiers.math import MathVerifier


@pytest_asyncio.fixture
async def verifier() -> AsyncIterator[MathVerifier]:
    verifier = MathVerifier(MathVerifier.Config(workers=2, timeout_seconds=20))
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
