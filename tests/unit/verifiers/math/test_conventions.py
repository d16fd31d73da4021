"""Each option of `math` changes verdicts, and the defaults are as documented."""

from typing import Any

import pytest

from verifiers import Outcome
from verifiers.math.verifier import MathVerifier

PASS, FAIL = Outcome.PASS, Outcome.FAIL


@pytest.mark.parametrize(
    ("options", "gold", "answer", "default", "changed"),
    [
        ({"units": "demanded"}, "5 cm", "5", PASS, FAIL),
        ({"units": "demanded"}, "5", "5 cm", PASS, PASS),
        ({"units": "demanded"}, "$18", "18", PASS, FAIL),
        ({"percent": "figure"}, "50", r"50\%", FAIL, PASS),
        ({"percent": "figure"}, r"50\%", "0.5", PASS, PASS),
        ({"degrees": "demanded"}, r"90^\circ", "90", PASS, FAIL),
        ({"degrees": "demanded"}, r"90^\circ", r"\frac{\pi}{2}", PASS, PASS),
        ({"rounding": "never"}, "3.14", r"\pi", PASS, FAIL),
        ({"rounding": "decimals"}, "3.14", "3.14159", FAIL, PASS),
        ({"rounding": "decimals"}, "3.14", "3.15", FAIL, FAIL),
        ({"approximate_digits": 3}, r"\pi", "3.14", FAIL, PASS),
        ({"approximate_digits": 3}, r"\pi", "3.15", FAIL, FAIL),
        ({"approximate_digits": 0}, r"\pi", "3.14159265", PASS, FAIL),
        ({"relative_tolerance": 0.01}, "2.50", "2.51", FAIL, PASS),
        ({"relative_tolerance": 0.01}, "250", "251", FAIL, FAIL),
        ({"list_order": "kept"}, "1, 2", "2, 1", PASS, FAIL),
        ({"list_order": "kept"}, r"\{1, 2\}", r"\{2, 1\}", PASS, PASS),
        ({"bases": "value"}, "101_2", "5", FAIL, PASS),
        ({"bases": "value"}, "101_2", "12_3", FAIL, PASS),
        ({"bases": "value"}, "101_2", "101_3", FAIL, FAIL),
        ({"choices": False}, "B", "B) 12", PASS, Outcome.ABSTAIN),
    ],
)
async def test_an_option_changes_what_it_names(
    options: dict[str, Any], gold: str, answer: str, default: Outcome, changed: Outcome
) -> None:
    for given, expected in (({}, default), (options, changed)):
        verifier = MathVerifier(MathVerifier.Config(**given))
        try:
            assert (await verifier.compare("", gold, answer))[0] is expected, given
        finally:
            await verifier.close()


@pytest.mark.parametrize(
    ("prompt", "outcome"),
    [
        ("What percentage of 40 is 20?", PASS),
        ("How many % are left?", PASS),
        ("Twenty are boys. Find the percentage of girls.", PASS),
        ("Express the probability as a percent.", PASS),
        ("By what percent did the 40% share fall?", PASS),
        ("What is 20% of 250?", FAIL),
        ("What is five percent of 1000?", FAIL),
        ("The price rises by 10 percent. What is it now?", FAIL),
        ("What share is left?", FAIL),
        ("", FAIL),
    ],
)
async def test_the_question_tells_whether_a_percentage_is_meant(prompt: str, outcome: Outcome) -> None:
    verifier = MathVerifier(MathVerifier.Config())
    try:
        assert (await verifier.compare(prompt, "50", r"50\%"))[0] is outcome
        assert (await verifier.compare(prompt, r"50\%", "50"))[0] is outcome
        assert (await verifier.compare(prompt, r"50\%", "0.5"))[0] is PASS
    finally:
        await verifier.close()
