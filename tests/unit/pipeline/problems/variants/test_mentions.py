"""Which numbers of a text may change."""

from fractions import Fraction
from time import process_time

import pytest

from pipeline.problems.variants.mentions import find_mentions, takes_an, with_values


@pytest.mark.parametrize(
    ("text", "changing"),
    [
        ("Ann has 12 apples and 7 pears.", ["12", "7"]),
        ("He paid $1,200 for 40% of it, or $3.50 each.", ["1200", "40", "7/2"]),
        ("She buys a 5-pound bag.", ["5"]),
        ("In 1998 the town had 340 people.", ["340"]),
        ("At 7:30 he left; by 9 pm he had 35 cards.", ["35"]),
        ("On the 5th floor, Room 12, there are 14 desks.", ["14"]),
        ("He ate 3/4 of 20 pies.", ["20"]),
        ("It takes 5-10 minutes for 18 cakes.", ["18"]),
        ("There are 7 days in a week and 60 minutes in an hour.", []),
        ("A 7-Eleven sells 15 drinks.", ["15"]),
        ("He has 6 dogs, and each of the 6 dogs eats 9 bones.", ["9"]),
        ("A dog has 4 legs; 13 dogs came.", ["13"]),
        ("He has 3 children: Tom, Ann and Bob, and 40 toys.", ["40"]),
        ("The first box has 4 pens, the other 25 pens.", ["25"]),
        ("He read 1 book.", []),
        ("What is 7 + 5?", ["7", "5"]),
        ("A 2 x 4 board has 3 nails.", ["3"]),
    ],
)
def test_only_plain_quantities_change(text: str, changing: list[str]) -> None:
    found = [str(one.value) for one in find_mentions(text) if one.may_change]

    assert found == changing


def test_a_value_is_written_in_the_form_of_the_number_it_replaces() -> None:
    price, crowd = find_mentions("It costs $3.50 for 1,200 people.")

    text = with_values(
        "It costs $3.50 for 1,200 people.",
        {price: price.written(Fraction(4)), crowd: crowd.written(Fraction(2400))},
    )

    assert text == "It costs $4.00 for 2,400 people."
    with pytest.raises(ValueError, match="at most 2 decimals"):
        price.written(Fraction(1, 1000))


@pytest.mark.parametrize(
    ("number", "expected"), [(8, True), (11, True), (18, True), (80, True), (81000, True)]
)
def test_an_stands_before_a_vowel(number: int, expected: bool) -> None:
    assert takes_an(Fraction(number)) is expected


@pytest.mark.parametrize("number", [1, 7, 10, 12, 100, 110, 180])
def test_a_stands_before_other_numbers(number: int) -> None:
    assert not takes_an(Fraction(number))


@pytest.mark.parametrize(
    "text", [" ".join(map(str, range(3000))), f"{'a' * 20_000} has 5 pens and 6 pins."]
)
def test_a_long_text_takes_no_quadratic_time(text: str) -> None:
    began = process_time()

    find_mentions(text)

    # Some tenths of a second; with quadratic time, more than ten.
    assert process_time() - began < 5
