"""Why a case failed, and what all cases of a target add up to."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sandbox import Result, Status
from verifiers.records import Outcome


class Reason(StrEnum):
    """The kind of a failure, for tables; the sentence beside it is for people."""

    WRONG_ANSWER = "wrong_answer"
    RUNTIME_ERROR = "runtime_error"
    COMPILE_ERROR = "compile_error"
    TIMEOUT = "timeout"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    FORGED = "forged"
    """The program tried to pass by other means than the right answer."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Of one case."""

    reason: Reason
    text: str


Judgement = tuple[Outcome, str, dict[str, object]]
"""Outcome, reason and evidence of a verdict."""

_SAID = {
    Status.OK: (Reason.RUNTIME_ERROR, "the process ended before it had answered"),
    Status.TIMEOUT: (Reason.TIMEOUT, "over the time limit"),
    Status.MEMORY_LIMIT: (Reason.MEMORY_LIMIT, "over the memory limit"),
    Status.OUTPUT_LIMIT: (Reason.OUTPUT_LIMIT, "printed more than is allowed"),
}


def wrong_answer(text: str) -> Failure:
    return Failure(Reason.WRONG_ANSWER, text)


def how_it_ended(result: Result) -> Failure:
    """Of a run that gave no answer to compare."""
    if result.status in _SAID:
        return Failure(*_SAID[result.status])
    lines = result.stderr.decode(errors="replace").strip().splitlines()
    return raised(lines[-1][:200] if lines else f"exit code {result.exit_code}")


def raised(error: str, text: str = "") -> Failure:
    """What a program raised, given as `ExceptionType: message`; `text` is the sentence, if another."""
    kind = error.partition(":")[0].rpartition(".")[2]
    is_compile_error = kind in ("SyntaxError", "IndentationError", "TabError")
    return Failure(Reason.COMPILE_ERROR if is_compile_error else Reason.RUNTIME_ERROR, text or error)


def summary(failures: Sequence[Failure | None], cases: int | None = None) -> Judgement:
    """Of all cases, given why each failed; those that were not tried are at the end."""
    cases = len(failures) if cases is None else cases
    first = next(((i, failure) for i, failure in enumerate(failures) if failure is not None), None)
    return counted(
        cases=cases,
        passed=sum(failure is None for failure in failures),
        untried=cases - len(failures),
        first=first,
    )


def counted(
    *, cases: int, passed: int, untried: int | None, first: tuple[int, Failure] | None
) -> Judgement:
    """Of counted cases, given the first failure and its index.

    `untried` is None where it is not known how many more cases there are.
    """
    evidence: dict[str, object] = {
        "passed": passed,
        "cases": cases,
        "share": passed / cases if untried == 0 else None,
    }
    if untried:
        evidence["untried"] = untried
    if first is None:
        return Outcome.PASS, f"all {cases} cases", evidence
    index, failure = first
    # Half a character, which a program may print, goes into no dataset.
    text = failure.text.encode(errors="replace").decode()
    evidence["first_failure"] = {"case": index, "reason": text}
    evidence["reason_code"] = failure.reason.value
    return Outcome.FAIL, f"case {index + 1} of {cases}: {text}", evidence
