"""A comma is read as a decimal comma only if the text makes that certain."""

import pytest

from verifiers import Outcome, Target
from verifiers.math.verifier import MathVerifier

CERTAIN = (
    ("3.5", "Die Antwort ist 3,5."),
    ("3.5", "Antwort: \\boxed{3,5}"),
    ("3.5", "La réponse est 3,5."),
    ("3.5", "La respuesta es 3,5 kg."),
    ("3.5", "A resposta é 3,5."),
    ("3.5", "La risposta è 3,5."),
    ("3.5", "Ответ: 3,5"),
    ("3.5", "Тогда получаем \\boxed{3,5}."),
    ("3.5", "\\boxed{3{,}5}"),
    ("1234.5", "Die Antwort ist 1.234,5"),
    ("1234.5", "La réponse est 1 234,5"),
)
DOUBTFUL = (
    ("3.5", "答案是3,5"),
    ("1000.99", "1000,99"),
    ("1234", "Die Antwort ist 1.234"),
    ("1.234", "Die Antwort ist 1,234"),
)
OTHER = (
    ("3.5", "Die Antwort ist 3,6."),
    ("35", "Die Antwort ist 3,5."),
    ("35", "The answer is 3,5."),
    ("3.5", "The answer is 3,5."),
    ("3.5", "The answer is 3, 6."),
    ("1.234", "The answer is 1,234."),
    ("1234", "The answer is 1.234."),
    ("3", "Die Antwort ist 3,5."),
)


async def outcome(gold: str, response: str) -> Outcome:
    verifier = MathVerifier(MathVerifier.Config())
    try:
        return (await verifier.verify("", response, Target(kind="math", value=gold))).outcome
    finally:
        await verifier.close()


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [(CERTAIN, Outcome.PASS), (DOUBTFUL, Outcome.ABSTAIN), (OTHER, Outcome.FAIL)],
)
async def test_commas(pairs: tuple[tuple[str, str], ...], expected: Outcome) -> None:
    found = [(gold, response, await outcome(gold, response)) for gold, response in pairs]
    assert not [one for one in found if one[2] is not expected]


async def test_lists_stay_lists() -> None:
    assert await outcome("3, 5", "Die Antwort ist 3, 5.") is Outcome.PASS
    assert await outcome("3,5", "Die Antwort ist 5,3.") is Outcome.PASS
    assert await outcome("3,5", "Die Antwort ist 3,5.") is Outcome.PASS
