"""`math`: is the final answer equal to the gold answer?

    1. take the answer from the response (`answers/`)
    2. plain numbers of any size are compared at once (`formulas/quick.py`)
    3. everything else is read and compared as what it is (`formulas/decide.py`), in a process that is
       killed when it takes too long
    4. an equal answer still has to be one: not the question once more, and in the form asked for
       (`formulas/answer_form.py`)

It passes what it has shown to be equal and fails what it has shown to be different. What it cannot read
or decide is ABSTAIN; what broke, took too long or is too large to compute is ERROR. Text of the model
is never evaluated as code. docs/math.md has the rules and the conventions.
"""

import re
import time
from typing import Literal, NamedTuple

from pydantic import Field

from verifiers.answers import Extract, extract_answer
from verifiers.answers.choice_labels import read_label
from verifiers.answers.decimal_commas import is_decimal_comma, may_be_thousands, with_decimal_point
from verifiers.answers.languages import is_english
from verifiers.formulas.comparison import Context
from verifiers.formulas.conventions import Conventions
from verifiers.formulas.decide import Question, decide
from verifiers.formulas.equality import Equal
from verifiers.formulas.numeric import TooLarge
from verifiers.formulas.prose import asks_for_percentage
from verifiers.formulas.quick import normal_gold, normal_number
from verifiers.records import Outcome, Target, Verdict
from verifiers.workers import CheckFailed, ProcessWorkers

_ONE_SOLUTION = re.compile(
    r"\s*(?:the\s+)?(?:unique\s+|general\s+)?solutions?\b(?!.*solution)(?!.*[^\\a-z]\.\s+\S)",
    re.DOTALL | re.IGNORECASE,
)
_SWAPPED = str.maketrans(".,", ",.")
_OUTCOMES = {Equal.YES: Outcome.PASS, Equal.NO: Outcome.FAIL, Equal.UNKNOWN: Outcome.ABSTAIN}


class Compared(NamedTuple):
    """What a comparison of an answer with the gold answer says."""

    outcome: Outcome
    reason: str
    no_answer: bool = False
    """As a verdict has it."""


class AnswerOptions(Conventions):
    """The conventions, how an answer is found, and limits."""

    extract: Extract = "stated"
    """`last`: of a response that states no answer, take the last formula or number."""
    last_number: bool = False
    """An older name of `extract: last`."""
    timeout_seconds: float = Field(default=5.0, gt=0)
    """Hard limit on one comparison."""
    memory_mb: int = Field(default=1024, ge=64)
    """Hard limit on a checking process, beyond its imports."""
    workers: int = Field(default=1, ge=1)
    """Checking processes."""

    def answer_of(self, response: str) -> str | None:
        """The final answer of a response; None where there is none."""
        return extract_answer(response, extract=self.extract, last_number=self.last_number)


