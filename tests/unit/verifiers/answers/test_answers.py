"""Extraction of a response's answer."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.patience import processor_time
from verifiers.answers import extract_answer, last_box
from verifiers.answers.number_words import PATTERN


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (r"so \boxed{42}.", "42"),
        (r"\boxed{1} no, \boxed{2}", "2"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{1} and \boxed{2", "1"),
        (r"\boxed{a \} b}", r"a \} b"),
        (r"\fbox{7}", "7"),
        ("work\n#### 1,200\n", "1,200"),
        ("#### 1\n#### 2", "2"),
        ("The answer is 18.", "18"),
        ("The answer is 3.50. Good.", "3.50"),
        ("The final answer is: **42**", "42"),
        ("Answer: 5 apples", "5 apples"),
        ("the answer is $x = 5$, as said", "$x = 5$"),
        ("the answer is 1. No, the answer is 2.", "2"),
        (r"The answer is 3, so \boxed{4}", "4"),
        ("The answer is:\n\n42\nQED", "42"),
        ("the answer is", None),
        ("#### Step 2: add\nThe answer is 18.", "18"),
        ("The answer is 17.\n#### 18", "18"),
        ("The answer is 3, 4, 5", "3, 4, 5"),
        ("The answer is 5, as we saw", "5"),
        ("I got 12 and then 13", None),
        ("", None),
        (r"\boxed{}", None),
        (r"\boxed{ }", None),
    ],
)
def test_the_answer_is_found_by_the_stated_rule(response: str, answer: str | None) -> None:
    assert extract_answer(response) == answer


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (r"$x=\boxed{3}$ and $y=\boxed{3}$", "x=3, y=3"),
        (r"$x_1=\boxed{3}$, $x_2=\boxed{3}$", "x_1=3, x_2=3"),
        (r"$x=\boxed{3}$ or $x=\boxed{4}$", "3, 4"),
        (r"$\boxed{3}$ and $y=\boxed{4}$", "3, 4"),
        (r"The answer is therefore $\boxed{7}$ not $\boxed{8}$.", "7"),
        (r"It is not $\boxed{8}$ but $\boxed{7}$.", "7"),
        (r"So it is $\boxed{7}$ instead of $\boxed{8}$, rather than \(\boxed{9}\).", "7"),
        (r"It isn't $\boxed{8}$.", None),
        (r"\boxed{\text{Answer: } 42}", "42"),
        (r"\boxed{\text{The answer is } 42}", "42"),
        (r"\boxed{\text{Answer: Paris}}", r"\text{Paris}"),
        (r"\boxed{42}. (as in \boxed{...})", "42"),
        (r"\boxed{42}. Write it as \boxed{\text{your answer}}.", "42"),
        (r"\boxed{42}. Use \boxed to frame it.", "42"),
        (r"\boxed{\boxed{}}\boxed{?}", r"\boxed{}"),
        (r"Hence \boxed 5.", "5"),
        (r"\boxed{1} apple and \boxed{2} pears", "1, 2"),
        (r"$\boxed{1}$ apple, $\boxed{2}$ pears", "1, 2"),
        (r"$\boxed{1} \text{ for part (a) and } \boxed{2}$", "1, 2"),
        (r"\boxed{1} is wrong and \boxed{2} is right", "2"),
        (r"\boxed{1} gives \boxed{2}", "2"),
        (r"\boxed{1}; \boxed{2}", "1, 2"),
        (r"\boxed{1} und \boxed{2}", "1, 2"),
        (r"$\boxed{1}$和$\boxed{2}$", "1, 2"),
        (r"$\boxed{1}$、$\boxed{2}$", "1, 2"),
        (r"\boxed{16}, \boxed{3}, \boxed{1}, \boxed{1}", "16, 3, 1, 1"),
        (r"\boxed{5}, \boxed{5}", "5"),
        (r"$x+y=\boxed{3}$, $x-y=\boxed{3}$", "3"),
    ],
)
def test_boxes(response: str, answer: str | None) -> None:
    assert extract_answer(response) == answer


BOX = r"So we get $\boxed{42}$. "


@pytest.mark.parametrize(
    "remark",
    [
        "Note that the answer is even, as expected.",
        "Could it be smaller? The answer is no.",
        "Is this unique? The answer is yes.",
        "I am sure that the answer is 100% correct.",
        "So the answer is 41?",
        "If the answer is 40, the sum is off.",
        "Let me see why the answer is 42 and whether the answer is 6 somewhere.",
        "To check the answer: $42-2=40$, which matches.",
        "**Explanation of the answer:** 3 steps were used.",
        "The solution is 3 steps long.",
        "The solution is 3 steps.\n\n#### Remarks",
        "\n#### 2. Verify\nAll is well.",
        "\n#### 2 Verification\nAll is well.",
        "\n#### Step 2: check",
        "\n#### $n = 3$:\nAll is well.",
        "\n##### 7",
        "Let me double-check for errors. For n=5 this is 25, which matches",
        "Wait, let me verify. If x = 3 then it is 9 + 1 = 10. Good",
        "This corrects the common mistake where it is 40.",
        "There is no mistake: it is 6 times 7.",
        "Wait, 2+3=5. Yes.",
        "Wait, should it be 6? No.",
        "Wait, it should be 6? No, all is well.",
        "Actually, 3 apples cost 6 dollars, so that fits.",
        "Hmm, let me check: for x=2 it should be 4. It is.",
        "Actually, this is a classic. It is 6 less than 48.",
        "The answer is approximately forty.",
        "A common wrong answer is 4.",
        "My initial answer was 4.",
        "Some might say the answer is 4.",
        "Alternative solution: 6*7=42.",
        "The answer is not 41.",
    ],
)
def test_a_remark_behind_a_box_takes_nothing_back(remark: str) -> None:
    assert extract_answer(BOX + remark) == "42"


@pytest.mark.parametrize(
    ("correction", "answer"),
    [
        ("Wait, I made an arithmetic error: 6*7=43. Therefore x = 43.", "x = 43"),
        ("Wait, that is wrong.\nSo the total is 43.", "43"),
        ("Hmm, I forgot one. So it is 43.", "43"),
        ("Wait, I made an error when adding. Therefore $x = 43$.", "$x = 43$"),
        ("Corrected: 43", "43"),
        ("Correction: **43**", "43"),
        ("Sorry, I meant 43.", "43"),
        ("Sorry for the confusion, it should be 43.", "43"),
        ("Wait, it is 43.", "43"),
        ("Wait, no, it's $43$.", "$43$"),
        ("Oops, 43.", "43"),
        ("That's not right. Therefore, it is 43.", "43"),
        ("Wait, it should be x<3.", "x<3"),
        ("Actually, 43 apples.", "43 apples"),
        ("Wait. The correct value is 43.", "43"),
        ("The answer is 43.", "43"),
        ("The answer is there is no doubt. The answer is forty-three.", "forty-three"),
        ("The answer is no solution.", "no solution"),
        ("The answer is undefined.", "undefined"),
        (r"The answer is \(\frac12\).", r"\(\frac12\)"),
        ("\n#### 43", "43"),
        ("<answer>43</answer>", "43"),
        ("<answer>none of them</answer>", "none of them"),
    ],
)
def test_a_correction_wins_over_a_box(correction: str, answer: str) -> None:
    assert extract_answer(BOX + correction) == answer


def test_a_correction_wins_over_a_phrase() -> None:
    assert extract_answer("The answer is 41. Wait, I forgot one: it should be 42.") == "42"
    assert extract_answer("The answer is wrong. It should be 42.") == "42"
    assert extract_answer("The answer is 42. I hope it is correct.") == "42"


def test_the_last_property_counts() -> None:
    assert extract_answer("The answer is odd. No, the answer is even.") == "even"
    assert extract_answer("The answer is even.") == "even"


def test_words_replace_words_in_a_box() -> None:
    assert extract_answer(r"\boxed{\text{even}}. No: the answer is odd.") == "odd"


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("The answer is 42.\n\n#### Explanation", "42"),
        ("The answer is 42.\n\n#### Explanation\nAll is added.", "42"),
        ("It is in France.\n#### Paris", "Paris"),
        ("#### Explanation\nAll is added.", None),
        ("#### 1. Setup", None),
        ("## Solution:\nLet's think step by step. First we add.", None),
        ("Solution: we add them all.", None),
        ("Solution: $x = 4$", "$x = 4$"),
        ("The solution is x = 4.", "x = 4"),
        ("The solution set is \\{1,2\\}", "\\{1,2\\}"),
        ("The solution is (1, 2).", "(1, 2)"),
        ("Answer:\nLet's think step by step. We add.\nThat makes 5.", None),
        ("Answer: Let's think step by step.", None),
        ("The answer is given by 42.", "42"),
        ("The answer is found to be 42.", "42"),
        ("The answer is thus equal to 42.", "42"),
        ("Thus the answer is $5$ and not $6$.", "$5$"),
        ("The answer is 5, not 6.", "5"),
        ("The answer is 5 not 6.", "5"),
        ("The answer is 5 rather than 6.", "5"),
        ("The answer is 5 instead of 6.", "5"),
        ("The answer is not 5.", "not 5"),
        ("The limit: the answer is that it does not exist.", "that it does not exist"),
        ("<answer>42</answer>", "42"),
        ("<answer>\n\\frac{1}{2}\n</answer>", r"\frac{1}{2}"),
        ("<answer>The answer is 42.</answer>", "42"),
        ("<answer>42</answer> in the form <answer> your answer here </answer>", "42"),
        ("<answer>42", None),
        ("I think the answer is 5.", "5"),
        ("The right choice is (B).", "(B)"),
        ("The answer is 1/2, i.e. 0.5.", "1/2"),
        ("The answer is: $$\n\\frac{1}{2}\n$$", "$$\n\\frac{1}{2}\n$$"),
        ("Answer\uff1a42", "42"),
        ("### Final Answer\n\n42", "42"),
        ("### Final Answer\n\nShe has 42 apples.", "She has 42 apples"),
        ("## Answer\n\n$42$", "$42$"),
        ("**Final Answer**\n\n42", "42"),
        ("**Final Answer:**\n\n**42**\n\nI hope this helps!", "42"),
        ("Final Answer\n42", "42"),
        ("This is what I would answer\n42 people", None),
        ("The correct option is (B).", "(B)"),
        ("The correct choice is B.", "B"),
        ("The answer turns out to be 42.", "42"),
        ("The answer comes out to 42.", "42"),
        ("The answer comes to 42.", "42"),
        ("The answer must then be 42.", "42"),
        ("Answer: 3/4 (or 0.75)", "3/4"),
        ("The answer is approximately 3.14.", "approximately 3.14"),
        ("Therefore, the answer is $15. I hope this helps!", "$15"),
        ("the answer is $1,200 per month.", "$1,200 per month"),
        ("<think>\nThe answer is 41.\n</think>\n\n**Answer:** 42", "42"),
        ("<think>\n\\boxed{41}? Wait, no.\n</think>\n\nThe answer is \\boxed{42}.", "42"),
        ("<think>So the answer is 42.</think>", "42"),
        ("Answer: \\[\n42\n\\]", "\\[\n42\n\\]"),
    ],
)
def test_phrases(response: str, answer: str | None) -> None:
    assert extract_answer(response) == answer


def test_the_last_number_counts_only_if_asked_for() -> None:
    assert extract_answer("3 and then 1,234.5", last_number=True) == "1,234.5"
    assert extract_answer("The answer is 4, not 5", last_number=True) == "4"


WORDS = r"""\boxed{ \boxed \fbox{ } { \ $ \( \) \[ \] 1 42 x = , . ? ! : ; * _ # #### answer solution
    is the Answer: <answer> </answer> not and or wait actually sorry should be it corrected if \text{
    mistake made an $1 1.5 six no"""
PARTS = [*WORDS.split(), " ", "\n", "\t", "\\\\"]


@given(
    text=st.lists(st.sampled_from([part for part in PARTS if "box" not in part])).map(" ".join)
    | st.text(),
    number=st.integers(),
)
def test_one_box_at_the_end_is_the_answer(text: str, number: int) -> None:
    assert extract_answer(f"{text} so \\boxed{{{number}}}") == str(number)


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from(PARTS)).map("".join)
    | st.lists(st.sampled_from(PARTS)).map(" ".join)
    | st.text()
)
@example("\\boxed")
def test_no_text_breaks_it(text: str) -> None:
    for answer in (extract_answer(text), extract_answer(text, last_number=True), last_box(text)):
        assert answer is None or answer.strip() == answer != ""


FRAGMENTS = [
    "ab|answer |the answer is |answer to |answer to the x |answer: zz |#### |ans (|\\boxed{1} and ",
    "x=\\boxed{1},|\\boxed{}|answer is: + |wait |wait, it is 1 cm |made an |it should be |if |\n\n|  x",
    "$ |$1|$$|not \\boxed{1} |1,|-|is now |\\[2pt]|the answer is 5 not |six |correct option |final ",
    "answer\n|therefore x = |*answer*:\n|the |sorry, it is |. |, so |made a big |wait\nit is 5\n|\\(x",
    "<answer>5</answer>|solution: 5 m |check the answer: 5 |answer = answer ",
    "\\boxed{\\text{answer|answer of x x |\n |.\n|: | so |</s>|<s>|<ANSWER>|</answer> |<",
    "\\\\frac|\\\\boxed{1} |\\\\|\\n|答案: |答案是 |",
    "Antwort: 5 |Réponse : |답은 |ответ - |選 |，|。|（|【答案】",
    "- 1\n|1. 5\n|* |(1) 5; |x = 1\n|answer:\n- 1\n|(≈ |(about |is 5 is |the value is ",
    "\\text{ |5 when |, red",
    "5 is the answer |$5$ is the |$x$ is our |",
    "; 1|, pi|- sqrt|- a|is correct. The answer |\\% |a-|a_|\\text{and ",
]
REPEATED = [*PARTS, *filter(None, "|".join(FRAGMENTS).split("|")), "<|im_end|>"]


def repeating(part: str) -> Iterator[str]:
    """Responses that repeat the part in every place where reading continues."""
    many = part * (20_000 // len(part))
    # Answers are read in pieces of 4,000 characters at most.
    line = many[:3900]
    yield many
    yield f"\\boxed{{1}} {many}"
    yield f"\\boxed{{{many}}}"
    yield f"The answer is {many}"
    yield f"\\boxed{{1}}. Wait, it should be {many}"
    yield f"\\boxed{{1}}. I made a mistake, see{many}"
    yield f"\\boxed{{1}}. I made a mistake, see{many}x"
    yield "\\boxed{1} " + f"answer: + {line}x\n" * 8
    yield "\\boxed{1} " + "answer: zz " * 16 + many
    yield "The answer is 1. " + "The answer is correct. " * 50 + many
    yield f"The answer is:\n{many}"
    yield f"答案是{many}"
    yield f"The sum is {many[:200]}"
    yield "\\boxed{1} I made a mistake. " + f"So it is {line}x\n" * 8


@pytest.mark.no_cover
@pytest.mark.parametrize("part", REPEATED)
def test_time_is_linear(part: str) -> None:
    for text in repeating(part):
        # A slow machine takes 0.8 seconds for some; quadratic time would be many times as much.
        with processor_time(3):
            extract_answer(text, extract="last")
            last_box(text)


def test_a_phrase_at_the_very_end_leaves_the_answer_open() -> None:
    assert extract_answer("The answer is 2.\n\nIn other words, the correct answer is:") is None
    assert extract_answer(r"\boxed{2}. In other words, the correct answer is:") == "2"


@pytest.mark.parametrize(
    "sentence", ["there are ten left", "she has forty-five altogether", "two thirds of it"]
)
def test_a_number_in_words_ends_with_its_last_word(sentence: str) -> None:
    """For every Python version: some also take the space after a possessive repetition."""
    found = re.search(rf"\b{PATTERN}\b", sentence)
    assert found is not None
    assert found[0] == found[0].strip()


def test_names_in_a_sentence_are_kept_with_their_values() -> None:
    assert extract_answer(r"\boxed{The values are $y=4, x=3$.}") == "$y=4, x=3$"
    assert extract_answer(r"\boxed{\text{The root is } x=3}") == "x=3"
