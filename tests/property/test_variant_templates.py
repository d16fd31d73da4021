"""Templates of generated word problems: the original comes back, and variants say what they compute."""

from fractions import Fraction
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from pipeline.problems.variants.calculations import Unreadable, read_calculations
from pipeline.problems.variants.drawing import draw, fits
from pipeline.problems.variants.mentions import find_mentions
from pipeline.problems.variants.template import NoTemplate, Template, make_template

numbers = st.integers(2, 400)


@given(numbers, numbers, numbers, st.integers(0, 2**32))
def test_a_variant_computes_what_its_own_text_says(a: int, b: int, c: int, seed: int) -> None:
    text = f"Ann has {a} clips. She gets {b} pins and {c} nails. How many things has she?"
    worked = f"<<{a}+{b}={a + b}>> <<{a + b}+{c}={a + b + c}>>"
    template = make_template(text, worked, str(a + b + c))
    if isinstance(template, NoTemplate):
        assert len({a, b, c, a + b}) < 4 or a + b in (a, b, c)
        return

    assert template.fill(template.values) == text
    assert template.answer(template.values) == a + b + c
    values = draw(template, Random(seed))
    assert values is not None
    said = [one.value for one in find_mentions(template.fill(values))]
    assert template.answer(values) == sum(said)
    assert fits(template, values)


@given(st.integers(2, 60), st.integers(2, 12), st.integers(0, 2**32))
def test_divisions_stay_exact(parts: int, size: int, seed: int) -> None:
    text = f"{parts * size} eggs are put into boxes of {size} eggs. How many boxes are full?"
    template = make_template(text, f"<<{parts * size}/{size}={parts}>>", str(parts))
    if isinstance(template, Template) and (values := draw(template, Random(seed))) is not None:
        said = [one.value for one in find_mentions(template.fill(values))]
        assert template.answer(values) == said[0] / said[1]
        assert template.answer(values).denominator == 1


@given(st.text(alphabet="0123456789 .,$%()+-*/=<>x\n", max_size=60))
def test_any_solution_is_read_or_refused(worked: str) -> None:
    try:
        found = read_calculations(worked)
    except Unreadable:
        return
    assert all(isinstance(one.result, Fraction) for one in found)


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=10))
def test_any_problem_has_a_template_or_a_reason(text: str, worked: str, gold: str) -> None:
    assert isinstance(make_template(text, worked, gold), Template | NoTemplate)
