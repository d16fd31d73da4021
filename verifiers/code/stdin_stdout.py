"""`stdin_stdout`: a program reads and prints; its output is compared here, outside the sandbox."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from sandbox import Limits, Status
from verifiers.code.calls import NoResult, read_value
from verifiers.code.compiler import Built
from verifiers.code.failures import Failure, Reason, how_it_ended, wrong_answer
from verifiers.code.inside.values import shown
from verifiers.code.output_rules import PRINTED_RULES
from verifiers.code.runs import Runs, answers, off_loop
from verifiers.code.targets import PrintedCase, StdinStdout
from verifiers.records import NothingKnown

_AT_ONCE = 4
"""Concurrent cases of one row: the most that can be running when the first of them fails."""
_TIMEOUTS_FORGIVEN = 3
"""Cases that may time out before the rest of a row is skipped."""


@dataclass(frozen=True, slots=True)
class Checks:
    """Where checkers run, and their limits. Checkers are given the expected output."""

    runs: Runs
    limits: Limits


async def judge_printed(
    target: StdinStdout, built: Built, limits: Limits, runs: Runs, checks: Checks
) -> list[Failure | None]:
    """Failure of each case; shorter than the cases if the rest was skipped. Raises NothingKnown.

    The first case runs alone, because most wrong programs fail it. Cases start in order, and every
    case before a started one is waited for, so the first failure is always the same.
    """

    async def judge_case(case: PrintedCase) -> Failure | None:
        expected = case.output.encode()
        result = await runs.run(built.program(case.input.encode(), _room_for(expected, limits)))
        if result.status is not Status.OK:
            return how_it_ended(result, built.out_of_memory)
        if target.checker is not None:
            return await _judge_by_checker(target.checker, case, result.stdout, checks)
        compare, given = PRINTED_RULES[target.rule], (result.stdout, expected, target.tolerance)
        difference = await off_loop(len(result.stdout) + len(expected), compare, *given)
        return None if difference is None else wrong_answer(difference)

    found: list[Failure | None] = []
    await _judge_in_order(target, judge_case, found, at_once=1, most=1)
    await _judge_in_order(target, judge_case, found, at_once=_AT_ONCE, most=len(target.cases))
    failed = [index for index, failure in enumerate(found) if failure is not None]
    return found if target.all_cases or not failed else found[: failed[0] + 1]


async def _judge_in_order(
    target: StdinStdout,
    judge_case: Callable[[PrintedCase], Awaitable[Failure | None]],
    found: list[Failure | None],
    *,
    at_once: int,
    most: int,
) -> None:
    """Judges cases until `most` are done in all, or the rest is not worth trying."""
    left = iter([*enumerate(target.cases)][len(found) : most])
    judged: dict[int, Failure | None] = {}
    broken = False

    def is_over() -> bool:
        failures = [one for one in (*found, *judged.values()) if one is not None]
        late = sum(one.reason is Reason.TIMEOUT for one in failures)
        return broken or late >= _TIMEOUTS_FORGIVEN or bool(failures and not target.all_cases)

    async def judge_next() -> None:
        nonlocal broken
        while not is_over() and (pair := next(left, None)) is not None:
            try:
                judged[pair[0]] = await judge_case(pair[1])
            except BaseException:
                # Also on cancellation: no further case starts.
                broken = True
                raise

    # No case keeps running once there is a verdict, even if one of them raises.
    ended = await asyncio.gather(*(judge_next() for _ in range(at_once)), return_exceptions=True)
    for one in ended:
        if isinstance(one, BaseException):
            raise one
    found.extend(judged[index] for index in sorted(judged))


def _room_for(expected: bytes, limits: Limits) -> Limits:
    """The limits, with room for twice the expected output."""
    return replace(limits, output_bytes=max(limits.output_bytes, 2 * len(expected)))


async def _judge_by_checker(
    checker: str, case: PrintedCase, printed: bytes, checks: Checks
) -> Failure | None:
    # Output that is not UTF-8 stays different from any that is.
    text = printed.decode(errors="surrogateescape")
    answer, why = await _ask_checker(checker, case, text, checks)
    if answer is not None:
        return None if answer else wrong_answer("the checker says no")
    # If a checker fails on this output but not on the expected one, the output is at fault.
    answer, _ = await _ask_checker(checker, case, case.output, checks)
    if answer is None:
        raise NothingKnown(f"the checker fails on the expected output too: {why}")
    return wrong_answer("the checker fails on the output")


async def _ask_checker(
    checker: str, case: PrintedCase, printed: str, checks: Checks
) -> tuple[bool | None, str]:
    """The checker's answer; None and the reason if it answers neither yes nor no."""
    request = {"checker": checker, "input": case.input, "output": printed, "expected": case.output}
    result = await checks.runs.call_harness("run_checker", request, checks.limits)
    answered = answers(result, most=1)
    if not answered or result.status is not Status.OK:
        return None, how_it_ended(result).text
    said = read_value(answered[0])
    if isinstance(said, NoResult):
        asked = "expected True or False, it " if "no_value" in answered[0] else ""
        return None, f"{asked}{said.failure.text}"
    if isinstance(said, int) and said in (0, 1):
        return bool(said), ""
    return None, f"expected True or False, got {shown(said)}"
