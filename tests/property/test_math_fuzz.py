"""Hostile answers: whatever a model writes, the verifier gives a verdict, in time, and no false pass.

Every input is the gold answer once and the answer once. Inputs come from families, each with its own
way to do harm; BERRY_FUZZ_INPUTS says how many there are in all. Where a pair differs by construction
a pass is a fault, and where it is equal by construction a failure is.
"""

import asyncio
import os
import random
import re
import string
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.math_pairs import PAIRS
from verifiers import Outcome, Target, Verdict
from verifiers.answers import extract_answer
from verifiers.math import MathVerifier

_INPUTS = int(os.environ.get("BERRY_FUZZ_INPUTS", "500"))
_LIMIT_SECONDS = 1.0
_MOST_SECONDS = 2 * _LIMIT_SECONDS + 2
"""Of one comparison by itself: it fails twice, the second time in a fresh process."""
_MEMORY_MB = 512
_MOST_GROWTH_MB = 50
_MOST_CHILD_MB = _MEMORY_MB + 400
"""With what a checking process has imported."""
_CHUNK = 250
_UNRELATED = "8675309"
_SHOWN = 25


@dataclass(frozen=True, slots=True)
class Input:
    """Two answers, and how they relate."""

    family: str
    one: str
    other: str
    equal: bool | None
    """By construction; None: not known."""


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
    """A real gold answer, and what becomes of it by a few slips."""
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
    """A formula that has a value; its grammar is that of school."""
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
"""Ways to write formula 0 with any formula 1, its value unchanged wherever both have one."""
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
    """The text with another number, with itself and one more, or with a second of its family."""
    way = draw.random()
    if way < 0.4:
        return Input(family, text, _UNRELATED, False)
    if way < 0.7 and family in ("tower", "factorial"):
        return Input(family, text, f"({text})+1", False)
    if way < 0.8 and family in SINGLE:
        return Input(family, text, SINGLE[family](draw), None)
    return Input(family, text, text + " ", True)


# --------------------------------------------------------------------------------------- judgements


_OVER = re.compile("longer than|more than|died")
_BROKE = "comparison broke"
"""In the reasons of verdicts: over a limit, which is said of hostile input; and a fault of ours."""


@dataclass(frozen=True, slots=True)
class Judged:
    """An input with its verdicts: `one` as the gold answer, and `other` as the gold answer."""

    input: Input
    forth: Verdict
    back: Verdict

    def fault(self) -> str | None:
        outcomes = {self.forth.outcome, self.back.outcome}
        if self.input.equal is False and Outcome.PASS in outcomes:
            return "a false pass"
        if self.input.equal and Outcome.FAIL in outcomes and _arrives_whole(self.input):
            return "a false failure"
        if outcomes == {Outcome.PASS, Outcome.FAIL} and _has_no_direction(self.input):
            return "a pass one way and a failure the other way"
        if _BROKE in f"{self.forth.reason} {self.back.reason}":
            return "the comparison broke"
        return None

    def over_limit(self) -> bool:
        return any(
            verdict.outcome is Outcome.ERROR and _OVER.search(verdict.reason)
            for verdict in (self.forth, self.back)
        )

    def __str__(self) -> str:
        shown = f"{self.input.family}: {self.input.one[:150]!r} and {self.input.other[:150]!r}"
        verdicts = [f"{v.outcome.value} ({v.reason})" for v in (self.forth, self.back)]
        return f"{shown}: {', '.join(verdicts)}"


def _arrives_whole(judged: Input) -> bool:
    """Whether a box holds these texts: braces that do not balance end it elsewhere."""
    return all(extract_answer(box(text)) == text.strip() for text in (judged.one, judged.other))


_DIRECTED = re.compile(r"[.%°$]|\\circ|\\text|\\mathrm|[A-Za-z]{3,}|\be\d", re.ASCII)
"""Decimals may round one way, and units, prose and choices are read from the answer only."""


def _has_no_direction(judged: Input) -> bool:
    texts = [
        re.sub(r"\\(?:frac|sqrt|pi|pm|cdot|sin|ln|left|right)\b", "", t)
        for t in (judged.one, judged.other)
    ]
    return not any(map(_DIRECTED.search, texts)) and _arrives_whole(judged)


async def judge(verifier: MathVerifier, inputs: list[Input]) -> list[Judged]:
    async def both(one: Input) -> Judged:
        forth, back = await asyncio.gather(
            verifier.verify("", box(one.other), Target(kind="math", value=one.one)),
            verifier.verify("", box(one.one), Target(kind="math", value=one.other)),
        )
        return Judged(one, forth, back)

    return await asyncio.gather(*map(both, inputs))


def make_verifier() -> MathVerifier:
    config = MathVerifier.Config(workers=2, timeout_seconds=_LIMIT_SECONDS, memory_mb=_MEMORY_MB)
    return MathVerifier(config)


