"""Hostile answers: for any text of a model, the verifier gives a verdict, in time, and no false pass.

Every input is once the gold answer and once the answer. Inputs come from families, each harmful in its
own way; BERRY_FUZZ_INPUTS sets their number. If a pair differs by construction a pass is a fault, and
if it is equal by construction a failure is.
"""

import asyncio
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.hostile import CHANGES, REWRITINGS, Input, box, make_inputs
from verifiers import Outcome, Target, Verdict
from verifiers.answers import extract_answer
from verifiers.math.verifier import MathVerifier

pytestmark = pytest.mark.no_cover
_INPUTS = int(os.environ.get("BERRY_FUZZ_INPUTS", "500"))
_LIMIT_SECONDS = 1.0
_MOST_SECONDS = 2 * _LIMIT_SECONDS + 2
"""Time limit of a single comparison; it fails twice, the second time in a fresh process."""
_MEMORY_MB = 512
_MOST_GROWTH_MB = 50
_MOST_CHILD_MB = _MEMORY_MB + 400
"""Includes everything that a checking process has imported."""
_CHUNK = 250
_SHOWN = 25


_OVER = re.compile("longer than|more than|died")
_BROKE = "comparison broke"
"""Parts of reasons: exceeded limits, which hostile input causes, and internal faults."""


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
    """Whether a box holds these texts: unbalanced braces end it elsewhere."""
    return all(extract_answer(box(text)) == text.strip() for text in (judged.one, judged.other))


_DIRECTED = re.compile(r"[.%°$]|\\circ|\\text|\\mathrm|[A-Za-z]{3,}|\be\d", re.ASCII)
"""Decimals may round only one way, and units, prose and choices are read only from the answer."""


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
    config = MathVerifier.Config(
        check_processes=2, timeout_seconds=_LIMIT_SECONDS, memory_mb=_MEMORY_MB
    )
    return MathVerifier(config)


class MemoryWatch(threading.Thread):
    """The peak resident size of each of this process's new descendants.

    Existing ones, such as the engine of other tests, are left out.
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


@pytest.mark.timeout(900 + _INPUTS)
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
    """The results of all inputs."""

    faults: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    over_limit: list[Input] = field(default_factory=list)
    seconds: float = 0.0
    growth_mb: float = 0.0


async def judge_all(verifier: MathVerifier, inputs: Iterator[Input]) -> Found:
    """Judges them in chunks; the first chunk is judged again at the end."""
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
    assert verdict.seconds is not None
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


@settings(max_examples=150)
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


@settings(max_examples=300)
@given(prompt=st.text(), response=st.text(), gold=st.text())
def test_any_text_gets_a_verdict(
    runner: asyncio.Runner, verifier: MathVerifier, prompt: str, response: str, gold: str
) -> None:
    for answer in (response, box(response), f"The answer is {response}"):
        verdict = runner.run(verifier.verify(prompt, answer, Target(kind="math", value=gold)))
        assert verdict.outcome in Outcome
        if verdict.outcome is Outcome.PASS:
            assert verdict.extracted
