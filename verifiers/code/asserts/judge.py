"""`asserts`: test code decides; it is read outside where it can be."""

import secrets

from sandbox import Limits, Status
from verifiers.code.asserts.instrument import MARK, NoTests, RunnableTests, prepare_tests
from verifiers.code.asserts.interpreter import collect_calls, count_cases, judge
from verifiers.code.asserts.operations import NotReadable
from verifiers.code.calls import make_calls
from verifiers.code.failures import Failure, Judgement, Reason, how_it_ended, summary
from verifiers.code.inside.values import NoValue
from verifiers.code.runs import Runs, answers
from verifiers.code.targets import Asserts, BadTarget


async def judge_asserts(
    target: Asserts, code: str, entry_point: str, limits: Limits, runs: Runs
) -> Judgement:
    """What the tests say of the program. Raises BadTarget, NothingKnown."""
    tests = target.tests if isinstance(target.tests, str) else "\n".join(target.tests)
    try:
        runnable = prepare_tests(tests, entry_point)
    except NoTests as e:
        raise BadTarget(f"target: tests: {e}") from e
    try:
        calls = collect_calls(tests, entry_point)
        results = await make_calls(code, entry_point, calls, limits, runs)
        assertions = judge(tests, entry_point, results)
        cases = count_cases(tests, entry_point)
    except (NotReadable, NoValue) as e:
        failure = await _run_tests(code, entry_point, runnable, limits, runs)
        outcome, reason, evidence = summary([failure])
        return outcome, reason, {**evidence, "forgeable": True, "not_readable": str(e)}
    failures = [None if a.held else Failure(a.code, f"{a.source}: {a.reason}") for a in assertions]
    return summary(failures, cases=max(cases, len(failures)))


async def _run_tests(
    code: str, entry_point: str, tests: RunnableTests, limits: Limits, runs: Runs
) -> Failure | None:
    token = secrets.token_hex(16)
    request = {
        "code": code,
        "entry_point": entry_point,
        "tests": tests.source,
        "check": tests.check,
        "runners": tests.runners,
        "mark": MARK,
        "token": token,
    }
    result = await runs.call_harness("run_tests", request, limits)
    if result.status is not Status.OK:
        return how_it_ended(result)
    answered = answers(result, most=1)
    if not answered or answered[0].get("token") != token:
        return Failure(Reason.RUNTIME_ERROR, "the process ended before its tests did")
    if answered[0].get("assertions") == 0:
        raise BadTarget("target: tests: no assertion ran")
    return None