class MathVerifier:
    """Compares final answers of mathematics problems."""

    class Config(AnswerOptions):
        """How answers are compared, and whether their form counts."""

        form: Literal["evaluated", "any"] = "evaluated"
        """`evaluated`: an equal answer that repeats the question, or lacks the form that the prompt
        asks for, is ABSTAIN; `any`: equal is enough."""

    name = "math"
    version = "4"
    target_kinds = ("math",)

    def __init__(self, config: Config) -> None:
        self.config = config
        self._conventions = Conventions(**config.model_dump(include=set(Conventions.model_fields)))
        self._quick = _quick_is_enough(self._conventions)
        self._workers = ProcessWorkers(
            judge_pair,
            max_workers=config.workers,
            timeout_seconds=config.timeout_seconds,
            memory_mb=config.memory_mb,
            preload=["latex2sympy2_extended.latex2sympy2"],
        )

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        """PASS or FAIL; ABSTAIN without an answer or where nothing is shown; ERROR over a limit."""
        start = time.perf_counter()
        extracted = self.config.answer_of(response)
        if target.value is None or not target.value.strip():
            reason = "the problem has no gold answer"
            found = Compared(Outcome.ABSTAIN, reason, no_answer=extracted is None)
        elif extracted is None:
            found = Compared(Outcome.ABSTAIN, "the response states no answer", no_answer=True)
        else:
            found = await self._judge(prompt, gold_answer(target.value), extracted, response)
        return Verdict(
            outcome=found.outcome,
            reason=found.reason,
            extracted=extracted,
            no_answer=found.no_answer,
            verifier=self.name,
            version=self.version,
            seconds=time.perf_counter() - start,
        )

    async def _judge(self, prompt: str, gold: str, answer: str, response: str) -> Compared:
        """Compares two answers; a comma in a number may be a decimal one, as in `3,5`."""
        pointed = with_decimal_point(answer) if "," not in gold else None
        if pointed is not None:
            found = await self.compare(prompt, gold, pointed)
            if is_decimal_comma(answer, response):
                return found
            if found.outcome is Outcome.PASS and not is_english(response):
                reason = "equal if the comma is a decimal one, which nothing shows"
                return Compared(Outcome.ABSTAIN, reason)
        found = await self.compare(prompt, gold, answer)
        if (
            found.outcome is not Outcome.FAIL
            or not may_be_thousands(answer)
            or not is_decimal_comma(answer, response)
        ):
            return found
        swapped = answer.translate(_SWAPPED)
        if (await self.compare(prompt, gold, swapped)).outcome is Outcome.PASS:
            reason = "equal if the sign in the number is read as its language does"
            return Compared(Outcome.ABSTAIN, reason)
        return found

    async def compare(self, prompt: str, gold: str, answer: str) -> Compared:
        """Whether two answers are equal, and why; the prompt says what was asked for.

        Either may have the label of a choice: `(C) 18`.
        """
        expected, given = read_label(gold), read_label(answer)
        labelled = any(one.letter and one.text for one in (expected, given))
        is_lone_letter = expected.letter is not None and not expected.text
        if not labelled or (is_lone_letter and not self._conventions.choices):
            return await self._compare_texts(prompt, gold, answer)
        same_letter = expected.letter == given.letter
        if expected.letter and given.letter and not (expected.text and given.text):
            if same_letter:
                return Compared(Outcome.PASS, "the same choice")
            return Compared(Outcome.FAIL, "another choice")
        found = await self._compare_texts(prompt, expected.text, given.text)
        if expected.letter and given.letter and same_letter != (found.outcome is Outcome.PASS):
            reason = "the letter and the text of the choice say different things"
            # Two choices at once are none.
            two = found.no_answer or found.outcome.is_trial
            return Compared(Outcome.ABSTAIN, reason, no_answer=two)
        return found

    async def _compare_texts(self, prompt: str, gold: str, answer: str) -> Compared:
        if self._quick and (expected := normal_gold(gold)) is not None:
            number = normal_number(answer)
            if number is not None:
                if number == expected:
                    return Compared(Outcome.PASS, "equal numbers")
                return Compared(Outcome.FAIL, "another number")
        percent = asks_for_percentage(prompt)
        context = Context(self._conventions, percent_is_figure=percent)
        asked = prompt if self.config.form == "evaluated" else ""
        try:
            return await self._workers.run(Question(gold, answer, context, asked))
        except CheckFailed as e:
            return Compared(Outcome.ERROR, str(e))

    async def start(self) -> None:
        """Starts the checking processes, so that the first comparison need not wait for them."""
        await self._workers.start()

    async def close(self) -> None:
        """Ends the checking processes."""
        await self._workers.close()


def judge_pair(question: Question) -> Compared:
    """Decides a pair; to be run in a checking process."""
    try:
        found = decide(question)
    except MemoryError:
        raise
    except TooLarge as e:
        return Compared(Outcome.ERROR, str(e))
    except Exception as e:  # noqa: BLE001 - a fault of ours or of sympy's says nothing about the answer
        return Compared(Outcome.ERROR, f"the comparison broke: {type(e).__name__}: {e}"[:200])
    return Compared(_OUTCOMES[found.equal], found.reason, found.no_answer)


def gold_answer(gold: str) -> str:
    """The answer in a gold answer, which may be a whole solution, with a box or a phrase.

    "Solution" in it announces the answer only at the beginning of its only sentence: after one of
    several solutions the others would be lost.
    """
    if normal_gold(gold) is not None:
        return gold
    is_solution = "solution" in gold.lower() and "\\boxed" not in gold and "answer" not in gold.lower()
    if is_solution and not _ONE_SOLUTION.match(gold):
        return gold
    return extract_answer(gold) or gold


def _quick_is_enough(conventions: Conventions) -> bool:
    """Whether two plain numbers that are written differently are different under these conventions."""
    return conventions.rounding != "decimals" and not conventions.relative_tolerance
