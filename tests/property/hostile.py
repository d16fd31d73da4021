"""Random hostile answers, and random pairs of answers that are equal or different by construction."""

import random
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.math_pairs import PAIRS

_UNRELATED = "8675309"


@dataclass(frozen=True, slots=True)
class Input:
    """Two answers, and their relation."""

    family: str
    one: str
    other: str
    equal: bool | None
    """Whether they are equal, by construction; None if unknown."""


def box(answer: str) -> str:
    return rf"So we get \boxed{{{answer}}}."


# ----------------------------------------------------------------------------------------- families


def tower(draw: random.Random) -> str:
    height = draw.randint(2, 30)
    return "^{".join(str(draw.randint(2, 99)) for _ in range(height)) + "}" * (height - 1)


def factorial(draw: random.Random) -> str:
    number = str(draw.randint(10, 10 ** draw.randint(1, 30)))
    return draw.choice(
        [
            number + "!" * draw.randint(1, 60),
            f"({number}!)!",
            rf"\frac{{{number}!}}{{7}}",
            f"{number}!^{number}",
        ]
    )


def digits(draw: random.Random) -> str:
    length = int(10 ** draw.uniform(1, 6 if draw.random() < 0.02 else 4))
    number = draw.choice("123456789") + "".join(draw.choices(string.digits, k=100)) * (length // 100)
    sign, point, tail = (
        draw.choice(["", "-", "+"]),
        draw.choice(["", ".", "0."]),
        draw.choice(["", "e9", "7"]),
    )
    return f"{sign}{point}{number}{tail}"


def nested(draw: random.Random) -> str:
    depth = int(10 ** draw.uniform(1, 5 if draw.random() < 0.05 else 3))
    left, right = draw.choice(
        [
            ("(", ")"),
            ("{", "}"),
            (r"\left(", r"\right)"),
            (r"\frac{1}{1+", "}"),
            (r"\sqrt{", "}"),
            ("|", "|"),
            ("-", ""),
            (r"\sin(", ")"),
            ("2^{", "}"),
            (r"\text{", "}"),
            ("[", "]"),
            (r"\{", r"\}"),
            (r"\boxed{", "}"),
            (r"\lfloor ", r"\rfloor "),
        ]
    )
    return left * depth + "3" + right * depth


_ODD = (
    "\x00\x01\x07\x08\x0b\x0c\x1b\x7f\x85\xad\u200b\u200f\u202e\u2028\u2066\ufeff\ufffd"
    "\ud800\udfff\U000e0001"
)


def control_characters(draw: random.Random) -> str:
    marks = list(map(chr, range(0x300, 0x340)))
    return "".join(
        draw.choice([*_ODD, draw.choice(marks), "3", "x", "+"]) for _ in range(draw.randint(1, 80))
    )


def large(draw: random.Random) -> str:
    n = 10 ** draw.randint(2, 12)
    few = draw.randint(20, 400)
    return draw.choice(
        [
            rf"\sum_{{k=1}}^{{{n}}} \frac{{1}}{{k^2+{few}}}",
            rf"\prod_{{k=1}}^{{{n}}} k",
            rf"\sum_{{i=1}}^{{{n}}}\sum_{{j=1}}^{{{n}}} ij",
            rf"\binom{{{n}}}{{{n // 2}}}",
            rf"\int_0^{{{n}}} e^{{x^{{{few}}}}} \sin(x^x) dx",
            rf"\lim_{{x\to\infty}} (1+\frac{{1}}{{x}})^{{x^{{{few}}}}}",
            r"\begin{pmatrix}" + r"\\".join(["&".join("1" * few)] * min(few, 90)) + r"\end{pmatrix}",
            r"\{" + ",".join(map(str, range(few * 20))) + r"\}",
            ",".join(rf"{k}\pm{k}" for k in range(1, few)),
            "+".join(rf"\sqrt{{{k}}}" for k in range(2, few)),
            rf"(x+y+z+1)^{{{few * 10}}}",
            r"\cup".join(f"({k},{k + 1}]" for k in range(few)),
            rf"\sin({n}^{{{few}}})",
            rf"\sqrt[{n}]{{{n}}}",
            f"10^{{-{n}}}",
            f"1e{n}",
            rf"\log_{{{n}}}(2^{{{n}}})",
            rf"{n}\bmod {few}^{{{n}}}",
            rf"\gcd({n}!, {few}!)",
        ]
    )


COMMANDS = (
    r"\frac \sqrt \text \left( \right) \{ \} \begin{matrix} \end{matrix} { } ^ _ & \\ $ \( \) \boxed{ "
    r"\pm \infty \pi \cdot \int \sum_{k=1} \overline \over \choose \mathbb{R} \cup \in \circ \% \, ! "
    "| 1 2 x y . , = <"
).split(" ")


def broken(draw: random.Random) -> str:
    return "".join(draw.choices(COMMANDS, k=draw.randint(1, 60)))


def mutated(draw: random.Random) -> tuple[str, str]:
    """A real gold answer, and variants of it with a few slips."""
    gold = draw.choice(_REAL)
    text = list(gold)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(text) + 1)
        slip = draw.random()
        if slip < 0.4 and text:
            del text[min(at, len(text) - 1)]
        elif slip < 0.7:
            text.insert(at, draw.choice(string.printable[:95]))
        elif text:
            text.insert(at, draw.choice(text))
    return gold, "".join(text)


