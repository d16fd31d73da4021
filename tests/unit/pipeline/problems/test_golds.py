"""Gold answers that are not what they should be, found before tokens are spent."""

import pytest

from pipeline.problems.golds import gold_response, suspicion
from verifiers import Outcome, Target
from verifiers.math.verifier import MathVerifier

RATIONALE = (
    "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\nNatalia sold 48+24 = <<48+24=72>>72 clips "
    "altogether in April and May.\n#### 72"
)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (RATIONALE, "problems.answer_after='####'"),
        ("#### 72", "####"),
        (
            "First add the two numbers, then divide the sum by three, which gives the mean of four.",
            "17 words",
        ),
        (
            "The set of all real numbers x such that the square of x is less than two or x is zero",
            "words",
        ),
    ],
)
@pytest.mark.parametrize("kind", ["math", "exact"])
def test_a_worked_solution_or_a_sentence_is_no_final_answer(kind: str, value: str, said: str) -> None:
    found = suspicion(Target(kind=kind, value=value))
    assert found is not None
    assert said in found


@pytest.mark.parametrize(
    "value",
    [
        "72",
        "-3.5e-7",
        r"\frac{1}{2}",
        r"\left(\begin{array}{cc} a & b \\ c & d \end{array}\right)",
        "x = 2, y = 3, z = 4",
        "Saturday",
        "the inscribed circle of the triangle",
        "(B)",
        "a+b+c+d+e+f+g+h+i+j+k+l+m+n+o+p",
        r"\text{no real solutions}",
    ],
)
def test_short_answers_of_all_sorts_are_no_reason_to_warn(value: str) -> None:
    assert suspicion(Target(kind="math", value=value)) is None


def test_what_is_more_than_an_answer_is_not_judged_by_its_length() -> None:
    program = Target(kind="asserts", value=RATIONALE, tests={"tests": "..."})
    assert suspicion(program) is None
    assert gold_response(program) is None
    assert suspicion(Target(kind="math")) is gold_response(Target(kind="math")) is None


@pytest.mark.parametrize("value", ["72", r"\frac{1}{2}", r"\boxed{5}", "(1, 2]", "5 cm"])
async def test_a_gold_answer_passes_against_itself(value: str) -> None:
    verifier, target = MathVerifier(MathVerifier.Config()), Target(kind="math", value=value)
    response = gold_response(target)
    assert response is not None
    assert (await verifier.verify("", response, target)).outcome is Outcome.PASS
    await verifier.close()
