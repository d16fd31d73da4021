"""Questions of test sets among problems: what is found, and what only looks alike."""

import random

import pytest

from pipeline.hygiene.contamination import Leak, LeakFinder, Likeness, Question
from pipeline.hygiene.rules import ContaminationRule

_PLACES = "harbour orchard museum bakery station library garage theatre stadium factory".split()
_THINGS = "lanterns barrels tickets muffins wagons atlases engines costumes benches crates".split()
_DEEDS = "carries paints sells repairs borrows counts labels polishes ships trades".split()
_NAMES = "Ada Boris Chloe Dmitri Elena Farid Greta Hugo Iris Jonas".split()


def question(number: int) -> str:
    """A story with its own words: no two numbers give nearly the same."""
    draw = random.Random(number)
    place, thing, deed, name = (draw.choice(one) for one in (_PLACES, _THINGS, _DEEDS, _NAMES))
    other, tail = draw.choice(_THINGS), " ".join(draw.choice(_PLACES) for _ in range(3))
    return (
        f"{name} {deed} {draw.randint(3, 90)} {thing} at the {place} near the {tail}. "
        f"Each of the {other} there weighs {draw.randint(2, 40)} kilograms more than the {thing}. "
        f"How many kilograms does everything that {name} {deed} from the {place} weigh in total?"
    )


TESTS = [question(number) for number in range(40)]
OTHERS = [question(number) for number in range(1000, 1400)]


def finder(*extra: str, rule: ContaminationRule | None = None) -> LeakFinder:
    questions = (
        Question(test_set="exam", id=str(number), text=text, answer=str(1000 + number))
        for number, text in enumerate(TESTS)
    )
    problems = [(text, "7") for text in (*OTHERS, *extra)]
    return LeakFinder(questions, problems, rule or ContaminationRule())


def leak(text: str, answer: str | None = None) -> Leak | None:
    return finder(text).leak(text, answer)


def numbers_changed(text: str) -> str:
    return "".join(str((int(one) + 3) % 10) if one.isdigit() else one for one in text)


@pytest.mark.parametrize("number", range(0, 40, 8))
def test_a_question_is_found_in_every_form(number: int) -> None:
    text = TESTS[number]
    forms = {
        text: Likeness.SAME,
        text.upper().replace(".", " ."): Likeness.SAME,
        f"You are a careful tutor. Put the answer in a box.\n\n{text} Think well.": Likeness.REWORDED,
        text.replace("How many kilograms does", "What is the weight in kilograms that"): (
            Likeness.REWORDED
        ),
        numbers_changed(text): Likeness.NUMBERS_CHANGED,
    }
    for form, likeness in forms.items():
        found = leak(form)
        assert found is not None, form
        assert (found.question.id, found.likeness) == (str(number), likeness)


def test_other_problems_are_not_found() -> None:
    sets = finder()
    assert [text for text in OTHERS if sets.leak(text, None)] == []


def test_the_passage_is_where_the_question_stands() -> None:
    before = "Read the following with care, please. "
    text = before + TESTS[3] + " Give only a number, without any unit."
    found = leak(text)
    assert found is not None
    assert abs(found.start - len(before)) <= 1
    assert text[found.start : found.end].startswith(TESTS[3][:40])
    assert len(TESTS[3]) - 3 <= found.end - found.start <= len(TESTS[3]) + 3


def test_the_same_story_with_another_question_is_another_problem() -> None:
    story = TESTS[5].rpartition(". ")[0]
    other = f"{story}. Which of the two roads to the old mill is shorter on a rainy day in autumn?"
    assert leak(other) is None


def test_the_same_answer_lowers_the_bound() -> None:
    first = TESTS[7].split(". ", 1)[0]
    text = f"{first}. {OTHERS[3].split('. ', 1)[1]}"
    rule = ContaminationRule(min_overlap=0.9, min_overlap_same_answer=0.05)
    sets = finder(text, rule=rule)
    assert sets.leak(text, "55") is None
    found = sets.leak(text, "1007.")
    assert found is not None
    assert found.question.id == "7"
    # An answer that many problems have says little.
    common = finder(*([text] * 3), rule=rule)
    assert common.leak(text, "7") is None


def test_questions_of_a_template_are_only_the_same_with_the_same_numbers() -> None:
    def template(one: int, other: int) -> str:
        return f"What is {one} + {other}?"

    draw = random.Random(0)
    exam = [template(draw.randint(1, 99), draw.randint(1, 99)) for _ in range(30)]
    problems = [template(draw.randint(100, 999), draw.randint(100, 999)) for _ in range(300)]
    problems.append(exam[4])
    questions = (
        Question(test_set="sums", id=str(number), text=text, answer=None)
        for number, text in enumerate(exam)
    )
    sets = LeakFinder(questions, [(text, None) for text in problems], ContaminationRule())
    found = [sets.leak(text, None) for text in problems]
    assert found[:-1] == [None] * 300
    assert found[-1] is not None
    assert found[-1].likeness is Likeness.SAME


@pytest.mark.parametrize("text", ["", "?", "word", "12"])
def test_texts_of_hardly_a_word(text: str) -> None:
    assert leak(text) is None
    only = LeakFinder(
        [Question(test_set="exam", id="0", text=text, answer=None)],
        [(text, None)],
        ContaminationRule(),
    )
    assert (only.leak(text, None) is not None) is any(map(str.isalnum, text))


def test_bounds_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match=r"at most min_overlap, 0\.3, got 0\.4"):
        ContaminationRule(min_overlap=0.3)