class MemoryWatch(threading.Thread):
    """The peak resident size of this process's new descendants, each by itself.

    Those that are there before, such as the engine of other tests, are left out.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._before = {child.pid for child in psutil.Process().children(recursive=True)}
        self._stopped = threading.Event()
        self.peak_mb = 0.0

    def run(self) -> None:
        while not self._stopped.wait(0.05):
            for child in psutil.Process().children(recursive=True):
                if child.pid in self._before:
                    continue
                try:
                    self.peak_mb = max(self.peak_mb, child.memory_info().rss / 2**20)
                except psutil.NoSuchProcess:
                    continue

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def resident_mb() -> float:
    return psutil.Process().memory_info().rss / 2**20


# -------------------------------------------------------------------------------------------- tests


@pytest.mark.timeout(300 + _INPUTS)
async def test_every_hostile_input_gets_a_verdict(tmp_path: Path) -> None:
    marker = tmp_path / "code-ran"
    verifier, watch = make_verifier(), MemoryWatch()
    await verifier.start()
    await judge(verifier, list(make_inputs(100, marker)))
    watch.start()
    found = await judge_all(verifier, make_inputs(_INPUTS, marker))
    watch.stop()
    worst = max([await seconds_alone(verifier, one) for one in found.over_limit[:5]], default=0.0)
    await verifier.close()
    print(
        f"{_INPUTS} inputs in {found.seconds:.0f} s: {dict(found.outcomes)}, {len(found.over_limit)} "
        f"over a limit, the slowest alone {worst:.1f} s, growth {found.growth_mb:.0f} MB, "
        f"children up to {watch.peak_mb:.0f} MB"
    )
    faults = found.faults
    assert not faults, f"{len(faults)}:\n" + "\n".join(faults[:_SHOWN])
    assert not marker.exists(), "code in an answer was run"
    assert worst < _MOST_SECONDS
    assert found.growth_mb < _MOST_GROWTH_MB
    assert watch.peak_mb < _MOST_CHILD_MB


@dataclass(slots=True)
class Found:
    """What came out, of all inputs."""

    faults: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    over_limit: list[Input] = field(default_factory=list)
    seconds: float = 0.0
    growth_mb: float = 0.0


async def judge_all(verifier: MathVerifier, inputs: Iterator[Input]) -> Found:
    """Judges them in chunks, the first of which again in the end."""
    found, first = Found(), list[Judged]()
    start, before = time.perf_counter(), resident_mb()
    while chunk := list(islice(inputs, _CHUNK)):
        judged = await judge(verifier, chunk)
        found.faults += [f"{fault}: {one}" for one in judged if (fault := one.fault())]
        found.outcomes.update(v.outcome.value for one in judged for v in (one.forth, one.back))
        found.over_limit += [one.input for one in judged if one.over_limit()]
        first = first or judged
    found.growth_mb, found.seconds = resident_mb() - before, time.perf_counter() - start
    first.reverse()
    again = await judge(verifier, [one.input for one in first])
    pairs = zip(first, again, strict=True)
    found.faults += [f"not the same again: {a} {b}" for a, b in pairs if changed(a, b)]
    return found


async def seconds_alone(verifier: MathVerifier, one: Input) -> float:
    verdict = await verifier.verify("", box(one.other), Target(kind="math", value=one.one))
    return verdict.seconds


def changed(one: Judged, again: Judged) -> bool:
    """Whether an outcome differs; a comparison near its time limit may end either way."""
    same = [one.forth.outcome, one.back.outcome] == [again.forth.outcome, again.back.outcome]
    return not same and not one.over_limit() and not again.over_limit()


async def test_large_answers_are_not_kept() -> None:
    verifier = make_verifier()
    before = resident_mb()
    for number in range(10, 110):
        gold = str(number) * 500_000
        verdict = await verifier.verify("", box(gold), Target(kind="math", value=gold))
        assert verdict.outcome is Outcome.PASS
    await verifier.close()
    assert resident_mb() - before < _MOST_GROWTH_MB


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def verifier(runner: asyncio.Runner) -> Iterator[MathVerifier]:
    verifier = make_verifier()
    runner.run(verifier.start())
    yield verifier
    runner.run(verifier.close())


ATOMS = st.sampled_from(["x", "y", r"\pi", "e", "t"]) | st.integers(1, 99).map(str)
FORMULAS = st.recursive(
    ATOMS,
    lambda part: st.one_of(
        st.tuples(part, part).map(lambda two: f"({two[0]})+({two[1]})"),
        st.tuples(part, part).map(lambda two: f"({two[0]})-({two[1]})"),
        st.tuples(part, part).map(lambda two: rf"({two[0]})\cdot({two[1]})"),
        st.tuples(part, part).map(lambda two: rf"\frac{{{two[0]}}}{{{two[1]}}}"),
        part.map(lambda one: rf"\sqrt{{{one}}}"),
        part.map(lambda one: rf"\left|{one}\right|"),
        part.map(lambda one: rf"\cos({one})"),
        st.tuples(part, st.integers(2, 5)).map(lambda two: f"({two[0]})^{{{two[1]}}}"),
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(one=FORMULAS, rewriting=st.sampled_from(REWRITINGS), change=st.sampled_from(CHANGES))
def test_formulas_are_told_apart(
    runner: asyncio.Runner, verifier: MathVerifier, one: str, rewriting: str, change: str
) -> None:
    inputs = [
        Input("rewritten", one, rewriting.format(one, "x"), True),
        Input("changed", one, change.format(one), False),
    ]
    faults = [
        f"{judged.fault()}: {judged}"
        for judged in runner.run(judge(verifier, inputs))
        if judged.fault()
    ]
    assert faults == []


@settings(max_examples=300, deadline=None)
@given(prompt=st.text(), response=st.text(), gold=st.text())
def test_any_text_gets_a_verdict(
    runner: asyncio.Runner, verifier: MathVerifier, prompt: str, response: str, gold: str
) -> None:
    for answer in (response, box(response), f"The answer is {response}"):
        verdict = runner.run(verifier.verify(prompt, answer, Target(kind="math", value=gold)))
        assert verdict.outcome in Outcome
        if verdict.outcome is Outcome.PASS:
            assert verdict.extracted
