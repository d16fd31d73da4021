"""Every form of a number is read by sympy, too, and is equal or different as its rule says."""

import re
from collections.abc import Iterator
from fractions import Fraction

import pytest
import sympy
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.audit.numbers import Number, differs, equal_forms, other_values, read_number, terminating

INTEGERS = st.integers(-(10**12), 10**12).map(str)
SMALL = st.integers(-200, 200).map(str)
GROUPED = st.integers(-(10**9), 10**9).map(lambda n: f"{n:,}")
DECIMALS = st.decimals(-1000, 1000, places=4, allow_nan=False).map(lambda d: f"{d:f}")
FRACTIONS = st.tuples(st.sampled_from(["", "-"]), st.integers(0, 99), st.integers(1, 99)).flatmap(
    lambda f: st.sampled_from([f"{f[0]}{f[1]}/{f[2]}", rf"{f[0]}\frac{{{f[1]}}}{{{f[2]}}}"])
)
NUMBERS = INTEGERS | SMALL | GROUPED | DECIMALS | FRACTIONS
AROUND = st.sampled_from(
    [("", ""), (r"\$", ""), ("$", ""), ("", "%"), ("", r"\%"), ("", r"^\circ"), ("", " apples")]
)


def value(text: str) -> sympy.Rational:
    """The value by sympy alone."""
    text = re.sub(r"[^-\d./\\{}frac]|(?<=\d)[a-z ]+$", "", text.replace(",", "").replace(r"\$", ""))
    sign = -1 if text.startswith("-") else 1
    text = text.lstrip("-+")
    if found := re.fullmatch(r"\\frac\{(\d+)\}\{(\d+)\}", text):
        return sign * sympy.Rational(int(found[1]), int(found[2]))
    top, _, below = text.partition("/")
    return sign * sympy.Rational(top) / sympy.Rational(below or 1)


def read(text: str) -> Number:
    number = read_number(text)
    assert number is not None, text
    return number


@given(NUMBERS, st.booleans())
def test_equal_forms_are_equal(text: str, is_english: bool) -> None:
    number = read(text)
    assert number.value == Fraction(str(value(text)))
    for rule, form in equal_forms(number, is_english=is_english):
        assert value(form) == value(text), rule
        if not is_english:
            assert "," not in form


@given(NUMBERS, AROUND)
def test_other_values_differ(text: str, around: tuple[str, str]) -> None:
    before, after = around
    assume(not (before == "$" and text.startswith("-")))
    number = read(f"{before}{text}{after}")
    forms = list(other_values(number))
    assert forms, "at least one more"
    for rule, form in forms:
        bare = form.replace(before, "", 1) if before else form
        assert form.endswith(after)
        assert value(bare.removesuffix(after)) != value(text), rule
        if after.strip() in (r"^\circ", "apples"):
            assert rule == "off_by_one"


@given(NUMBERS, NUMBERS)
def test_numbers_that_surely_differ(one: str, other: str) -> None:
    if differs(read(one), read(other)):
        assert value(one) != value(other)


@given(st.fractions(-100, 100, max_denominator=4000))
def test_a_decimal_that_ends_has_the_value(fraction: Fraction) -> None:
    decimal = terminating(fraction)
    ends = set(sympy.factorint(fraction.denominator)) <= {2, 5}
    assert (decimal is not None) == ends
    if decimal is not None:
        assert Fraction(decimal) == fraction


def forms(text: str) -> Iterator[str]:
    return (form for _, form in equal_forms(read(text), is_english=True))


def test_some_forms() -> None:
    assert list(forms("3/4")) == ["0.75", "+0.75", r"\frac{3}{4}", "3/4"]
    assert list(forms("12345")) == ["12345.0", "12,345", "12345", "+12345"]
    assert dict(other_values(read("0.5"))) == {
        "off_by_one": "1.5",
        "sign_flipped": "-0.5",
        "point_shifted": "5",
    }
    assert dict(other_values(read(r"\frac{1}{3}"))) == {
        "off_by_one": r"\frac{4}{3}",
        "sign_flipped": r"-\frac{1}{3}",
        "inverted": "3",
    }
    assert dict(other_values(read(r"\$18")))["sign_flipped"] == r"-\$18"
    assert [rule for rule, _ in other_values(read("0"))] == ["off_by_one"]
    assert "inverted" not in dict(other_values(read("-1/1")))
    assert "digits_swapped" not in dict(other_values(read("50")))


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "x",
            "1/0",
            "0.333...",
            "3, 4",
            "12:00",
            "101_2",
            "1 1/2",
            "5!",
            "007",
            "2^3",
            r"\pm 3",
            "1e5",
        ),
        *("5 squared", "3 or 4", "3 or more", "50 percent", "1,00", "1.2.3", r"\frac{1}{x}", "5 to"),
    ],
)
def test_what_is_no_plain_number_is_not_read(text: str) -> None:
    assert read_number(text) is None


@pytest.mark.parametrize("text", ["1.500", "1,500", "-12,345"])
def test_what_depends_on_the_language_has_no_other_forms_elsewhere(text: str) -> None:
    assert list(equal_forms(read(text), is_english=False)) == []
    assert not differs(read(text), read("7"))
