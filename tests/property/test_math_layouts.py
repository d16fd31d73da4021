"""Every gold answer passes in another layout, and fails to pass with another digit, sign or letter."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.math_pairs.kinds import SAME
from verifiers import Outcome
from verifiers.formulas.comparison import Context
from verifiers.formulas.decide import Question
from verifiers.formulas.layout import same_signs
from verifiers.math import judge_pair

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


def _with_space(space: str) -> Callable[[str], str]:
    return lambda gold: re.sub(r"(?<![_^{(\\])[+=]", lambda m: f"{space}{m[0]}{space} ", gold)


_LAYOUTS: dict[str, Callable[[str], str]] = {
    "dollars": lambda gold: f"${gold}$",
    "display": lambda gold: rf"\[ \displaystyle {gold} \]",
    "wide fractions": lambda gold: gold.replace(r"\frac", r"\dfrac"),
    "small fractions": lambda gold: gold.replace(r"\frac", r"\tfrac"),
    "brackets that grow": lambda gold: re.sub(
        r"(?<!\\left)(?<!\\right)([()])",
        lambda m: {"(": r"\left( ", ")": r" \right)"}[m[1]],
        gold.replace(r"\left", "").replace(r"\right)", ")"),
    ),
    "spaces": _with_space(" "),
    "thin spaces": _with_space(r"\,"),
    "negative spaces": _with_space(r"\!"),
    "doubled backslashes": lambda gold: gold.replace("\\", "\\\\"),
    "short scripts": lambda gold: re.sub(r"([_^])\{([0-9a-z])\}", r"\1\2 ", gold),
    "another style": lambda gold: gold.replace(r"\text{", r"\mathrm{").replace(
        r"\mathrm{~", r"\text{ "
    ),
    "a full stop": lambda gold: f"{gold}.",
    "braces around all": lambda gold: f"{{{gold}}}",
}


@given(st.sampled_from(_GOLDS), st.lists(st.sampled_from(sorted(_LAYOUTS)), min_size=1, max_size=3))
def test_layouts_do_not_count(gold: str, layouts: list[str]) -> None:
    written = gold
    for layout in layouts:
        written = _LAYOUTS[layout](written) if written.count("\\\\") == 0 else written
    assert judge_pair(Question(gold, written, Context()))[0] is Outcome.PASS


def _changes(gold: str) -> list[str]:
    """The gold answer with one digit, sign or letter changed."""
    spots = re.finditer(r"\d|[-+]|(?<![a-zA-Z\\{])[a-zA-Z](?![a-zA-Z])", gold)
    other = str.maketrans("0123456789+-", "1234567890-+")
    return [
        gold[: m.start()]
        + (m[0].translate(other) if not m[0].isalpha() else chr(ord(m[0]) ^ 3))
        + gold[m.end() :]
        for m in spots
    ]


@pytest.mark.parametrize("gold", _GOLDS)
def test_changed_signs_count(gold: str) -> None:
    for changed in _changes(gold):
        assert not same_signs(gold, changed), changed
        if r"\text" not in gold:
            assert judge_pair(Question(gold, changed, Context()))[0] is not Outcome.PASS, changed


@given(st.sampled_from([gold for pairs in SAME.values() for gold, _ in pairs]))
def test_every_gold_is_itself(gold: str) -> None:
    assert judge_pair(Question(gold, f" {gold} ", Context()))[0] is Outcome.PASS


@given(st.text(alphabet=st.sampled_from("\\{}$^_ab12 +,.|()[]&~'-") | st.characters(), max_size=60))
def test_any_text_has_signs(text: str) -> None:
    """It ends for any text, and says the same of it twice."""
    assert same_signs(text, text) == same_signs(text, f" {text} ")
