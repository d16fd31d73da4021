"""What of a prompt template is filled in, and what stays as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.records import Problem
from pipeline.templates import Template
from verifiers import Target


def fill(text: str, prompt: str = "2 + 3?", **meta: object) -> str:
    return Template(text).fill(make(prompt, meta))


def make(prompt: str, meta: dict[str, object]) -> Problem:
    return Problem.create(prompt=prompt, target=Target(kind="math"), source="s", meta=meta)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{problem}", "2 + 3?"),
        ("Q{problem}{problem}", "Q2 + 3?2 + 3?"),
        ("On {subject}: {problem}", "On algebra: 2 + 3?"),
        ("**{subject}**,{level}\n{problem}", "**algebra**,3\n2 + 3?"),
        ("请解答{subject}题 {problem}", "请解答algebra题 2 + 3?"),
        ("{choices} {problem}", '["a", "b"] 2 + 3?'),
        ("{sure} {problem}", "true 2 + 3?"),
        ("{problem}{subject}{level}", "2 + 3?algebra3"),
        ("{subject}{problem}", "algebra2 + 3?"),
        ("{{{subject}}} \\boxed{{{level}}} {{{problem}}}", "{algebra} \\boxed{3} {2 + 3?}"),
    ],
)
def test_placeholders_are_filled_in(text: str, filled: str) -> None:
    assert fill(text, subject="algebra", level=3, choices=["a", "b"], sure=True) == filled


@pytest.mark.parametrize(
    "text",
    [
        r"\boxed{answer}",
        r"\frac{a}{b}",
        "x_{i} x^{n}",
        r"\sqrt2{a}",
        r"\{a\}",
        '{"answer": 5}',
        "{ subject }",
        "{}",
        "{1}",
        "{a b}",
        "{subject",
        "{a-b}",
    ],
)
def test_other_braces_stay(text: str) -> None:
    assert Template(text).columns == ()
    assert fill(text) == text


def test_doubled_braces_are_written_as_single_ones() -> None:
    template = "{{subject}} is {subject}; {{problem}} is {problem}"
    assert fill(template, subject="{x}") == "{subject} is {x}; {problem} is 2 + 3?"
    assert Template("{{problem}}").has_problem is False
    assert Template(template).columns == ("subject",)


def test_what_is_filled_in_is_not_read_again() -> None:
    assert fill("{problem} {a} {b}", prompt="{a}", a="{b} {{b}}", b="{problem}") == (
        "{a} {b} {{b}} {problem}"
    )


def test_a_column_of_the_name_problem_is_not_the_problem() -> None:
    assert fill("{problem}", problem="no") == "2 + 3?"
    assert Template("{problem}").columns == ()


def test_what_the_problem_lacks_is_named() -> None:
    empty: list[dict[str, object]] = [{}, {"subject": None}]
    for meta in empty:
        with pytest.raises(ValueError, match=r"has no 'subject' to put into it"):
            Template("{subject}: {problem}").fill(make("x", meta))


@given(st.text(), st.text())
def test_any_text_is_kept_around_any_problem(before: str, prompt: str) -> None:
    text = before.replace("{", "").replace("}", "")
    assert fill(f"{text}{{problem}}", prompt=prompt) == text + prompt


def test_names_that_stay_for_what_stands_before_them_are_known() -> None:
    template = Template(r"Question{hint} \frac{a}{b} {{c}}{d} {e}{problem}{f}")
    assert template.left == ("hint", "a", "b", "d")
    assert template.columns == ("e", "f")


NAMES = st.sampled_from(["{problem}", "{a}", "{b}", "{{a}}", "{{{b}}}", " ", "1", "}", "{"])


@given(st.lists(NAMES, max_size=8).map("".join), st.text("{}ab problem"), st.text("{}ab problem"))
def test_text_that_is_filled_in_is_never_interpreted(text: str, prompt: str, value: str) -> None:
    plain = fill(text, prompt="\0", a="\1", b="\2")
    expected = plain.replace("\0", prompt).replace("\1", value).replace("\2", value)
    assert fill(text, prompt=prompt, a=value, b=value) == expected
