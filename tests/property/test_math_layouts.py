"""Every gold answer passes in another layout, and does not pass with another digit, sign or letter."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.answer_sets import changes, layouts
from tests.math_pairs.same_kinds import SAME
from verifiers import Outcome
from verifiers.math.comparing.comparison import Context
from verifiers.math.decide import Question
from verifiers.math.reading.layout import same_signs
from verifiers.math.verifier import judge_pair

_GOLDS = (
    r"\frac{1}{2}",
    r"\sum_{n=0}^{\infty} \frac{(-1)^{n}}{n+1} x^{n}",
    r"f(x)=2 x+\frac{3}{4}",
    r"\left[\frac{1}{3}, \infty\right)",
    r"x_{1}+x_{2}=12",
    r"\hat{\mu}^{3}=32.768 \mathrm{~cm}^{3}",
    r"y=c_{1} e^{2 t}+c_{2} e^{-t}",
    r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}",
    r"\int_{0}^{\pi} \sin (x) d x",
    r"\text{Saturday}",
    r"n \equiv 3 \pmod{7}",
    r"\{x \mid x>3\}",
    r"-2<x \leq 5",
    r"\sqrt[3]{2}+\sqrt{5}",
    r"A \perp B",
    r"I(0) e^{-\frac{t}{R C}}",
    r"90^{\circ}",
    r"\binom{n}{3}",
    r"\lim _{t \rightarrow \infty} V(t)=\frac{a}{b}",
    r"\ln |x+4|+C",
)


@given(st.sampled_from(_GOLDS), st.data())
def test_layouts_do_not_count(gold: str, data: st.DataObject) -> None:
    written = gold
    for _ in range(data.draw(st.integers(1, 3), label="layouts")):
        if r"\\" not in written and (others := layouts(written)):
            written = data.draw(st.sampled_from(others), label="layout")
    assert judge_pair(Question(gold, written, Context()))[0] is Outcome.PASS


@pytest.mark.parametrize("gold", [gold for gold in _GOLDS if re.search(r"\d|[-+]|\\frac", gold)])
def test_changed_signs_count(gold: str) -> None:
    assert changes(gold)
    for changed in changes(gold):
        assert not same_signs(gold, changed), changed
        assert judge_pair(Question(gold, changed, Context()))[0] is not Outcome.PASS, changed


@given(st.sampled_from([gold for pairs in SAME.values() for gold, _ in pairs]))
def test_every_gold_is_itself(gold: str) -> None:
    assert judge_pair(Question(gold, f" {gold} ", Context()))[0] is Outcome.PASS


@given(st.text(alphabet=st.sampled_from("\\{}$^_ab12 +,.|()[]&~'-") | st.characters(), max_size=60))
def test_any_text_has_signs(text: str) -> None:
    """It ends for any text, and returns the same result twice."""
    assert same_signs(text, text) == same_signs(text, f" {text} ")
