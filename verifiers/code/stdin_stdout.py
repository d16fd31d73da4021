"""`stdin_stdout`: a program reads and prints; what it printed is compared here, outside."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from sandbox import Limits, Status
from verifiers.code.calls import NoResult, read_value
from verifiers.code.compiler import Built
from verifiers.code.failures import Failure, Reason, how_it_ended, wrong_answer
from verifiers.code.inside.values import shown
from verifiers.code.output_rules import PRINTED_RULES
from verifiers.code.runs import NothingKnown, Runs, answers, off_loop
from verifiers.code.targets import PrintedCase, StdinStdout

_AT_ONCE = 4
"""Cases of one row: all that may be under way when the first of them fails."""
_TIMEOUTS_FORGIVEN = 3
"""Cases that may run out of time before the rest of a row is left untried."""


@dataclass(frozen=True, slots=True)
class Checks:
    """Where checkers run, which are given what is expected, and what they may use."""

    runs: Runs
    limits: Limits


async def judge_printed(
    target: StdinStdout, built: Built, limits: Limits, runs: Runs, checks: Checks
) -> list[Failure | None]:
    """Why each case failed; fewer than the cases if the rest was not tried. Raises NothingKnown.

    The first case runs alone: most wrong programs fail it. Cases start in order, and every case that
    comes before one that was started is waited for, so the first failure is always the same one.
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
    """Judges the next cases until `most` are done in all, or the rest is not worth trying."""
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
                # Also a cancellation: no further case is begun.
                broken = True
                raise

    # No case is left running when there is a verdict, also where one of them breaks.
    ended = await asyncio.gather(*(judge_next() for _ in range(at_once)), return_exceptions=True)
    for one in ended:
        if isinstance(one, BaseException):
            raise one
    found.extend(judged[index] for index in sorted(judged))


def _room_for(expected: bytes, limits: Limits) -> Limits:
    """The limits, with room for twice the output that is expected."""
    return replace(limits, output_bytes=max(limits.output_bytes, 2 * len(expected)))


async def _judge_by_checker(
    checker: str, case: PrintedCase, printed: bytes, checks: Checks
) -> Failure | None:
    # What is no UTF-8 stays different from everything that is.
    text = printed.decode(errors="surrogateescape")
    answer, why = await _ask_checker(checker, case, text, checks)
    if answer is not None:
        return None if answer else wrong_answer("the checker says no")
    # One that breaks on this output and takes the expected one was broken by the output.
    answer, _ = await _ask_checker(checker, case, case.output, checks)
    if answer is None:
        raise NothingKnown(f"the checker breaks on the expected output too: {why}")
    return wrong_answer("the checker breaks on it")


async def _ask_checker(
    checker: str, case: PrintedCase, printed: str, checks: Checks
) -> tuple[bool | None, str]:
    """What the checker says of the output; None, and why, if it does not say yes or no."""
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
