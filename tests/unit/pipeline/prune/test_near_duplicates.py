"""Which responses say the same in nearly the same words."""

import pytest

from pipeline.prune.near_duplicates import are_near_duplicates, normal_form

SOLUTION = (
    "The baker sold twelve loaves in the morning and 7 more in the evening. "
    "Together that makes 12 + 7 = 19 loaves. Each of them costs 3 dollars, so the baker earned "
    "19 * 3 = 57 dollars that day. The answer is 57."
)


def alike(one: str, other: str, least: float = 0.8) -> bool:
    a, b = normal_form(one), normal_form(other)
    found = are_near_duplicates(a, b, least)
    assert found == are_near_duplicates(b, a, least)
    return found


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("3 + 4 = 7", "3+4=7"),
        ("THE ANSWER IS 7", "The answer is 7."),
        ("**3 + 4 = 7**", "3 + 4 = 7"),
        ("So $3+4=7$.", "3 + 4 = 7"),
        ("\\(3+4=7\\)", "\\[ 3+4 = 7 \\]"),
        ("- add 3 and 4\n- get 7", "* add 3 and 4\n* get 7"),
        ("## Solution\n\n---\n\n> add 3 and 4", "Solution: add 3 and 4"),
        ("3 \\times 4 = 12", "3 × 4 = 12"),
        ("3 * 4 = 12", "3*4 = 12"),
        ("2**3 = 8", "2^3 = 8"),
        ("x \\leq 5", "x ≤ 5"),
        ("5 − 3 = 2", "5 - 3 = 2"),
        ("The right-hand side is 4", "The right hand side is 4"),
        ("Well, now the sum is 7", "Okay, the sum is 7"),
        ("1. Add them.\n2. Stop there.", "1) Add them.\n2) Stop there."),
        (SOLUTION, SOLUTION.replace("Together", "Together,").replace("dollars", "**dollars**")),
        (SOLUTION, SOLUTION.replace("that day", "on that very day")),
        ("答案是 7", "答案是7。"),
        ("", "..."),
    ],
)
def test_marks_fillers_and_a_word_make_no_difference(one: str, other: str) -> None:
    assert alike(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("3+4=7", "3+5=8"),
        ("x = -5", "x = 5"),
        ("10 - 3", "10 + 3"),
        ("2**3", "2*3"),
        ("x²", "x³"),
        ("5² = 25", "52 = 25"),
        ("3.5", "35"),
        ("3.5", "3 5"),
        (".5", "5"),
        ("50%", "50"),
        ("n!", "n"),
        ("a*b", "a b"),
        ("x < 5", "x > 5"),
        ("12 34", "1 234"),
        ("3 \\div 4", "3 \\times 4"),
        ("７ apples", "8 apples"),
        ("the sum", "the product"),
        ("答案是七", "答案是八"),
        (SOLUTION, SOLUTION.replace("12 + 7", "7 + 12 + 0")),
        (SOLUTION, SOLUTION.replace("19 * 3", "19 + 3")),
        (SOLUTION, "We have 12 + 7 = 19 and 19 * 3 = 57, with 7 more and 3 each: it is 57."),
    ],
)
def test_other_mathematics_or_other_words_are_another_response(one: str, other: str) -> None:
    assert not alike(one, other)


def test_other_numbers_are_never_alike_however_long_the_text_is() -> None:
    long = " ".join(f"word{chr(97 + index % 26)}{chr(97 + index // 26)}" for index in range(600))
    assert not alike(f"{long} 3 + 4 = 7", f"{long} 3 + 4 = 8", least=0.01)
    assert alike(f"{long} 3 + 4 = 7", f"{long} which is 3 + 4 = 7")


def test_how_similar_they_have_to_be_is_given() -> None:
    other = SOLUTION.replace("that day", "on that very day")
    assert not alike(SOLUTION, other, least=1)
    assert alike(SOLUTION, f"So {SOLUTION.upper()}", least=1)


PARAGRAPH = " ".join(f"word{chr(97 + index % 26)}{chr(97 + index // 26)}" for index in range(50))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = –5", "x = 5"),
        *((f"7 {dash} 2 = 5", "7 2 = 5") for dash in "-‐‑‒–—―−﹘﹣－"),
        ("3 ＋ 5", "3 5"),
        ("x ＝ 5", "x 5"),
        ("x ＜ 5", "x ＞ 5"),
        ("2²", "22"),
        ("2⁻¹", "2¹"),
        ("2₊", "2"),
        ("We get\n- 3x + 5", "We get\n3x + 5"),
        ("We get\n- xy + 5", "We get\nxy + 5"),
        ("We get\n- $3x$", "We get\n$3x$"),
        ("We have 2\n* 3", "We have 2\n3"),
        ("f is -xy + 3", "f is xy + 3"),
        ("f is ab - cd", "f is ab cd"),
        ("3 \\lt x", "3 \\gt x"),
        ("x \\in A", "x \\notin A"),
        ("A \\cup B", "A \\cap B"),
        ("x != 5", "x = 5"),
        *((f"3 {operator} 4", "3 4") for operator in "⁄∕•∙⋅✕➕➖➗"),
        ("1/2", "2/1"),
        ("2^3", "3^2"),
        ("7 - 2", "2 - 7"),
        ("7 + 2 - 3", "7 - 2 + 3"),
        ("\\log_2 8", "\\log_8 2"),
        ("2 * (3 + 4)", "2 * 3 + 4"),
        ("(1, 2]", "(1, 2)"),
        ("19 *3", "19 3"),
        ("3*-4", "3 -4"),
        ("3:4", "3 4"),
        ("5 cm", "5 m"),
        ("$5 \\text{ cm}$", "$5 \\text{ m}$"),
        ("3x", "3y"),
        ("90°", "90"),
        ("f'(3)", "f(3)"),
        ("f''(3)", "f'(3)"),
        ("f′(3)", "f(3)"),
        ("\\overline{3}", "3"),
        ("x̄ = 3", "x = 3"),
        ("two apples", "three apples"),
        ("half of it", "a third of it"),
        ("seven - two", "seven two"),
        ("three plus four", "three minus four"),
        ("答案是七", "答案是八"),
    ],
)
def test_one_other_symbol_in_a_long_text_is_another_calculation(one: str, other: str) -> None:
    assert not alike(f"{PARAGRAPH} {one}", f"{PARAGRAPH} {other}")
    assert not alike(f"{PARAGRAPH} {one} {PARAGRAPH}", f"{PARAGRAPH} {other} {PARAGRAPH}", least=0.01)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("3 ＋ 5 ＝ 8", "3 + 5 = 8"),
        ("7 – 2 = 5", "7 - 2 = 5"),
        ("We add\n- **apples** to pears", "We add\n* apples to pears"),
        ("The sum — which is large — is 7", "The sum, which is large, is 7"),
        ("The answer is \\boxed{57}", "The answer is 57"),
        ("It is 57. Each costs 3.", "It is 57.\nEach costs 3."),
        ("the sum (see above) is 7", "the sum, see above, is 7"),
        ("I'm sure it isn't 7", "I’m sure it isn’t 7"),
    ],
)
def test_marks_in_a_long_text_make_no_difference(one: str, other: str) -> None:
    assert alike(f"{PARAGRAPH} {one}", f"{PARAGRAPH} {other}", least=1)
