"""`math`: is the final answer equal to the gold answer?

    1. take the answer from the response (`answers.py`)
    2. plain numbers are compared exactly, as fractions of integers of any size
    3. everything else goes to math-verify, in a process that is killed when it takes too long

Text of the model is never evaluated: math-verify parses it by a LaTeX grammar.
"""

import logging
import re
import time
from fractions import Fraction

from pydantic import BaseModel, ConfigDict, Field

from verifiers.answers import extract_answer, last_box
from verifiers.records import Outcome, Target, Verdict
from verifiers.workers import CheckFailed, ProcessWorkers

_INTEGER = r"\d{1,3}(?:,\d{3})+|\d+"
_PLAIN = re.compile(rf"([+-]?)(?:({_INTEGER})(\.\d+)?|(\.\d+))(?:/(\d+))?")
_LATEX_FRACTION = re.compile(r"([+-]?)\\[dt]?frac\{(\d+)\}\{(\d+)\}")
_MOST_DIGITS = 4000
"""Longer numbers are left to string comparison: Python refuses to convert them."""


class MathVerifier:
    """Compares final answers of mathematics problems."""

    class Config(BaseModel):
        """Limits, and how an answer is found."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        last_number: bool = False
        """Take the last number of a response that states its answer in no other way."""
        timeout_seconds: float = Field(default=5.0, gt=0)
        """Hard limit on one comparison."""
        memory_mb: int = Field(default=1024, ge=64)
        """Hard limit on a checking process, beyond its imports."""
        workers: int = Field(default=1, ge=1)
        """Checking processes."""

    name = "math"
    version = "1"

    def __init__(self, config: Config) -> None:
        self.config = config
        self._workers = ProcessWorkers(
            compare,
            max_workers=config.workers,
            timeout_seconds=config.timeout_seconds,
            memory_mb=config.memory_mb,
            preload=["math_verify"],
        )

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        """PASS or FAIL; ABSTAIN without an answer or a readable gold answer; ERROR over a limit."""
        start = time.perf_counter()
        extracted = extract_answer(response, last_number=self.config.last_number)
        outcome, reason = await self._judge(extracted, target.value)
        return Verdict(
            outcome=outcome,
            reason=reason,
            extracted=extracted,
            verifier=self.name,
            version=self.version,
            seconds=time.perf_counter() - start,
        )

    async def start(self) -> None:
        """Starts the checking processes, so that the first comparison need not wait for them."""
        await self._workers.start()

    async def close(self) -> None:
        """Ends the checking processes."""
        await self._workers.close()

    async def _judge(self, answer: str | None, gold: str | None) -> tuple[Outcome, str]:
        if gold is None or not gold.strip():
            return Outcome.ABSTAIN, "the problem has no gold answer"
        if answer is None:
            return Outcome.ABSTAIN, "the response states no answer"
        gold = last_box(gold) or gold
        gold_number, number = plain_number(gold), plain_number(answer)
        if gold_number is not None and number is not None:
            if gold_number == number:
                return Outcome.PASS, "equal numbers"
            return Outcome.FAIL, "other number"
        if _bare(answer) == _bare(gold):
            return Outcome.PASS, "same text"
        try:
            return await self._workers.run((gold, answer))
        except CheckFailed as e:
            return Outcome.ERROR, str(e)


def plain_number(text: str) -> Fraction | None:
    """The exact value of an integer, decimal or fraction as people write it; None for all else.

    Takes `1,234`, `-0.50`, `3/4`, `\\frac{3}{4}`, `$18`, `$18$` and a full stop after the number.
    """
    bare = _bare(text)
    if len(bare) > _MOST_DIGITS:
        return None
    if match := _LATEX_FRACTION.fullmatch(bare):
        sign, numerator, denominator = match.groups()
    elif match := _PLAIN.fullmatch(bare):
        sign, whole, decimals, only_decimals, denominator = match.groups()
        numerator = f"{(whole or '0').replace(',', '')}{decimals or only_decimals or ''}"
    else:
        return None
    value = Fraction(numerator)
    if denominator is not None:
        if int(denominator) == 0:
            return None
        value /= int(denominator)
    return -value if sign == "-" else value


def compare(pair: tuple[str, str]) -> tuple[Outcome, str]:
    """Asks math-verify whether the (gold, answer) pair is equal; runs in a checking process."""
    from math_verify import parse, verify

    # It warns at every call that its own time limit, a signal, is off; this process has a hard one.
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    gold, answer = (_parse_bare(text, parse) for text in pair)
    if not gold:
        return Outcome.ABSTAIN, "the gold answer cannot be read"
    if not answer:
        return Outcome.ABSTAIN, "the answer cannot be read"
    if verify(gold, answer, timeout_seconds=None, raise_on_error=True):
        return Outcome.PASS, "equal by math-verify"
    return Outcome.FAIL, "not equal by math-verify"


def _parse_bare(text: str, parse: "object") -> "list[object]":
    assert callable(parse)
    parsed: list[object] = parse(f"${_bare(text)}$", parsing_timeout=None, raise_on_error=True)
    return parsed


def _bare(text: str) -> str:
    """Without white space around it, dollar signs, and a full stop at the end."""
    text = text.strip().removesuffix(".").strip()
    if text.startswith("\\$"):
        text = text[2:]
    return text.strip("$").strip()
