"""`calls`: a function is called inside the sandbox; what it returned is compared here, outside."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sandbox import Limits, Result, Status
from verifiers.code.failures import Failure, how_it_ended, raised, wrong_answer
from verifiers.code.inside.values import NoValue, decode, encode, same, shown
from verifiers.code.runs import Runs, answers, off_loop
from verifiers.code.targets import BadTarget, Calls

_LIMITS_FORGIVEN = 3.0
"""How often calls that end the process may use up a limit of time before the rest is left untried."""


@dataclass(frozen=True, slots=True)
class Call:
    """Of the function under test."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True, slots=True)
class NoResult:
    """In place of a value: the call gave none, or one that cannot leave the sandbox."""

    failure: Failure


async def judge_calls(target: Calls, code: str, limits: Limits, runs: Runs) -> list[Failure | None]:
    """Why each case failed; fewer than the cases if time ran out. Raises BadTarget, NothingKnown."""
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
    """What each call returned, or why that is not known, and how many bytes that was written as.

    All calls go into one process. A call that ended it is tried again as the first of a new
    one, with all of the limits to itself, and then the calls behind it, until such calls have
    taken too long in all: then there are fewer results than calls.
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
            spent += _share_of_limits(result, limits)
    return results, num_bytes


def _read(result: Result, most: int) -> list[Any]:
    return list(map(read_value, answers(result, most)))


def read_value(answer: dict[str, Any]) -> Any:
    """The value that an answer of the harness carries, or a NoResult."""
    if "value" in answer:
        try:
            return decode(answer["value"])
        except Exception as e:  # noqa: BLE001 - a program may send anything
            return NoResult(wrong_answer(f"returned what cannot be read: {type(e).__name__}"))
    if "no_value" in answer:
        return NoResult(wrong_answer(f"returned what cannot be compared: {answer['no_value']}"))
    error = str(answer.get("raised"))[:250]
    return NoResult(raised(error, f"raised {error}"))


def _compare(result: Any, wanted: Any, tolerance: float) -> Failure | None:
    if isinstance(result, NoResult):
        return result.failure
    try:
        if same(result, wanted, tolerance):
            return None
    except Exception as e:  # noqa: BLE001 - of values, which a program may have made for this
        return wrong_answer(f"cannot be compared ({type(e).__name__})")
    return wrong_answer(f"expected {shown(wanted)}, got {shown(result)}")


def _share_of_limits(result: Result, limits: Limits) -> float:
    if result.status is Status.TIMEOUT:
        return 1.0
    shares = result.cpu_seconds / limits.cpu_seconds, result.wall_seconds / limits.wall_seconds
    return min(1.0, max(shares))
