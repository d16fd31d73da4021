"""`calls`: a function is called inside the sandbox; its return value is compared here, outside."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sandbox import Limits, Result, Status
from verifiers.code.failures import Failure, how_it_ended, raised, wrong_answer
from verifiers.code.inside.values import NoValue, decode, encode, same, shown
from verifiers.code.runs import Runs, answers, off_loop
from verifiers.code.targets import Calls
from verifiers.records import BadTarget

_LIMITS_FORGIVEN = 3.0
"""How often calls that end the process may use up a time limit before the rest is skipped."""


@dataclass(frozen=True, slots=True)
class Call:
    """Arguments of one call of the function under test."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True, slots=True)
class NoResult:
    """Placeholder for a value: the call returned none, or one that cannot leave the sandbox."""

    failure: Failure


async def judge_calls(target: Calls, code: str, limits: Limits, runs: Runs) -> list[Failure | None]:
    """Failure of each case; shorter than the cases if time ran out. Raises BadTarget, NothingKnown."""
    try:
        cases = [
            Call(tuple(map(decode, case.args)), {k: decode(v) for k, v in case.kwargs.items()})
            for case in target.cases
        ]
        expected = [decode(case.expected) for case in target.cases]
    except NoValue as e:
        raise BadTarget(f"target: cases: {e}") from e
    results, num_bytes = await _make_calls(code, target.entry_point, cases, limits, runs)
    tolerances = [case.tolerance for case in target.cases]
    return await off_loop(num_bytes, lambda: list(map(_compare, results, expected, tolerances)))


async def _make_calls(
    code: str, entry_point: str, calls: Sequence[Call], limits: Limits, runs: Runs
) -> tuple[list[Any], int]:
    """The result of each call, or the reason why it is unknown, and the size of the output in bytes.

    All calls go into one process. If a call ends the process, it is retried as the first one in a new
    process, with all limits to itself, followed by the remaining calls. This repeats until such calls
    have taken too long in total; then there are fewer results than calls.
    """
    encoded = [
        {"args": [encode(a) for a in c.args], "kwargs": {k: encode(v) for k, v in c.kwargs.items()}}
        for c in calls
    ]
    results: list[Any] = []
    spent, num_bytes = 0.0, 0
    while len(results) < len(calls) and spent < _LIMITS_FORGIVEN:
        request = {"code": code, "entry_point": entry_point, "calls": encoded[len(results) :]}
        result = await runs.call_harness("run_calls", request, limits)
        num_bytes += len(result.stdout)
        answered = await off_loop(len(result.stdout), _read, result, len(calls) - len(results))
        results.extend(answered)
        if not answered:
            results.append(NoResult(how_it_ended(result)))
            spent += _fraction_of_limits(result, limits)
    return results, num_bytes


def _read(result: Result, most: int) -> list[Any]:
    return list(map(read_value, answers(result, most)))


def read_value(answer: dict[str, Any]) -> Any:
    """The value in an answer of the harness, or a NoResult."""
    if "value" in answer:
        try:
            return decode(answer["value"])
        except Exception as e:  # noqa: BLE001 - a program may send anything
            return NoResult(wrong_answer(f"returned a value that cannot be read: {type(e).__name__}"))
    if "no_value" in answer:
        return NoResult(wrong_answer(f"returned a value that cannot be compared: {answer['no_value']}"))
    error = str(answer.get("raised"))[:250]
    return NoResult(raised(error, f"raised {error}"))


def _compare(result: Any, wanted: Any, tolerance: float) -> Failure | None:
    if isinstance(result, NoResult):
        return result.failure
    try:
        if same(result, wanted, tolerance):
            return None
    except Exception as e:  # noqa: BLE001 - comparison may run the program's code
        return wrong_answer(f"cannot be compared ({type(e).__name__})")
    return wrong_answer(f"expected {shown(wanted)}, got {shown(result)}")


def _fraction_of_limits(result: Result, limits: Limits) -> float:
    if result.status is Status.TIMEOUT:
        return 1.0
    fractions = result.cpu_seconds / limits.cpu_seconds, result.wall_seconds / limits.wall_seconds
    return min(1.0, max(fractions))
