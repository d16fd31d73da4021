"""Templates: where the numbers of a solution come from, and when there is none."""

from fractions import Fraction
from random import Random

import pytest

from pipeline.problems.variants.composing import compose
from pipeline.problems.variants.drawing import draw, fits
from pipeline.problems.variants.programs import answer_text, program_of
from pipeline.problems.variants.template import NoTemplate, Template, make_template

TEXT = "Ann has 48 clips. She gives away half of them and buys 15 more. How many clips has she now?"
WORKED = "She keeps 48/2 = <<48/2=24>>24. Then she has 24+15 = <<24+15=39>>39."


def template_of(text: str = TEXT, worked: str = WORKED, gold: str = "39") -> Template:
    found = make_template(text, worked, gold)
    assert isinstance(found, Template), found
    return found


def test_a_template_gives_the_original_back() -> None:
    template = template_of()

    assert template.fill(template.values) == TEXT
    assert template.answer(template.values) == 39
    assert list(map(int, template.values)) == [48, 15]


def test_other_numbers_give_another_answer() -> None:
    template = template_of()
    values = (Fraction(20), Fraction(9))

    assert template.answer(values) == 19
    assert "has 20 clips" in template.fill(values)
    assert "buys 9 more" in template.fill(values)


@pytest.mark.parametrize(
    ("text", "worked", "gold", "reason"),
    [
        (TEXT, None, "39", NoTemplate.NO_SOLUTION),
        (TEXT, "It is 39.", "39", NoTemplate.NO_SOLUTION),
        (TEXT, WORKED, "many", NoTemplate.NO_NUMBER_ANSWER),
        (TEXT, WORKED, "24", NoTemplate.UNUSED_RESULT),
        (TEXT, "<<48/2=24>> <<9+8=17>> <<24+15=39>>", "39", NoTemplate.UNEXPLAINED),
        (TEXT, "<<48/2=24>> <<48-15=33>> <<24+15=39>>", "39", NoTemplate.UNUSED_RESULT),
        (TEXT, "<<48/2=24.1>>", "39", NoTemplate.UNREADABLE),
        (f"{TEXT} Round it.", WORKED, "39", NoTemplate.CONDITION),
        (TEXT.replace("gives", "at least gives"), WORKED, "39", NoTemplate.CONDITION),
        (f"{TEXT} She had 63 clips and pins.", WORKED, "39", NoTemplate.STATED_TWICE),
        (f"{TEXT} 20% are red.", WORKED, "39", NoTemplate.UNEXPLAINED),
        ("Two and two are how many?", "<<2+2=4>>", "4", NoTemplate.ALL_FIXED),
    ],
)
def test_what_is_in_doubt_has_no_template(
    text: str, worked: str | None, gold: str, reason: NoTemplate
) -> None:
    assert make_template(text, worked, gold) == reason


def test_a_number_with_two_explanations_stays() -> None:
    # The 2 of the solution may be "half" or the friends.
    template = template_of(
        "Ann has 48 clips and 2 friends. She eats half of them. How many are left?",
        "48/2 = <<48/2=24>>24",
        "24",
    )

    assert list(map(int, template.values)) == [48]


def test_a_result_that_is_also_in_the_text_stays_with_what_it_depends_on() -> None:
    # 24 is a result and a number of the text: neither 48 nor 24 may change.
    template = template_of(
        "Ann has 48 clips. She gives away half of them, then buys 24 red ones and 15 blue ones. "
        "How many clips has she now?",
        "<<48/2=24>> <<24+24=48>> <<48+15=63>>",
        "63",
    )

    assert list(map(int, template.values)) == [15]


def test_percentages_are_used_as_they_are_or_as_a_share() -> None:
    for worked in ("<<200*20/100=40>>", "<<200*.2=40>>"):
        template = template_of("He sold 20% of 200 eggs. How many?", worked, "40")

        assert template.answer((Fraction(30), Fraction(100))) == 30


