"""`stdin_stdout`: a program reads and prints; what it printed is compared here, outside."""

import asyncio

from sandbox import Limits, Program, Status
from verifiers.code.calls import NoResult, read_value
from verifiers.code.failures import Failure, how_it_ended, wrong_answer
from verifiers.code.inside.values import shown
from verifiers.code.output_rules import PRINTED_RULES
from verifiers.code.runs import NothingKnown, Runs, answers
from verifiers.code.targets import PrintedCase, StdinStdout


async def judge_printed(
    target: StdinStdout, code: str, limits: Limits, runs: Runs, checkers: Runs
) -> list[Failure | None]:
    """Why each case failed. Raises NothingKnown."""

    async def judge_case(case: PrintedCase) -> Failure | None:
        result = await runs.run(Program(code=code, stdin=case.input.encode(), limits=limits))
        if result.status is not Status.OK:
            return how_it_ended(result)
        printed = result.stdout.decode(errors="replace")
        if target.checker is None:
            difference = PRINTED_RULES[target.rule](printed, case.output, target.tolerance)
        else:
            difference = await _judge_by_checker(target.checker, case, printed, limits, checkers)
        return None if difference is None else wrong_answer(difference)

    # No case is left running when there is a verdict, also where one of them breaks.
    judged = await asyncio.gather(*map(judge_case, target.cases), return_exceptions=True)
    failures: list[Failure | None] = []
    for one in judged:
        if isinstance(one, BaseException):
            raise one
        failures.append(one)
    return failures


async def _judge_by_checker(
    checker: str, case: PrintedCase, printed: str, limits: Limits, checkers: Runs
) -> str | None:
    answer = await _ask_checker(checker, case, printed, limits, checkers)
    # One that breaks on this output and takes the expected one was broken by the output.
    if answer is None and await _ask_checker(checker, case, case.output, limits, checkers) is None:
        raise NothingKnown("the checker breaks on the expected output too")
    return {True: None, False: "the checker says no", None: "the checker breaks on it"}[answer]


async def _ask_checker(
    checker: str, case: PrintedCase, printed: str, limits: Limits, checkers: Runs
) -> bool | None:
    """What the checker says of the output; None if it breaks."""
    request = {"checker": checker, "input": case.input, "output": printed, "expected": case.output}
    result = await checkers.call_harness("run_checker", request, limits)
    answered = answers(result, most=1)
    if not answered or result.status is not Status.OK:
        return None
    said = read_value(answered[0])
    if isinstance(said, NoResult):
        if "no_value" in answered[0]:
            raise NothingKnown(f"the checker: expected True or False, {said.failure.text}")
        return None
    if isinstance(said, int) and said in (0, 1):
        return bool(said)
    raise NothingKnown(f"the checker: expected True or False, got {shown(said)}")
