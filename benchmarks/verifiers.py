"""The math verifier against math-verify alone: checks a second on one core, and who is right.

Both get the same pairs in the same order and take turns in rounds; ratios are taken within a round,
and no pair comes up twice, since both remember what they have parsed. berry is called as users call
it, with all responses of a round at once, and its checking process has the same core. math-verify is
called in this process as its page says, without its time limits, which cost it a signal handler for
every call. Pairs that it cannot do within a limit are left out of the speeds. It all runs in a process
of its own.
"""

import asyncio
import importlib
import json
import logging
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import Measured, spread
from tests.math_pairs import PAIRS, Pair
from verifiers import Outcome, Target
from verifiers.isolation.workers import CheckFailed, ProcessWorkers
from verifiers.math.verifier import MathVerifier

_ROUNDS = 10
_WORD_PROBLEMS_IN_ROUND = 500
_GOALS = {"word problems": 20.0, "LaTeX": 1.0}
_LIMIT_SECONDS = 5.0
_FAST_SECONDS = 1.0
"""Pairs that take math-verify longer than this are left out of the speeds."""
_OURS, _THEIRS = "berry", "math-verify"
_TEXT = """## The math verifier
Checks/s on one core of {rounds} rounds, each of {sizes}; no pair comes
twice. The word problems are generated: GSM8K-like solutions with the answers in a box, behind `####` or
a phrase, a third of them wrong. The LaTeX is that of tests/math_pairs, without the {skipped} pairs that
take math-verify longer than {limit:g} s. math-verify has no time limits here, runs in the calling
process, and gets gold answers that are no plain integers in `$`.

Right and wrong verdicts are of the {total} pairs of tests/math_pairs that are equal or not. They were
collected for berry, by its rules. "No verdict": an abstention, a time limit or a crash.

| verifier | right | false passes | false failures | no verdict |
|---|---|---|---|---|
{lines}"""
Check = tuple[str, str]
"""Gold answer and response."""


def against_math_verify() -> tuple[list[Measured], str]:
    """Rows with the goals, and the section with the verdicts."""
    measured = _in_own_process()
    rows = [_speed_row(name, rates, _GOALS[name]) for name, rates in measured["rates"].items()]
    rows.append(_verdicts_row(measured["verdicts"]))
    kinds = ("right", "false pass", "false failure", "no verdict")
    lines = [
        f"| {' | '.join([name, *(str(counts.get(kind, 0)) for kind in kinds)])} |"
        for name, counts in measured["verdicts"].items()
    ]
    facts = {"sizes": measured["sizes"], "skipped": measured["skipped"], "lines": "\n".join(lines)}
    total = sum(measured["verdicts"][_OURS].values())
    return rows, _TEXT.format(rounds=_ROUNDS, limit=_FAST_SECONDS, total=total, **facts)


def _speed_row(name: str, rates: dict[str, list[float]], goal: float) -> Measured:
    ratios = [ours / theirs for ours, theirs in zip(rates[_OURS], rates[_THEIRS], strict=True)]
    return Measured(
        what=f"math, one core: checks/s of {name}, of math-verify alone",
        figures=f"{spread(rates[_OURS])}; {spread(rates[_THEIRS])}",
        ratio=spread(ratios, 2),
        goal=f"at least {goal:.2f} of it",
        met=statistics.median(ratios) >= goal,
    )


def _verdicts_row(verdicts: dict[str, dict[str, int]]) -> Measured:
    ours, theirs = (Counter(verdicts[name]) for name in (_OURS, _THEIRS))
    wrong = [
        f"{c['false pass']} false passes, {c['false failure']} false failures" for c in (ours, theirs)
    ]
    return Measured(
        what=f"math: right verdicts of {ours.total():,} pairs, of math-verify",
        figures=f"{ours['right']:,}; {theirs['right']:,}",
        ratio="; ".join(wrong),
        goal="more right, and fewer of either wrong",
        met=ours["right"] > theirs["right"]
        and all(ours[kind] < theirs[kind] for kind in ("false pass", "false failure")),
    )


def _in_own_process() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.json"
        # Not `-m`: what a pool's process runs has to be importable by its name.
        code = f"from benchmarks.verifiers import {write_measured.__name__} as f; f({str(out)!r})"
        command = [sys.executable, "-c", code]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        result: dict[str, Any] = json.loads(out.read_text())
    return result


# ------------------------------------------------------------------------------------------- pairs


def word_problems(count: int) -> list[Check]:
    """Gold answers and solutions as models write them to GSM8K."""
    draw = random.Random(0)
    return [_word_problem(draw) for _ in range(count)]


def _word_problem(draw: random.Random) -> Check:
    each, num = draw.randint(2, 10 ** draw.randint(1, 4)), draw.randint(2, 60)
    gold = each * num
    stated = gold if draw.random() < 2 / 3 else gold + draw.choice([1, -1, each, -each, num, gold])
    number = draw.choice(_NUMBERS)(stated)
    steps = (
        f"There are {num} boxes with {each} pencils each.\nSo we multiply: {num} * {each} = {stated}.\n"
        f"Half of the {num} boxes would hold {stated / 2:g} pencils, but we want all of them.\n"
    )
    return str(gold), steps + draw.choice(_STATEMENTS).format(number)


_NUMBERS: tuple[Callable[[int], str], ...] = (
    *[str] * 6,
    "{:,}".format,
    "{}.00".format,
    "{} pencils".format,
    "{} dollars".format,
    r"\${}".format,
    r"{}\text{{ pencils}}".format,
)
_STATEMENTS = (
    r"Therefore, the total is $\boxed{{{}}}$.",
    r"\[\boxed{{{}}}\]",
    "#### {}",
    "The answer is {}.",
    "**Answer:** {}",
    "The final answer is ${}$.",
)


