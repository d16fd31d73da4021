"""An answer with the right value passes only if it answers, and in the form that was asked for."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.math_pairs.asked import ANSWERS, NOT_WORKED_OUT, OTHER_FORM, REPEATED, Asked
from tests.patience import processor_time
from verifiers import Outcome, Target, Verdict
from verifiers.math.asked.answer_form import fault
from verifiers.math.consensus import Consensus
from verifiers.math.verifier import MathVerifier


@pytest_asyncio.fixture
async def verifier() -> AsyncIterator[MathVerifier]:
    verifier = MathVerifier(MathVerifier.Config(timeout_seconds=20))
    yield verifier
    await verifier.close()


async def verdicts(verifier: MathVerifier, asked: tuple[Asked, ...]) -> list[Verdict]:
    return await asyncio.gather(
        *(
            verifier.verify(prompt, rf"So it is \boxed{{{answer}}}.", Target(kind="math", value=gold))
            for prompt, gold, answer in asked
        )
    )


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (REPEATED, "the answer repeats the question"),
        (NOT_WORKED_OUT, "not worked out"),
        (OTHER_FORM, "the question asks for"),
    ],
    ids=["repeated", "not worked out", "another form"],
)
async def test_an_equal_answer_that_is_none_is_not_decided(
    verifier: MathVerifier, asked: tuple[Asked, ...], reason: str
) -> None:
    found = zip(asked, await verdicts(verifier, asked), strict=True)
    assert not [
        (one, verdict)
        for one, verdict in found
        if (verdict.outcome, verdict.no_answer) != (Outcome.ABSTAIN, True)
        or reason not in verdict.reason
    ]


async def test_an_answer_passes_also_where_the_question_has_it(verifier: MathVerifier) -> None:
    found = zip(ANSWERS, await verdicts(verifier, ANSWERS), strict=True)
    assert not [(one, verdict) for one, verdict in found if verdict.outcome is not Outcome.PASS]


async def test_any_form_will_do_if_the_config_says_so() -> None:
    verifier = MathVerifier(MathVerifier.Config(form="any", timeout_seconds=20))
    asked = REPEATED + NOT_WORKED_OUT + OTHER_FORM
    try:
        found = await verdicts(verifier, asked)
    finally:
        await verifier.close()
    assert {verdict.outcome for verdict in found} == {Outcome.PASS}


@pytest.mark.parametrize(("_", "gold", "answer"), REPEATED[:5])
def test_without_a_prompt_nothing_is_repeated(_: str, gold: str, answer: str) -> None:
    assert fault(" \n", gold, answer) is None


async def test_the_gold_answer_itself_passes_for_any_question(verifier: MathVerifier) -> None:
    asked = tuple((p, g, g) for p, g, _ in REPEATED + NOT_WORKED_OUT + OTHER_FORM)
    # If the question repeats them, every answer is in it.
    asked += tuple((f"Simplify, expand, factor: {g}", g, g) for _, g, _ in ANSWERS)
    found = zip(asked, await verdicts(verifier, asked), strict=True)
    assert not [(one, verdict) for one, verdict in found if verdict.outcome is not Outcome.PASS]


async def test_equal_answers_vote_for_the_same_also_where_one_repeats_the_question() -> None:
    consensus = Consensus(Consensus.Config())
    responses = [r"\boxed{\frac{6}{8}}", r"\boxed{\frac{3}{4}}", r"\boxed{6/8}", r"\boxed{2}"]
    try:
        assert await consensus.classes("Simplify 6/8.", responses) == [[0, 1, 2], [3]]
    finally:
        await consensus.close()


@pytest.mark.parametrize(
    "piece",
    [
        "1",
        "1+",
        "(",
        r"\frac{",
        "x ",
        "$",
        "$3+4$ and ",
        "3 of ",
        "2 times ",
        "a",
        "sum of ",
        r"\begin{",
    ],
)
def test_any_prompt_is_read_in_a_moment(piece: str) -> None:
    with processor_time(most=5):
        fault(piece * (200_000 // len(piece)), "1/2", "2/4")


def test_a_tower_of_powers_has_its_factors_counted_in_a_moment() -> None:
    tower = "((((x^{1000})^{1000})^{1000})^{1000})^{1000}"
    with processor_time(most=5):
        assert fault("Factor it.", tower, f"1 + {tower} - 1") is not None
