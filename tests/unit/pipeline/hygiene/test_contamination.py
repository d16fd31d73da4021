"""Questions of test sets among problems: what is found, and what only looks alike."""

import random

import pytest

from pipeline.hygiene.contamination import Leak, LeakFinder, Likeness, Question
from pipeline.hygiene.rules import ContaminationRule


def question(number: int) -> str:
    """A story with its own words: no two numbers give nearly the same."""
    draw = random.Random(number)
    words = ["".join(draw.choices("aeioklmnrst", k=6)) for _ in range(12)]
    return (
        f"The {words[0]} {words[1]} has {draw.randint(3, 90)} {words[2]} {words[3]} at the {words[4]}. "
        f"Each {words[5]} of the {words[6]} weighs {draw.randint(2, 40)} {words[7]} more than that. "
        f"How many {words[8]} does every {words[9]} {words[10]} from the {words[11]} weigh in total?"
    )


TESTS = [question(number) for number in range(40)]
OTHERS = [question(number) for number in range(1000, 1400)]


def finder(*extra: str, rule: ContaminationRule | None = None) -> LeakFinder:
    questions = (
        Question(test_set="exam", id=str(number), text=text, answer=str(1000 + number))
        for number, text in enumerate(TESTS)
    )
    made = LeakFinder(questions, rule or ContaminationRule())
    for text in (*OTHERS, *extra):
        made.count(text, "7")
    return made


def leak(text: str, answer: str | None = None) -> Leak | None:
    return finder(text).leak(text, answer)


def numbers_changed(text: str) -> str:
    return "".join(str((int(one) + 3) % 10) if one.isdigit() else one for one in text)


@pytest.mark.parametrize("number", range(0, 40, 8))
def test_a_question_is_found_in_every_form(number: int) -> None:
    text = TESTS[number]
    forms = {
        text: Likeness.SAME,
        text.upper().replace(" ", "  "): Likeness.SAME,
        f"You are a careful tutor. Put the answer in a box.\n\n{text} Think well.": Likeness.REWORDED,
        text.replace("How many", "Please say how many"): Likeness.REWORDED,
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
    sets = LeakFinder(questions, ContaminationRule())
    for text in problems:
        sets.count(text, None)
    found = [sets.leak(text, None) for text in problems]
    assert found[:-1] == [None] * 300
    assert found[-1] is not None
    assert found[-1].likeness is Likeness.SAME


@pytest.mark.parametrize("text", ["", "?", "word", "12"])
def test_texts_of_hardly_a_word(text: str) -> None:
    assert leak(text) is None
    question = Question(test_set="exam", id="0", text=text, answer=None)
    only = LeakFinder([question], ContaminationRule())
    only.count(text, None)
    assert (only.leak(text, None) is not None) is any(map(str.isalnum, text))


def test_more_copies_of_the_test_sets_find_no_less() -> None:
    problems = [numbers_changed(text) for text in TESTS]
    questions = [
        Question(test_set=f"exam{copy}", id=str(number), text=text, answer=None)
        for copy in range(6)
        for number, text in enumerate(TESTS)
    ]
    made = LeakFinder(questions, ContaminationRule())
    for text in problems + OTHERS[:100]:
        made.count(text, None)
    assert all(made.leak(text, None) for text in problems)


@pytest.mark.parametrize("number", [1, 10, 100, 300])
def test_a_question_is_found_however_often_it_has_leaked(number: int) -> None:
    draw = random.Random(0)
    variants = [
        "".join(str(draw.randint(1, 9)) if one.isdigit() else one for one in TESTS[5])
        for _ in range(number)
    ]
    made = finder(*variants)
    assert all(made.leak(text, None) for text in variants)


def test_a_run_of_one_problem_can_be_compared() -> None:
    made = LeakFinder(
        [Question(test_set="exam", id="0", text=TESTS[0], answer="5")], ContaminationRule()
    )
    made.count(numbers_changed(TESTS[0]), "6")
    assert made.leak(numbers_changed(TESTS[0]), "6") is not None


def test_the_same_numbers_with_another_answer_need_more() -> None:
    changed = TESTS[9].replace("weigh in total", "cost in total")
    assert leak(changed, "1009") is not None
    assert leak(changed) is not None
    assert leak(changed.replace("more than that", "less than this"), "77") is None


def test_a_long_text_with_scattered_words_is_not_the_question() -> None:
    made = finder()
    assert [made.leak(" ".join(OTHERS[at : at + 40]), None) for at in range(0, 400, 40)] == [None] * 10


def test_east_asian_sentences_ask_too() -> None:
    story = "小明从图书馆借了三十五本书、又还了十二本。他的妹妹从学校带回八本新书。"
    asked, other = "现在他们家里一共有多少本书。", "周末去博物馆的路上下了几次雨。"
    made = LeakFinder(
        [Question(test_set="exam", id="0", text=story + asked, answer="31")], ContaminationRule()
    )
    for text in (story + asked, story + other, *OTHERS):
        made.count(text, None)
    assert made.leak(story + asked, None) is not None
    assert made.leak(story + other, "2") is None
