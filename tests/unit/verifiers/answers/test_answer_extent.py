"""Where a stated answer ends, and which of several statements counts."""

import pytest

from verifiers.answers import extract_answer


@pytest.mark.parametrize(
    "answer",
    [
        "2 - sqrt(3)",
        "4 - sqrt(7)",
        "2 - sqrt 3",
        "5 - ln(2)",
        "5 - pi",
        "1 - cos x",
        "x - sin(x)",
        "3 \u2013 sqrt(2)",
        "10 - f(3)",
        "a - bc",
        "7 - xy",
        "3, pi",
        "0, pi, 2pi",
        "1, sqrt(2)",
        "2, infinity",
        "1; 2",
        "1; -2",
        "5; 10; 15",
        "x = 1; y = 2",
        "$1$; $2$",
        "(1, 2); (3, 4)",
        r"\frac{1}{2}; \pi",
        "1; sqrt(2)",
        "5 when x > 0 and 3 otherwise",
        "x when x > 0, and -x when x < 0",
        "1 when n is even, 2 when n is odd",
        "5 if x > 0 and 3 otherwise",
        "$k\\pi$ where $k$ is an integer",
        "2k where k is any integer",
        "$f(x)=ax+b$, where $b$ is an arbitrary integer",
        "\\left[\\begin{array}{l}\n4 \\\\\n3\n\\end{array}\\right] e^{-t}",
        "$y = \\begin{pmatrix}\n1 \\\\\n2.5\n\\end{pmatrix}$",
        "Mrs. Doyle's class",
        "Dr. Who",
        "11:55 p.m. on Sunday",
        "approx. 5",
        "red, blue and green",
        "red, blue, green",
        "Paris, London, Rome",
        "3 and 4",
        "1, 2 or 3",
        "3 or pi",
        "3 by 4",
        "50 cm by 30 cm",
    ],
)
def test_a_phrase_states_all_of_its_answer(answer: str) -> None:
    for phrase in ("The answer is ", "Final answer: ", "**Answer:** ", "So the answers are "):
        assert extract_answer(f"{phrase}{answer}.") == answer
        assert extract_answer(f"{phrase}{answer}. I hope it is correct.") == answer
        assert extract_answer(f"{phrase}{answer}\n\nThat is all.") == answer


@pytest.mark.parametrize(
    "rest",
    [
        " - that is all",
        " - as we saw",
        " - no more",
        " \u2013 so it is even",
        " \u2014 a nice number",
        " -- a nice number",
        " by counting",
        ". It is 4 p.m. now",
        ", as we saw",
        ", since 3*4 = 12",
        ", which is even",
        ", the largest of them",
        "; this is even",
        "; we are done",
        " because 3*4 = 12",
        " when rounded",
        " where we rounded",
        ", not 13",
        " (about 12.1)",
        " (or a dozen)",
    ],
)
def test_an_explanation_is_not_part_of_the_answer(rest: str) -> None:
    for response in (f"The answer is 12{rest}.", f"Final answer: 12{rest}\n", f"Answer: **12**{rest}."):
        assert (extract_answer(response) or "").strip("*") == "12"


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        ("- 1", "1"),
        ("* 1", "1"),
        ("\u2022 1", "1"),
        ("- $-1$", "$-1$"),
        ("- 1\n- 2", "1, 2"),
        ("* 1\n* 2\n* 3", "1, 2, 3"),
        ("1. 5\n2. 7", "5, 7"),
        ("1) 5\n2) 7", "5, 7"),
        ("(1) 5\n(2) 7", "5, 7"),
        ("(a) 5\n(b) 7", "5, 7"),
        ("a) 5\nb) 7", "5, 7"),
        ("1. 5\n\n2. 7", "5, 7"),
        ("1. 5", "5"),
        ("- x = 1\n- y = 2", "x = 1, y = 2"),
        ("- **x = 1**\n- **y = 2**", "x = 1, y = 2"),
        ("- (1, 2)\n- (3, 4)", "(1, 2); (3, 4)"),
        ("- Paris\n- Rome", "Paris, Rome"),
        ("x = 1\ny = 2", "x = 1, y = 2"),
        ("$x = 1$\n$y = 2$", "$x = 1$, $y = 2$"),
        ("x = 1\nx = 1", "x = 1"),
        ("$x_{1} = 1$\n$x_{2} = 2$", "$x_{1} = 1$, $x_{2} = 2$"),
        ("f(x) = 2x\ng(x) = 3", "f(x) = 2x, g(x) = 3"),
        ("42\n- because 6*7 = 42", "42"),
        ("2. 7", "2"),
    ],
)
def test_a_list_on_lines_is_one_answer(lines: str, answer: str) -> None:
    for phrase in ("**Answer:**\n", "Final Answer\n\n", "The answers are:\n", "The answer is\n\n"):
        assert extract_answer(f"{phrase}{lines}") == answer
        assert extract_answer(f"{phrase}{lines}\n\nI hope this helps!") == answer


