"""When printed text counts as the expected text."""

import pytest

from tests.patience import processor_time
from verifiers.code.output_rules import PRINTED_RULES


def is_equal(rule: str, printed: str | bytes, expected: str) -> bool:
    content = printed if isinstance(printed, bytes) else printed.encode()
    return PRINTED_RULES[rule](content, expected.encode(), 1e-6) is None


ODD_SPACES = "\u00a0 \u2003 \u3000 \u1680 \u2028 \u2029 \x85 \x1c \x1d \x1e \x1f \ufeff \u200b".split(
    " "
)


@pytest.mark.parametrize("rule", ["whitespace", "tokens", "numbers"])
@pytest.mark.parametrize("odd", ODD_SPACES)
def test_only_ascii_has_white_space(rule: str, odd: str) -> None:
    assert not is_equal(rule, f"1{odd}2", "1 2")
    assert not is_equal(rule, f"1{odd}2", "1\n2")
    assert not is_equal(rule, f"1 2{odd}", "1 2")
    assert not is_equal(rule, f"1 2\n{odd}\n", "1 2")
    assert is_equal(rule, f"1{odd}2 ", f"1{odd}2\n")


@pytest.mark.parametrize("rule", ["whitespace", "tokens", "numbers"])
@pytest.mark.parametrize("space", [" ", "\t", "\x0b", "\x0c", "  \t ", "\r"])
def test_white_space_of_ascii_is_alike(rule: str, space: str) -> None:
    assert is_equal(rule, f"1{space}2{space}", "1 2")
    assert is_equal(rule, "1 2\r\n3\r\n", "1 2\n3")


@pytest.mark.parametrize("rule", [*PRINTED_RULES])
@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        (b"\xff", "\ufffd"),
        (b"a\xffb", "a\ufffdb"),
        (b"\xc3", "\u00c3"),
        (b"\xe9", "\u00e9"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
        (b"\xc0\xb1", "1"),
        (b"1\xff", "1"),
        (b"\xff1", "1"),
    ],
)
def test_output_that_is_not_utf_8_equals_no_text(rule: str, printed: bytes, expected: str) -> None:
    assert not is_equal(rule, printed, expected)
    assert is_equal(rule, expected, expected)


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("1.0", "1"),
        ("1", "1.0"),
        ("1.", "1"),
        ("0.3333333", "0.33333333"),
        ("1e3", "1000"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("+5", "5"),
        ("007", "7"),
        ("2.0000000001", "2"),
        ("1999999.9999999", "2000000"),
        (".5", "0.5"),
        ("inf", "Infinity"),
        ("100000000.00001", "100000000"),
        ("1e400", "1" + "0" * 400),
        ("9" * 5000, "9" * 5000),
        ("a 1.0 b", "a 1 b"),
        ("1e-9", "0"),
        ("1" * 5000 + ".5", "1" * 5000 + ".7"),
        ("99999999.99", "100000000.00"),
    ],
)
def test_numbers_that_are_equal(printed: str, expected: str) -> None:
    assert is_equal("numbers", printed, expected)


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("1000001", "1000002"),
        ("1000001.0", "1000002"),
        ("1000001", "1000002.000"),
        ("123456789012345678", "123456789012345679"),
        ("1" + "0" * 5000, "1" + "0" * 4999 + "1"),
        ("1" * 400, "2" * 400),
        ("1" * 400 + ".0", "2" * 400),
        ("1" * 5000, "-" + "1" * 5000),
        ("inf", "1" * 400),
        ("1e999", "inf"),
        ("inf", "-inf"),
        ("1" * 5000 + ".5", "2" * 5000 + ".0"),
        ("1" * 5000, "2" * 5000 + ".0"),
        ("1e9999", "-1e9999"),
        ("nan", "0"),
        ("nan", "inf"),
        ("1_000", "1000"),
        ("\u0661", "1"),
        ("\u0661\u0662.5", "12.5"),
        ("\uff11", "1"),
        ("\u00b2", "2"),
        ("0x10", "16"),
        ("1,5", "1.5"),
        ("True", "1"),
        ("1.00001", "1.00002"),
        ("1e-5", "0"),
        ("-5", "5"),
        ("1 2", "1\n2"),
        ("1 2 3", "1 2"),
        ("1", "1 2"),
        ("", "0"),
        ("abc", "abd"),
        ("1/2", "0.5"),
    ],
)
def test_numbers_that_are_not(printed: str, expected: str) -> None:
    assert not is_equal("numbers", printed, expected)


def test_words_may_stand_on_any_line_for_the_rule_tokens() -> None:
    assert is_equal("tokens", "1 2\n3", "1\n2\n\n3\n")
    assert not is_equal("whitespace", "1 2\n3", "1\n2\n3")
    assert not is_equal("tokens", "12 3", "1 2 3")
    assert not is_equal("tokens", "1 2", "1 2 3")
    assert not is_equal("tokens", "1 2 3 4", "1 2 3")
    assert not is_equal("tokens", "1.0", "1")
    assert PRINTED_RULES["tokens"](b"1 5", b"1 2 3", 0) == "word 2: expected '2', got '5'"
    assert PRINTED_RULES["tokens"](b"1", b"1 2", 0) == "word 2: expected '2', got no such word"


def test_exact_is_exact() -> None:
    assert is_equal("exact", "a\n", "a\n")
    assert not is_equal("exact", "a", "a\n")
    assert not is_equal("exact", "a\r\n", "a\n")


@pytest.mark.parametrize("rule", [*PRINTED_RULES])
@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        (b"1\n" * 1_000_000, b"1\n" * 999_999 + b"2\n"),
        (b"1" * 4_000_000, b"2" * 4_000_000),
        (b"0." + b"1" * 4_000_000, b"0." + b"2" * 3_999_999 + b"1"),
        (b"1e9999 " * 1000, b"2e9999 " * 1000),
        (b"\n" * 4_000_000, b"x"),
    ],
)
def test_no_output_takes_long_to_compare(rule: str, printed: bytes, expected: bytes) -> None:
    with processor_time(most=10):
        assert PRINTED_RULES[rule](printed, expected, 1e-6) is not None
