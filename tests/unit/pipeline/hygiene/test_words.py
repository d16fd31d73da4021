"""The words of a text: what makes two questions the same, and what does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.hygiene.words import NUMBER, Words, plain


def masked(text: str) -> list[str]:
    return [word.text for word in Words(text).masked]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Tom has 5 apples.", "tom   HAS 5 apples"),
        ("It costs $1,000.", "It costs \\$1,000"),
        ("**Find** $x$.", "Find x"),
        ("Tom\u2019s dog", "Tom's dog"),
        ("\\left( 3 + 4 \\right)", "(3+4)"),
        ("Find it. How many?", "find it how many"),
        ("\uff11\uff12 apples", "12 apples"),
    ],
)
def test_marks_and_case_do_not_matter(one: str, other: str) -> None:
    assert plain(one) == plain(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is 12 + 5?", "What is 12 - 5?"),
        ("Tom has 5 apples", "Tom has 6 apples"),
        ("x < 3", "x > 3"),
        ("3.5 apples", "35 apples"),
        ("rose by .5", "rose by 5"),
        ("f(-2)", "f(2)"),
        ("f'(2)", "f(2)"),
        ("(2+3)*4", "2+(3*4)"),
        ("What is 5!?", "What is 5?"),
        ("n! + 1", "n + 1"),
        ("a != b", "a = b"),
        ("a & b", "a | b"),
        ("|x| = 3 + x", "x = 3 + x"),
        ("lst[1:]", "lst[:1]"),
        ("10^{-3}", "10^{3}"),
        ("$-3+5$", "$3+5$"),
        ("A \u222a B", "A ∩ B"),
        ("\u0915\u093f", "\u0915\u0940"),
        ("1 2", "12"),
    ],
)
def test_numbers_and_symbols_matter(one: str, other: str) -> None:
    assert plain(one) != plain(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Tom has 5 apples", "Tom has 1,234.5 apples"),
        ("Tom has five apples", "Tom has twenty-five apples"),
        ("He eats 3/4 of it", "He eats half of it"),
        ("the 3rd of 9", "the 12th of 40"),
    ],
)
def test_masked_numbers_are_the_same(one: str, other: str) -> None:
    assert masked(one) == masked(other)
    assert NUMBER in masked(one)


def test_numbers_are_compared_without_commas() -> None:
    assert Words("1,000 men and 2 boys").numbers == ("1000", "2")
    assert Words("1000 men and 2 boys").numbers == ("1000", "2")


@given(st.text())
def test_words_have_their_places(text: str) -> None:
    words = Words(text)
    for ordered in (words.words, words.masked):
        ends = [place for word in ordered for place in (word.start, word.end)]
        assert ends == sorted(ends)
        assert all(0 <= word.start < word.end <= len(text) for word in ordered)
        assert all(word.text for word in ordered)