def test_shares_of_a_whole_stay() -> None:
    template = template_of(
        "Of 200 eggs 25% are red and 75% are blue. How many more blue ones are there?",
        "<<200*.25=50>> <<200*.75=150>> <<150-50=100>>",
        "100",
    )

    assert list(map(int, template.values)) == [200]


def test_results_stay_of_their_kind() -> None:
    template = template_of()

    assert fits(template, (Fraction(20), Fraction(9)))
    assert not fits(template, (Fraction(21), Fraction(9)))  # half a clip
    assert not fits(template, (Fraction(4000), Fraction(9)))  # another magnitude


def test_numbers_of_a_unit_keep_their_order() -> None:
    template = template_of(
        "There are 40 students, 12 students are boys. How many are girls?", "<<40-12=28>>", "28"
    )

    drawn = [draw(template, Random(seed)) for seed in range(30)]

    assert all(values is not None and values[0] > values[1] for values in drawn)
    assert len(set(drawn)) > 20


def test_a_week_has_no_more_days() -> None:
    template = template_of("He works 3 days for $12. How much is it?", "<<3*12=36>>", "36")

    drawn = [draw(template, Random(seed)) for seed in range(40)]

    assert all(values is not None and values[0] <= 7 for values in drawn)


def test_known_numbers_are_not_drawn_again() -> None:
    template = template_of()
    known: list[tuple[Fraction, ...]] = []
    for _ in range(10):
        values = draw(template, Random(3), known)
        assert values is not None
        known.append(values)

    assert len(set(known)) == 10


def test_the_program_says_what_the_template_does() -> None:
    assert program_of(template_of()) == (
        'def answer(n0, n1):\n    r0 = (n0 / Fraction("2"))\n    r1 = (r0 + n1)\n    return r1\n'
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(39), "39"),
        (Fraction(5, 2), "2.5"),
        (Fraction(-1, 4), "-0.25"),
        (Fraction(1, 3), None),
        (Fraction(0), "0"),
    ],
)
def test_answers_are_written_as_numbers(value: Fraction, text: str | None) -> None:
    assert answer_text(value) == text


def test_a_composition_asks_with_the_first_answer() -> None:
    made = compose("Bob has 20 cards and gets 10 more. How many?", "30", template_of(), Random(0))

    assert made is not None
    assert "X" in made.text.splitlines()[-1]
    assert "30" not in made.text
    assert made.template.answer(made.values) in (30, 54)  # 30/2+15, 48/2+30


def test_an_answer_that_does_not_fit_is_not_composed() -> None:
    for answer in ("31.5", "many", "100000", "1"):
        assert compose("How many?", answer, template_of(), Random(0)) is None


@pytest.mark.parametrize("number", [123_456_789, 10**30 + 7, 10**310 + 7])
def test_a_large_number_takes_no_more_time_or_memory(number: int) -> None:
    text = f"The firm has {number} bolts and twice as many nuts. How many nuts has it?"
    template = template_of(text, f"{number} * 2 = {2 * number}", str(2 * number))

    values = draw(template, Random(0))

    assert values is not None
    assert number <= 2 * values[0] <= 4 * number
    assert template.answer(values) == 2 * values[0]


def test_a_quotient_of_a_large_number_still_comes_out_even() -> None:
    text = "A firm packs 123456780 bolts into 12 equal crates. How many bolts are in a crate?"
    template = template_of(text, "123456780 / 12 = 10288065", "10288065")

    assert draw(template, Random(0)) is not None


def test_a_number_that_python_does_not_read_gives_no_template() -> None:
    long = "9" * 5000

    assert make_template(TEXT, WORKED, long) is NoTemplate.NO_NUMBER_ANSWER
    for said in (f"{long} pens", f"{long}/3 pens"):
        template = template_of(f"She has {said}. {TEXT}")
        assert long in template.fill(template.values)
