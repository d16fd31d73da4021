"""`math`: compares the final answer with the gold answer.

    1. extract the answer from the response (`answers/`)
    2. compare plain numbers of any size directly (`quick.py`)
    3. read and compare everything else by its kind (`decide.py`), in a process that is killed if it
       takes too long
    4. check that an equal answer answers the problem: it must not repeat the question, and must have
       the form asked for (`asked/answer_form.py`)

Answers shown to be equal pass; answers shown to be different fail. An answer that cannot be read or
decided is ABSTAIN; a fault, an exceeded time limit or a value too large to compute is ERROR. The
model's text is never evaluated as code. docs/math.md has the rules and the conventions.
"""

import re
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from verifiers.answers import Extract, extract_answer
from verifiers.answers.choice_labels import read_label
from verifiers.answers.decimal_commas import is_decimal_comma, may_be_thousands, with_decimal_point
from verifiers.answers.languages import is_english
from verifiers.isolation.workers import CheckFailed, ProcessWorkers
from verifiers.math.comparing.comparison import Context
from verifiers.math.decide import Question, decide
from verifiers.math.equality.equality import Equal
from verifiers.math.equality.numeric import TooLarge
from verifiers.math.forms.conventions import Conventions
from verifiers.math.quick import normal_gold, normal_number
from verifiers.math.reading.prose import asks_for_percentage
from verifiers.records import Outcome, Target, Verdict, VerifierBase

_ONE_SOLUTION = re.compile(
    r"\s*(?:the\s+)?(?:unique\s+|general\s+)?solutions?\b(?!.*solution)(?!.*[^\\a-z]\.\s+\S)",
    re.DOTALL | re.IGNORECASE,
)
_SWAPPED = str.maketrans(".,", ",.")
_OUTCOMES = {Equal.YES: Outcome.PASS, Equal.NO: Outcome.FAIL, Equal.UNKNOWN: Outcome.ABSTAIN}


class Compared(NamedTuple):
    """Result of comparing an answer with the gold answer."""

    outcome: Outcome
    reason: str
    no_answer: bool = False
    """Same meaning as in a verdict."""


class AnswerOptions(BaseModel):
    """Options for extracting the answer, and limits of a comparison."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    extract: Extract = "stated"
    """`last`: if a response states no answer, take the last formula or number."""
    last_number: bool = False
    """Older name of `extract: last`."""
    timeout_seconds: float = Field(default=5.0, gt=0)
    """Hard limit on one comparison."""
    memory_mb: int = Field(default=1024, ge=64)
    """Hard limit on a checking process's memory, beyond its imports."""
    check_processes: int = Field(default=1, ge=1)
    """Checking processes."""

    def answer_of(self, response: str) -> str | None:
        """The final answer of a response; None if there is none."""
        return extract_answer(response, extract=self.extract, last_number=self.last_number)


class MathVerifier(VerifierBase):
    """Compares final answers of mathematics problems."""

    class Config(Conventions, AnswerOptions):
        """Conventions of comparison, and whether the form of an answer counts."""

        form: Literal["evaluated", "any"] = "evaluated"
        """`evaluated`: an equal answer that repeats the question, or lacks the form that the prompt
        asks for, is ABSTAIN; `any`: equality is enough."""

    name = "math"
    version = "4"
    target_kinds = ("math",)

    def __init__(self, config: Config) -> None:
        self.config = config
        self._conventions = Conventions(**config.model_dump(include=set(Conventions.model_fields)))
        self._quick = _quick_is_enough(self._conventions)
        self._workers = ProcessWorkers(
            judge_pair,
            max_workers=config.check_processes,
            timeout_seconds=config.timeout_seconds,
            memory_mb=config.memory_mb,
            preload=["latex2sympy2_extended.latex2sympy2"],
        )

    async def judge(self, prompt: str, response: str, target: Target) -> Verdict:
        """PASS or FAIL; ABSTAIN without an answer or if equality is undecided; ERROR over a limit."""
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
        )

    async def _judge(self, prompt: str, gold: str, answer: str, response: str) -> Compared:
        """Compares two answers; the comma in `3,5` may be a decimal comma."""
        pointed = with_decimal_point(answer) if "," not in gold else None
        if pointed is not None:
            found = await self.compare(prompt, gold, pointed)
            if is_decimal_comma(answer, response):
                return found
            if found.outcome is Outcome.PASS and not is_english(response):
                reason = "equal if the comma is a decimal comma, which is not certain"
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
            reason = "equal if the sign in the number is read as in its language"
            return Compared(Outcome.ABSTAIN, reason)
        return found

    async def compare(self, prompt: str, gold: str, answer: str) -> Compared:
        """Whether two answers are equal, and why; the prompt says what was asked for.

        Either answer may have a choice label: `(C) 18`.
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
            # An answer with two choices chooses neither.
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
        """Starts the checking processes, so that the first comparison does not wait for them."""
        await self._workers.start()

    async def close(self) -> None:
        """Ends the checking processes."""
        await self._workers.close()


def judge_pair(question: Question) -> Compared:
    """Decides a pair. Runs in a checking process."""
    try:
        found = decide(question)
    except MemoryError:
        raise
    except TooLarge as e:
        return Compared(Outcome.ERROR, str(e))
    except Exception as e:  # noqa: BLE001 - a fault here or in sympy says nothing about the answer
        return Compared(Outcome.ERROR, f"the comparison broke: {type(e).__name__}: {e}"[:200])
    return Compared(_OUTCOMES[found.equal], found.reason, found.no_answer)


def gold_answer(gold: str) -> str:
    """The answer within a gold answer, which may be a whole solution with a box or a phrase.

    "Solution" announces the answer only at the start of the text's only sentence: after one of several
    solutions the others would be lost.
    """
    if normal_gold(gold) is not None:
        return gold
    is_solution = "solution" in gold.lower() and "\\boxed" not in gold and "answer" not in gold.lower()
    if is_solution and not _ONE_SOLUTION.match(gold):
        return gold
    return extract_answer(gold) or gold


def _quick_is_enough(conventions: Conventions) -> bool:
    """Whether different plain numbers are unequal under these conventions."""
    return conventions.rounding != "decimals" and not conventions.relative_tolerance
