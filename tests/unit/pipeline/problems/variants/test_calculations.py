"""Calculations of worked solutions."""

from fractions import Fraction

import pytest

from pipeline.problems.variants.calculations import Unreadable, read_calculations, read_number


@pytest.mark.parametrize(
    ("worked", "results"),
    [
        ("He sold 8/2 = <<8/2=4>>4. Then 8+4 = <<8+4=12>>12.", [4, 12]),
        ("20% of it is 50 * 20% = <<50*20%=10>>10", [10]),
        ("<<(3+4)*2=14>> and <<1,200-200=1000>>", [14, 1000]),
        ("First 3 * 4 = 12.\nThen $12 + $5.50 = $17.50.", [12, Fraction("17.5")]),
        ("3 x 4 = 12 and 12 \u00f7 5 = 2.4", [12, Fraction("2.4")]),
        ("2 - 3 - 4 = -5", [-5]),
        ("No numbers here.", []),
    ],
)
def test_calculations_are_read(worked: str, results: list[Fraction]) -> None:
    assert [one.result for one in read_calculations(worked)] == results


@pytest.mark.parametrize(
    "worked",
    [
        "10/3 = <<10/3=3.33>>3.33",  # rounded
        "<<2+2=5>>",
        "<<x+2=5>>",
        "2x + 3 = 7",
        "x + 3 = 7",
        "He gets 52=52 of them",  # worked out elsewhere
        "<<1/0=1>>",
        "<<1+2=3=3>>",
        "<<" + "(" * 100 + "1" + ")" * 100 + "=1>>",
    ],
)
def test_what_is_not_exact_arithmetic_is_refused(worked: str) -> None:
    with pytest.raises(Unreadable):
        read_calculations(worked)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,200", 1200),
        ("$3.50", Fraction("3.5")),
        ("-4", -4),
        ("four", None),
        ("1/2", None),
        ("", None),
    ],
)
def test_numbers_are_read(text: str, value: Fraction | None) -> None:
    assert read_number(text) == value