_REAL = sorted({pair.gold for pairs in PAIRS.values() for pair in pairs})


def formula(draw: random.Random, depth: int = 4) -> str:
    """A formula with a value; its grammar is that taught at school."""
    if depth == 0 or draw.random() < 0.15:
        return draw.choice(["x", "y", r"\pi", "e", "a", *map(str, range(1, 30))])

    def part() -> str:
        return formula(draw, depth - 1)

    forms: list[Callable[[], str]] = [
        lambda: f"{part()}+{part()}",
        lambda: f"({part()})-({part()})",
        lambda: rf"({part()})\cdot({part()})",
        lambda: rf"\frac{{{part()}}}{{{part()}}}",
        lambda: f"({part()})^{{{draw.randint(2, 5)}}}",
        lambda: rf"\sqrt{{{part()}}}",
        lambda: rf"\left|{part()}\right|",
        lambda: rf"\sin({part()})",
        lambda: rf"\ln({part()})",
        lambda: f"-({part()})",
        lambda: f"{draw.randint(2, 9)}({part()})",
    ]
    return draw.choice(forms)()


REWRITINGS = (
    "({0})",
    r"1\cdot({0})",
    "({0})+0",
    "0+({0})",
    r"\frac{{2({0})}}{{2}}",
    "({0})+({1})-({1})",
    "({1})-({1})+({0})",
    "-(-({0}))",
    r"\left( {0} \right)",
    r"\,{0}\;",
    "$ {0} $",
)
"""Ways to write formula 0 with any formula 1 that keep its value wherever both have one."""
CHANGES = ("({0})+1", "({0})-2", "1+({0})", "({0})+\\frac{{1}}{{1000}}")


def made_of_formulas(draw: random.Random) -> Input:
    one, simple = formula(draw), draw.choice(["x", "3", r"\pi", "y^2", "(a+b)"])
    if draw.random() < 0.5:
        return Input("formula rewritten", one, draw.choice(REWRITINGS).format(one, simple), True)
    return Input("formula changed", one, draw.choice(CHANGES).format(one), False)


def injected(draw: random.Random, marker: Path) -> str:
    command = f"touch {marker}"
    python = draw.choice(
        [
            f"__import__('os').system('{command}')",
            f'__import__("os").popen("{command}").read()',
            f"open('{marker}','w')",
            f"exec(\"open('{marker}','w')\")",
            "[c for c in ().__class__.__base__.__subclasses__() if c.__name__=='Popen']"
            f"[0]('{command}',shell=1)",
            f"(lambda: __import__('pathlib').Path('{marker}').touch())()",
            f"sympify(\"__import__('os').system('{command}')\")",
            f"Symbol('x').subs(0, __import__('os').system('{command}'))",
            f"eval(compile(\"open('{marker}','w')\",'','exec'))",
        ]
    )
    form = draw.choice(
        [
            "@",
            r"\text{@}",
            r"\mathrm{@}",
            r"\operatorname{@}",
            "1+@",
            r"\frac{@}{2}",
            r"\int @ dx",
            r"\sum_{k=1}^{@} k",
            "x_{@}",
            "'@'",
            '"+@+"',
            r"\begin{@}\end{@}",
            rf"\write18{{{command}}}",
            rf"\input{{|{command}}}",
            "${@}$",
            "f'{@}'",
            "{{@}}",
        ]
    )
    return form.replace("@", python)


SINGLE: dict[str, Callable[[random.Random], str]] = {
    "tower": tower,
    "factorial": factorial,
    "digits": digits,
    "nested": nested,
    "control characters": control_characters,
    "large": large,
    "broken": broken,
}


def make_inputs(count: int, marker: Path) -> Iterator[Input]:
    draw = random.Random(1)
    families = [*SINGLE, "injected", "mutated", "mutated", "formulas", "formulas", "formulas"]
    for number in range(count):
        family = families[number % len(families)]
        if family == "formulas":
            yield made_of_formulas(draw)
        elif family == "mutated":
            yield Input(family, *mutated(draw), None)
        else:
            text = injected(draw, marker) if family == "injected" else SINGLE[family](draw)
            yield related(draw, family, text)


def related(draw: random.Random, family: str, text: str) -> Input:
    """The text with another number, with itself and one more, or with a second one of its family."""
    way = draw.random()
    if way < 0.4:
        return Input(family, text, _UNRELATED, False)
    if way < 0.7 and family in ("tower", "factorial"):
        return Input(family, text, f"({text})+1", False)
    if way < 0.8 and family in SINGLE:
        return Input(family, text, SINGLE[family](draw), None)
    return Input(family, text, text + " ", True)