def latex_pairs(pairs: list[Pair]) -> list[Pair]:
    """Those with LaTeX in the gold answer or in the answer, shuffled."""
    latex = [pair for pair in pairs if "\\" in pair.gold or "\\" in _inside(pair.response)]
    random.Random(0).shuffle(latex)
    return latex


def _decided_pairs() -> list[Pair]:
    pairs = [pair for pairs in PAIRS.values() for pair in pairs]
    return [pair for pair in pairs if pair.outcome in _WRONG]


def _inside(response: str) -> str:
    return response.partition(r"\boxed{")[2]


# ---------------------------------------------------------------------------------------- measuring


def judge_by_math_verify(check: Check) -> bool:
    """math-verify's answer, in its normal use but for the time limits."""
    from math_verify import parse, verify

    gold, response = check
    expected = parse(gold if gold.isdecimal() else f"${gold}$", parsing_timeout=None)
    return bool(verify(expected, parse(response, parsing_timeout=None), timeout_seconds=None))


def _silence() -> None:
    # It warns that its time limits are off.
    logging.getLogger("math_verify").setLevel(logging.CRITICAL)


def time_by_math_verify(check: Check) -> tuple[bool, float]:
    """The answer, and the seconds it took."""
    _silence()
    start = time.perf_counter()
    return judge_by_math_verify(check), time.perf_counter() - start


async def measure() -> dict[str, Any]:
    """Checks/s of every round, and how many verdicts were right."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    _silence()
    importlib.import_module("math_verify")
    pairs = _decided_pairs()
    answers = await _ask_math_verify([(pair.gold, pair.response) for pair in pairs])
    seconds = [answer[1] if answer else math.inf for answer in answers]
    latex = latex_pairs(pairs)
    quick = {pair for pair, taken in zip(pairs, seconds, strict=True) if taken < _FAST_SECONDS}
    sets = {
        "word problems": word_problems((_ROUNDS + 1) * _WORD_PROBLEMS_IN_ROUND),
        "LaTeX": [(pair.gold, pair.response) for pair in latex if pair in quick],
    }
    sizes = {name: len(checks) // (_ROUNDS + 1) for name, checks in sets.items()}
    theirs = [_AS_OUTCOME[answer and answer[0]] for answer in answers]
    return {
        "verdicts": {
            _OURS: _count(pairs, await _verdicts_of_berry(pairs)),
            _THEIRS: _count(pairs, theirs),
        },
        "rates": {name: await _rates(checks, sizes[name]) for name, checks in sets.items()},
        "sizes": " and ".join(f"{size} of {name}" for name, size in sizes.items()),
        "skipped": len(latex) - len(sets["LaTeX"]),
    }


_AS_OUTCOME = {True: Outcome.PASS, False: Outcome.FAIL, None: Outcome.ERROR}


def write_measured(out: str) -> None:
    """Measures and writes what came out; to be run in a process that it may pin to a core."""
    Path(out).write_text(json.dumps(asyncio.run(measure())))


async def _rates(checks: list[Check], size: int) -> dict[str, list[float]]:
    verifier = MathVerifier(MathVerifier.Config())
    await verifier.start()
    rates: dict[str, list[float]] = {_OURS: [], _THEIRS: []}
    for number in range(_ROUNDS + 1):
        some = checks[number * size : (number + 1) * size]
        for name in sorted(rates, reverse=number % 2 == 0):
            start = time.perf_counter()
            if name == _OURS:
                await asyncio.gather(*(_judge(verifier, check) for check in some))
            else:
                for check in some:
                    judge_by_math_verify(check)
            if number:  # the first is to warm up
                rates[name].append(size / (time.perf_counter() - start))
    await verifier.close()
    return rates


async def _judge(verifier: MathVerifier, check: Check, prompt: str = "") -> Outcome:
    gold, response = check
    return (await verifier.verify(prompt, response, Target(kind="math", value=gold))).outcome


async def _verdicts_of_berry(pairs: list[Pair]) -> list[Outcome]:
    verifier = MathVerifier(MathVerifier.Config(timeout_seconds=_LIMIT_SECONDS))
    await verifier.start()
    checks = [_judge(verifier, (pair.gold, pair.response), pair.prompt) for pair in pairs]
    outcomes = await asyncio.gather(*checks)
    await verifier.close()
    return list(outcomes)


async def judge_by_math_verify_in_time(checks: list[Check]) -> list[bool | None]:
    """math-verify's answers; None where it took too long."""
    return [answer and answer[0] for answer in await _ask_math_verify(checks)]


async def _ask_math_verify(checks: list[Check]) -> list[tuple[bool, float] | None]:
    """Its answers and seconds, from a process that is killed when it takes too long; None then."""
    workers = ProcessWorkers(
        time_by_math_verify,
        max_workers=1,
        timeout_seconds=_LIMIT_SECONDS,
        memory_mb=2048,
        preload=["math_verify"],
    )
    await workers.start()
    answers: list[tuple[bool, float] | None] = []
    for check in checks:
        try:
            answers.append(await workers.run(check))
        except CheckFailed:
            answers.append(None)
    await workers.close()
    return answers


def _count(pairs: list[Pair], outcomes: list[Outcome]) -> dict[str, int]:
    """How many verdicts are right and wrong, of the pairs that are equal or not."""
    counts: Counter[str] = Counter()
    for pair, outcome in zip(pairs, outcomes, strict=True):
        if pair.outcome is outcome:
            counts["right"] += 1
        elif outcome in _WRONG:
            counts[_WRONG[outcome]] += 1
        else:
            counts["no verdict"] += 1
    return dict(counts)


_WRONG = {Outcome.PASS: "false pass", Outcome.FAIL: "false failure"}