@pytest.mark.parametrize(
    "lines",
    [
        "1. First we add 2 and 3.",
        "1. We add.\n2. We divide.",
        "- We add all of the numbers.\n- Then 5 is left.",
    ],
)
def test_steps_are_no_list_of_answers(lines: str) -> None:
    assert extract_answer(f"Answer:\n{lines}\n\n\\boxed{{5}}") == "5"
    assert extract_answer(f"The answer is 4.\n\nHow to get the answer:\n{lines}") == "4"


@pytest.mark.parametrize(
    ("answer", "parts"),
    [
        ("(1) 5; (2) 10", "5; 10"),
        ("(a) 5, (b) 10", "5; 10"),
        ("\n(a) 5, (b) 10", "5; 10"),
        ("\n\n(a) 5 (b) 10", "5; 10"),
        ("(1) 5 (2) 10 (3) 15", "5; 10; 15"),
        ("(1, 2)", "(1, 2)"),
        ("(2) 5; (3) 10", "(2) 5; (3) 10"),
        ("(1)(2)", "(1)(2)"),
        ("(a) and (b)", "(a) and (b)"),
        ("(a), (b)", "(a), (b)"),
    ],
)
def test_labels_of_parts_are_no_part_of_an_answer(answer: str, parts: str) -> None:
    assert extract_answer(f"The answer is {answer}.") == parts


@pytest.mark.parametrize(
    "answer",
    [
        "3,",
        "3, 4,",
        "5 -",
        "5 +",
        "x =",
        "(3, ",
        "[1,",
        "2^",
        "x_(",
        "\\frac{1}{",
        "{1, 2,",
        "1 /",
        "3 \\",
    ],
)
def test_a_truncated_answer_does_not_count(answer: str) -> None:
    assert extract_answer(f"The answer is {answer}") is None
    assert extract_answer(f"The answer is 7. In other words, the answer is {answer}") is None
    assert extract_answer(f"\\boxed{{7}}. In other words, the answer is {answer}") == "7"


REMARKS = [
    "So the answer is correct.",
    "Hence the answer is verified.",
    "Note that the answer is an integer, as required.",
    "The answer is in centimeters.",
    "The answer is not an integer.",
    "The answer is positive.",
    "The answer is even.",
    "The answer is true for all of them.",
    "Note: The answer is rounded to two decimals.",
    "The answer is derived from step 3.",
    "The answer is consistent with 6*2.",
    "The answer is what we expected: 6*2.",
    "The answer is as required.",
    "Thus the answer is confirmed by the check.",
    "```\nThis answer is correct.\n```\nThis answer is correct.",
    "The answer is reasonable, since it is below the sum.",
    "The answer is unique.",
    "The answer is expected to be rounded.",
    "La respuesta es correcta.",
    "Die Antwort ist richtig.",
    "La réponse est correcte.",
    "答案是正确的。",
    "Ответ: верно.",
]


@pytest.mark.parametrize("remark", REMARKS)
def test_a_remark_keeps_the_earlier_answer(remark: str) -> None:
    for statement in ("The answer is 12.", "#### 12", "**Final Answer:** 12", "Answer: 12", "答案：12"):
        assert extract_answer(f"{statement}\n\n{remark}") == "12"
    assert extract_answer(f"\\boxed{{12}} {remark}") == "12"


@pytest.mark.parametrize(
    ("correction", "answer"),
    [
        ("The answer is 13.", "13"),
        ("So the answer is wrong.", "wrong"),
        ("The answer is incorrect.", "incorrect"),
        ("The answer is not 12.", "not 12"),
        ("The answer is unknown.", "unknown"),
        ("The answer is not clear.", "not clear"),
        ("The answer is thirteen.", "thirteen"),
        ("The answer is approximately 13.", "approximately 13"),
        ("The answer is less than that.", "less than that"),
        ("The answer is Paris.", "Paris"),
        ("The answer is none.", "none"),
        ("The answer is no.", "no"),
        ("The answer is false.", "false"),
        ("Hmm, the answer is off by something.", "off"),
        ("The answer is inconsistent with that.", "inconsistent with that"),
        ("La respuesta es incorrecta.", "incorrecta"),
        ("Die Antwort ist falsch.", "falsch"),
        ("La r\u00e9ponse est fausse.", "fausse"),
        ("Ответ: неверный.", "неверный"),
        ("答案是错误的。", "错误的"),
        ("Die Antwort ist nicht 12.", None),
        ("答えは12ではありません。", None),
        ("La respuesta es no es 12.", None),
        ("The answer is infinite.", "infinite"),
        ("The answer is wrong. The answer is correct.", "correct"),
        ("The answer is no solution.", "no solution"),
        ("The answer is either A or B.", "either A or B"),
    ],
)
def test_a_later_statement_overrides_the_earlier_answer(correction: str, answer: str | None) -> None:
    assert extract_answer(f"The answer is 12. {correction}") == answer


@pytest.mark.parametrize(
    "remark",
    [
        "There are two solutions: $x = 3$ and $x = 5$.",
        "The solutions are x = 3 and x = 5.",
        "So the solution is x = 3.",
        "Solution: 6*2 = 13",
    ],
)
def test_solutions_behind_a_box_do_not_replace_it(remark: str) -> None:
    assert extract_answer(f"\\boxed{{12}}. {remark}") == "12"
