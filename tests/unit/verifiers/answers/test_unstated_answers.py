"""Responses that state no answer in words: a bare expression, or a formula that is said to be it."""

import pytest

from verifiers.answers import extract_answer

BARE = [
    "-5",
    "42",
    ".4",
    "1,000.99",
    "$1,000.99",
    "1 000",
    "5 apples",
    "28 percent",
    "28 %",
    "5 square meters",
    "-10/9",
    r"\frac{10}{9}",
    r"-\frac{10}{9}",
    r"$\frac{1}{3} \text{meters}$",
    r"\(x \geq 5\)",
    "\\[\n9\n\\]",
    r"$x \geq 5$",
    r"$\begin{pmatrix}1 & 0 \\ 0 & 1\end{pmatrix}$",
    r"\begin{pmatrix}1 & 0 \\ 0 & 1\end{pmatrix}",
    "[0, 1)",
    "(3, 4)",
    "{1, 2}",
    "x = 5",
    "x > 5",
    "x^2 + 1",
    "2x + 3y",
    "sqrt(2)/2",
    "sin(x) + 1",
    "D.",
    "(D)",
    "D",
    "no solution",
    "Yes",
    "True",
    "odd",
    "infinity",
]


@pytest.mark.parametrize("response", BARE)
def test_nothing_but_an_expression_is_the_answer(response: str) -> None:
    for text in (response, f"  {response}\n", f"**{response}**", f"{response}<|im_end|>"):
        assert extract_answer(text) == response


@pytest.mark.parametrize(
    "response",
    [
        "",
        "T",
        "I",
        "W",
        "The",
        "We have",
        "Let x be",
        "12 plus",
        "5 of them",
        "75% of t",
        "20 minutes is",
        "16 - 4 = 12 slices o",
        "600*2 = 1200",
        "5 + 3 =",
        "5 +",
        "(1, 2",
        r"\frac{1",
        "x = ",
        "5\n\nWe add 3.",
        "$5$ is what we add to $3$",
        "She has 5 apples.",
        "I got 12 and then 13",
        "5 apples and 3 pears are left over",
        "What is 5?",
        "Paris",
        "42 is not it",
        "The pH of a neutral solution is 7 and",
        "The mass of the solution is 12 g.",
        "Fehling's solution is 5 times stronger.",
        "The solution is x",
    ],
)
def test_more_than_an_expression_states_nothing(response: str) -> None:
    assert extract_answer(response) is None


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (r"Therefore $x \geq 5$ is the solution.", r"$x \geq 5$"),
        ("Thus $x <= 2$ is our answer.", "$x <= 2$"),
        ("So 42 is the final answer.", "42"),
        ("So 42 is the correct answer!", "42"),
        ("Hence 41 and 42 are left. 42 is the answer.", "42"),
        ("We check whether 42 is the answer.", None),
        ("If 42 is the answer.", None),
        ("So 42 is not the answer.", None),
        ("42 is the answer to another question", None),
        ("$x=r$ is the solution.\nThe sum of the roots is", None),
        ("Is 42 the answer?", None),
    ],
)
def test_a_formula_may_be_said_to_be_the_answer(response: str, answer: str | None) -> None:
    assert extract_answer(response) == answer


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("We find that $x < 3$.", "$x < 3$"),
        ("So the volume is 120. I hope it is correct.", "120"),
        ("3 and then 1,234.5", "1,234.5"),
        (r"The matrix is $\begin{pmatrix}1 & 0\end{pmatrix}$.", r"$\begin{pmatrix}1 & 0\end{pmatrix}$"),
        ("It is 1,000.99\u20ac.", "1,000.99"),
        ("It rises by 100%.", "100%"),
        ("It falls to -5 degrees.", "-5"),
        ("It is 5-3 years.", "3"),
        ("So $(x, y)$ is $(7, 6)$, where $x$ counts.", "$(7, 6)$"),
        ("So it is $x$.", "$x$"),
        (
            r"The matrix is $ \begin{pmatrix}1 & 0\end{pmatrix} $.",
            r"$ \begin{pmatrix}1 & 0\end{pmatrix} $",
        ),
        ("The code is AZYUK2A.", None),
        ("Nothing.", None),
    ],
)
def test_the_last_formula_counts_only_if_asked_for(response: str, answer: str | None) -> None:
    assert extract_answer(response) is None
    assert extract_answer(response, extract="last") == answer
    assert extract_answer(response, last_number=True) == answer


def test_a_stated_answer_counts_before_the_last_formula() -> None:
    assert extract_answer("The answer is 4. It is not 5.", extract="last") == "4"
    assert extract_answer(r"\boxed{4} is not 5", extract="last") == "4"
