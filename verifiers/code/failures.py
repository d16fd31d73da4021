"""Failures of cases, and the summary over all cases of a target."""

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sandbox import Result, Status
from verifiers.records import Outcome


class Reason(StrEnum):
    """The kind of a failure, for tables; `Failure.text` explains it to people."""

    WRONG_ANSWER = "wrong_answer"
    RUNTIME_ERROR = "runtime_error"
    COMPILE_ERROR = "compile_error"
    TIMEOUT = "timeout"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    FORGED = "forged"
    """The program tried to pass by means other than the right answer."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Failure of one case."""

    reason: Reason
    text: str


_LAST_BYTES = 20_000
"""Bytes of a program's error output that are read; longer than any error's traceback."""
_ERROR_LINE = re.compile(r"^(?:Exception in thread .*|[\w.]*(?:Error|Exception|Interrupt)\b.*)", re.M)
_NOT_PYTHON = re.compile(r"(?:SyntaxError|IndentationError|TabError)\b")
_RAN = re.compile(r'File "(?:program|solution)\.py", line \d+, in ')

Judgement = tuple[Outcome, str, dict[str, object]]
"""Outcome, reason and evidence of a verdict."""

_SAID = {
    Status.OK: (Reason.RUNTIME_ERROR, "the process ended before it answered"),
    Status.TIMEOUT: (Reason.TIMEOUT, "over the time limit"),
    Status.MEMORY_LIMIT: (Reason.MEMORY_LIMIT, "over the memory limit"),
    Status.OUTPUT_LIMIT: (Reason.OUTPUT_LIMIT, "printed more than the output limit"),
}


def wrong_answer(text: str) -> Failure:
    return Failure(Reason.WRONG_ANSWER, text)


def how_it_ended(result: Result, out_of_memory: Sequence[bytes] = ()) -> Failure:
    """Failure of a run without an answer; `out_of_memory` are the runtime's messages for that case."""
    if result.status in _SAID:
        return Failure(*_SAID[result.status])
    if any(text in result.stderr for text in out_of_memory):
        return Failure(*_SAID[Status.MEMORY_LIMIT])
    stderr = result.stderr[-_LAST_BYTES:].decode(errors="replace").strip()
    errors = _ERROR_LINE.findall(stderr)
    error = (errors[-1] if errors else stderr[stderr.rfind("\n") + 1 :])[:200]
    if result.exit_code < 0:
        error = f"ended by {_signal_name(-result.exit_code)} (exit code {result.exit_code})"
    # The error of a program that started has a line of the program in its traceback.
    is_compile_error = _NOT_PYTHON.match(error) and not _RAN.search(stderr)
    reason = Reason.COMPILE_ERROR if is_compile_error else Reason.RUNTIME_ERROR
    return Failure(reason, error or f"exit code {result.exit_code}")


def raised(error: str, text: str = "") -> Failure:
    """Failure for an exception, given as `ExceptionType: message`; `text` overrides the sentence."""
    return Failure(Reason.RUNTIME_ERROR, text or error)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def summary(failures: Sequence[Failure | None], cases: int | None = None) -> Judgement:
    """Judgement over all cases, from each one's failure; untried cases are missing at the end."""
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
    """Judgement over counted cases, from the first failure and its index.

    `untried` is None if the number of remaining cases is unknown.
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
    # Lone surrogates, which a program may print, cannot go into a dataset.
    text = failure.text.encode(errors="replace").decode()
    evidence["first_failure"] = {"case": index, "reason": text}
    evidence["reason_code"] = failure.reason.value
    return Outcome.FAIL, f"case {index + 1} of {cases}: {text}", evidence
