"""Rules about a response's text."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.prune.quality import looped
from pipeline.records import Stage
from tests.unit.pipeline.prune.test_prune import decide, trajectory

PLAIN = "First add the two lengths. 3 + 4 = 7, so the path is 7 metres long. The answer is 7."


def stage(text: str, **options: object) -> Stage | None:
    return decide(trajectory(1, text), quality=options)[0].stage


def test_nothing_is_dropped_by_default() -> None:
    for text in ("7", "no no no " * 50, "the answer 是七", "and then,"):
        assert decide(trajectory(1, text))[0].stage is None


def test_an_answer_without_reasoning_is_dropped() -> None:
    assert stage("The answer is 7.", min_words=8) is Stage.NO_REASONING
    assert stage("3 + 4 = 7, 7 + 1 = 8, 8 + 2 = 10, 10 + 10 = 20", min_words=2) is Stage.NO_REASONING
    assert stage(PLAIN, min_words=8) is None


@pytest.mark.parametrize(
    ("text", "is_loop"),
    [
        (PLAIN, False),
        (PLAIN + " Wait, let me check that again." * 5, True),
        (PLAIN + " So we add one more and get the same number of apples as before," * 3, True),
        # Lines of a calculation are alike, but not the same.
        ("\n".join(f"After hour {hour} there are {3 * hour} cells left." for hour in range(40)), False),
        ("| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n" + PLAIN, False),
        ("ha " * 40, True),
        ("The sequence is 0, 0, 0, 1, 1, 1, so it goes on.", False),
    ],
)
def test_loops_are_passages_repeated_in_a_row(text: str, is_loop: bool) -> None:
    assert (stage(text, max_looped=0.2) is Stage.LOOPS) is is_loop


@given(st.integers(1, 60), st.integers(3, 8), st.integers(0, 200))
def test_the_fraction_is_that_of_the_repeated_words(period: int, repeats: int, others: int) -> None:
    draw = random.Random(period)
    words = [f"w{number}" for number in range(period)]
    prose = [f"p{draw.random()}".replace(".", "") for _ in range(others)]
    text = " ".join([*prose, *words * repeats])
    expected = repeats * period / (others + repeats * period)
    if (repeats - 1) * period >= 8:
        assert looped(text) == pytest.approx(expected)
    else:
        assert looped(text) == 0


def test_an_empty_text_has_no_loops() -> None:
    assert looped("") == 0


@pytest.mark.parametrize(
    ("text", "is_mixed"),
    [
        (PLAIN, False),
        (PLAIN + " 所以答案是七", True),
        (PLAIN + " поэтому ответ семь", True),
        ("Let \u03b1 be the angle, so π/2 - \u03b1 = β and x ∈ \u211d. The café is 5 µm wide.", False),
        ("\U0001d465 = \U0001d7d1, \u210e = 4 Å", False),
    ],
)
def test_letters_of_another_script_than_the_prompt(text: str, is_mixed: bool) -> None:
    assert (stage(text, max_foreign=0.01) is Stage.MIXED_LANGUAGES) is is_mixed


@pytest.mark.parametrize(
    ("text", "is_open"),
    [
        (PLAIN, False),
        ("The answer is 7", False),
        ("The answer is \\boxed{7}", False),
        ("so \\[x = 7\\]", False),
        ("the set is {1, 2}", False),
        ("it costs 5 $", False),
        ("```python\nprint(7)\n```", False),
        ("We add 3 and 4,", True),
        ("so x =", True),
        ("The steps are:", True),
        ("```python\nprint(7)\n", True),
        ("so \\[x = 7", True),
        ("$$x = 7", True),
        ("<think>we add", True),
        ("<think>we add</think> The answer is 7", False),
    ],
)
def test_an_open_end(text: str, is_open: bool) -> None:
    assert (stage(text, finished=True) is Stage.NO_END) is is_open


def test_every_rule_gives_its_reason() -> None:
    options = {"min_words": 3, "max_looped": 0.1, "max_foreign": 0.0, "finished": True}
    texts = ["7", "again and again " * 9, PLAIN + " 七", "and so x ="]
    decisions = decide(*(trajectory(n, text) for n, text in enumerate(texts, 1)), quality=options)
    assert [decision.reason for decision in decisions] == [
        "0 words, under 3",
        "100% of its words are in loops",
        "1.9% of its letters are of another script, such as 七",
        "ends with =",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "The answer is **42**",
        "**Answer: 42**",
        "*5*",
        "Done.\n\n---",
        "Done.\n***\n",
        "$$\\begin{aligned} a \\\\[4pt] b \\end{aligned}$$ So the answer is 5.",
        "I use C++",
        "the price is $$5 in total.",
        "```\nx = [1,\n```",
        "see `f(x) =` above",
    ],
)
def test_finished_answers_stay(text: str) -> None:
    assert stage(text, finished=True) is None


def test_scripts_without_spaces_have_words() -> None:
    solution = "我们先把两段长度相加。三加四等于七。所以这条路长七米。答案是七。"
    assert stage(solution, min_words=20) is None
    assert stage("七", min_words=2) is Stage.NO_REASONING
    assert looped("我们需要计算" * 50) == 1.0
    assert looped(solution) == 0


def test_one_very_long_word_takes_little_memory() -> None:
    assert looped(" ".join(["word"] * 5000 + ["x" * 200_000])) > 0.9
