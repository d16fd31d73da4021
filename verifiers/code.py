"""`code`: does the program do what its tests ask for?

    1. take the program from the response (`code_blocks.py`)
    2. run it in the sandbox; what it should print or return never goes in there
    3. compare what came out here, outside

A verdict that the program's own process gave about itself could be forged. It is taken only for test
code that cannot be read outside (`assertions.py`), and its evidence says `forgeable`.
"""

import asyncio
import json
import secrets
import time
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from sandbox import Limits, Program, Result, Sandbox, SandboxConfig, SandboxUnavailable, Status
from verifiers.assertions import Call, Lookalike, Opaque, Raised, collect_calls, count_cases, judge
from verifiers.bounded import NotReadable
from verifiers.code_blocks import extract_code
from verifiers.code_targets import (
    KINDS,
    Asserts,
    BadTarget,
    Calls,
    CodeLimits,
    PrintedCase,
    StdinStdout,
    check_target,
)
from verifiers.printed import PRINTED_RULES
from verifiers.records import Outcome, Target, Verdict
from verifiers.runnable import MARK, NoTests, RunnableTests, entry_point_of, prepare_tests
from verifiers.values import NoValue, decode, encode, lookalikes, same, shown

_HARNESS_MODULES = ("values", "harness")
_LIMITS_FORGIVEN = 3.0
"""How often calls that end the process may use up a limit of time before the rest is left untried."""


class CodeVerifier:
    """Judges programs by their tests."""

    class Config(BaseModel):
        """Limits of a run, where a target does not state its own."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        cpu_seconds: float = Field(default=10.0, gt=0)
        """Decides a timeout, whatever the load of the machine."""
        wall_seconds: float = Field(default=20.0, gt=0)
        """For programs that sleep; time spent waiting for a core does not count."""
        memory_mb: int = Field(default=1024, ge=16)
        output_bytes: int = Field(default=4_000_000, ge=1000)

    name = "code"
    version = "1"
    uses_sandbox = True
    """It is built with the run's sandbox settings, beside its own options."""
    target_kinds = KINDS

    def __init__(self, config: Config, sandbox: SandboxConfig | None = None) -> None:
        self.config = config
        self._sandbox = Sandbox(sandbox, modules=_harness_modules())
        # Checkers are given what is expected: no program of a model runs in these workers.
        self._checkers = Sandbox(sandbox, modules=_harness_modules())

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        """PASS or FAIL; ABSTAIN without code; ERROR when the sandbox, or the target, is broken."""
        start = time.perf_counter()
        code: str | None = None
        evidence: dict[str, object] = {}
        try:
            checked = check_target(target)
            entry_point, given = _entry_point(checked), getattr(checked, "prompt", "")
            code = extract_code(response, prompt=given, entry_point=entry_point)
            if code is None:
                outcome, reason = Outcome.ABSTAIN, "the response gives no code"
            else:
                outcome, reason, evidence = await self._judge(checked, code, entry_point)
        except (SandboxUnavailable, BadTarget, _NothingKnown) as e:
            outcome, reason = Outcome.ERROR, str(e)
        if self._sandbox.protection is not None:
            evidence["level"] = self._sandbox.protection.level.name.lower()
        return Verdict(
            outcome=outcome,
            reason=reason,
            extracted=code,
            evidence=evidence,
            verifier=self.name,
            version=self.version,
            seconds=time.perf_counter() - start,
        )

    async def start(self) -> None:
        """Starts the sandbox. Raises SandboxUnavailable."""
        await self._sandbox.start()

    async def close(self) -> None:
        """Ends the sandboxes."""
        await asyncio.gather(self._sandbox.close(), self._checkers.close())

    # ------------------------------------------------------------------------------ target kinds

    async def _judge(
        self, target: StdinStdout | Calls | Asserts, code: str, entry_point: str | None
    ) -> tuple[Outcome, str, dict[str, object]]:
        limits = self._limits(target.limits)
        if isinstance(target, StdinStdout):
            failures = await self._judge_printed(target, code, limits)
            return _summary(failures)
        if isinstance(target, Calls):
            failures = await self._judge_calls(target, code, limits)
            return _summary(failures, cases=len(target.cases))
        if entry_point is None:
            raise BadTarget("target: entry_point: expected a name, since no assert calls a function")
        return await self._judge_asserts(target, code, entry_point, limits)

    async def _judge_printed(self, target: StdinStdout, code: str, limits: Limits) -> list[str | None]:
        async def judge_case(case: PrintedCase) -> str | None:
            program = Program(code=code, stdin=case.input.encode(), limits=limits)
            result = await self._run(program)
            if result.status is not Status.OK:
                return _how_it_ended(result)
            printed = result.stdout.decode(errors="replace")
            if target.checker is None:
                return PRINTED_RULES[target.rule](printed, case.output, target.tolerance)
            return await self._judge_by_checker(target.checker, case, printed, limits)

        # No case is left running when there is a verdict, also where one of them breaks.
        cases = (judge_case(case) for case in target.cases)
        judged = await asyncio.gather(*cases, return_exceptions=True)
        failures: list[str | None] = []
        for one in judged:
            if isinstance(one, BaseException):
                raise one
            failures.append(one)
        return failures

    async def _judge_calls(self, target: Calls, code: str, limits: Limits) -> list[str | None]:
        try:
            cases = [
                Call(tuple(map(decode, case.args)), {k: decode(v) for k, v in case.kwargs.items()})
                for case in target.cases
            ]
            expected = [decode(case.expected) for case in target.cases]
        except NoValue as e:
            raise BadTarget(f"target: cases: {e}") from e
        results = await self._call(code, target.entry_point, cases, limits)
        return [
            _compare(result, wanted, case.tolerance)
            for result, wanted, case in zip(results, expected, target.cases, strict=False)
        ]

    async def _judge_asserts(
        self, target: Asserts, code: str, entry_point: str, limits: Limits
    ) -> tuple[Outcome, str, dict[str, object]]:
        tests = target.tests if isinstance(target.tests, str) else "\n".join(target.tests)
        try:
            runnable = prepare_tests(tests, entry_point)
        except NoTests as e:
            raise BadTarget(f"target: tests: {e}") from e
        try:
            calls = collect_calls(tests, entry_point)
            results = await self._call(code, entry_point, calls, limits)
            assertions = judge(tests, entry_point, results)
            cases = count_cases(tests, entry_point)
        except (NotReadable, NoValue) as e:
            failure = await self._run_tests(code, entry_point, runnable, limits)
            outcome, reason, evidence = _summary([failure])
            return outcome, reason, {**evidence, "forgeable": True, "not_readable": str(e)}
        failures = [None if a.held else f"{a.source}: {a.reason}" for a in assertions]
        return _summary(failures, cases=max(cases, len(failures)))

    # --------------------------------------------------------------------------------- the sandbox

    async def _run(self, program: Program, sandbox: Sandbox | None = None) -> Result:
        result = await (sandbox or self._sandbox).run(program)
        if result.status is Status.KILLED:
            raise _NothingKnown("the program was killed from outside, twice")
        return result

    async def _call(
        self, code: str, entry_point: str, calls: Sequence[Call], limits: Limits
    ) -> list[Any]:
        """What each call returned, or why that is not known.

        All calls go into one process. A call that ended it is tried again as the first of a new
        one, with all of the limits to itself, and then the calls behind it, until such calls have
        taken too long in all: then there are fewer results than calls.
        """
        encoded = [
            {"args": [encode(a) for a in c.args], "kwargs": {k: encode(v) for k, v in c.kwargs.items()}}
            for c in calls
        ]
        results: list[Any] = []
        spent = 0.0
        while len(results) < len(calls) and spent < _LIMITS_FORGIVEN:
            request = {"code": code, "entry_point": entry_point, "calls": encoded[len(results) :]}
            result = await self._run(_harness("run_calls", request, limits))
            answers = _answers(result, most=len(calls) - len(results))
            results.extend(map(_value, answers))
            if not answers:
                results.append(Raised(_how_it_ended(result)))
                spent += _share_of_limits(result, limits)
        return results

    async def _run_tests(
        self, code: str, entry_point: str, tests: RunnableTests, limits: Limits
    ) -> str | None:
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
        result = await self._run(_harness("run_tests", request, limits))
        if result.status is not Status.OK:
            return _how_it_ended(result)
        answers = _answers(result, most=1)
        if not answers or answers[0].get("token") != token:
            return "the process ended before its tests did"
        if answers[0].get("assertions") == 0:
            raise BadTarget("target: tests: no assertion ran")
        return None

    async def _judge_by_checker(
        self, checker: str, case: PrintedCase, printed: str, limits: Limits
    ) -> str | None:
        answer = await self._ask_checker(checker, case, printed, limits)
        # One that breaks on this output and takes the expected one was broken by the output.
        if answer is None and await self._ask_checker(checker, case, case.output, limits) is None:
            raise _NothingKnown("the checker breaks on the expected output too")
        return {True: None, False: "the checker says no", None: "the checker breaks on it"}[answer]

    async def _ask_checker(
        self, checker: str, case: PrintedCase, printed: str, limits: Limits
    ) -> bool | None:
        """What the checker says of the output; None if it breaks."""
        request = {"checker": checker, "input": case.input, "output": printed, "expected": case.output}
        result = await self._run(_harness("run_checker", request, limits), self._checkers)
        answers = _answers(result, most=1)
        if not answers or result.status is not Status.OK:
            return None
        said = _value(answers[0])
        if isinstance(said, Raised):
            return None
        if isinstance(said, Lookalike):  # numpy's bool
            said = said.value
        if isinstance(said, int) and said in (0, 1):
            return bool(said)
        got = said.reason if isinstance(said, Opaque) else shown(said)
        raise _NothingKnown(f"the checker: expected True or False, got {got}")

    def _limits(self, given: CodeLimits) -> Limits:
        return Limits(
            cpu_seconds=given.cpu_seconds or self.config.cpu_seconds,
            # A stated limit of CPU time must not be cut short by the default limit of wall time.
            wall_seconds=given.wall_seconds
            or max(self.config.wall_seconds, 2 * (given.cpu_seconds or 0)),
            memory_mb=given.memory_mb or self.config.memory_mb,
            output_bytes=self.config.output_bytes,
        )


class _NothingKnown(Exception):
    """Something of ours broke: no verdict on the program."""


def _entry_point(target: StdinStdout | Calls | Asserts) -> str | None:
    if isinstance(target, StdinStdout):
        return None
    if isinstance(target, Calls) or target.entry_point:
        return target.entry_point
    tests = target.tests if isinstance(target.tests, str) else "\n".join(target.tests)
    return entry_point_of(tests)


def _harness_modules() -> dict[str, str]:
    folder = files("verifiers")
    return {f"verifiers.{name}": folder.joinpath(f"{name}.py").read_text() for name in _HARNESS_MODULES}


def _harness(function: str, request: dict[str, Any], limits: Limits) -> Program:
    code = f"from verifiers.harness import {function}; {function}()"
    return Program(code=code, stdin=json.dumps(request).encode(), limits=limits)


def _answers(result: Result, most: int) -> list[dict[str, Any]]:
    """Whole lines of the harness; an untrusted process may have written anything."""
    answers: list[dict[str, Any]] = []
    for line in result.stdout.split(b"\n")[:-1][:most]:
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not isinstance(answer, dict):
            break
        answers.append(answer)
    return answers


def _value(answer: dict[str, Any]) -> Any:
    if "value" in answer:
        try:
            value, kind = decode(answer["value"]), next(lookalikes(answer["value"]), None)
            return value if kind is None else Lookalike(value, kind)
        except Exception as e:  # noqa: BLE001 - a program may send anything
            return Opaque(f"returned what cannot be read: {type(e).__name__}")
    if "no_value" in answer:
        return Opaque(f"returned what cannot be compared: {answer['no_value']}")
    return Raised(f"raised {answer.get('raised')}"[:250])


def _compare(result: Any, wanted: Any, tolerance: float) -> str | None:
    if isinstance(result, Raised | Opaque):
        return result.reason
    if isinstance(result, Lookalike):
        result = result.value
    try:
        if same(result, wanted, tolerance):
            return None
    except Exception as e:  # noqa: BLE001 - of values, which a program may have made for this
        return f"cannot be compared ({type(e).__name__})"
    return f"expected {shown(wanted)}, got {shown(result)}"


def _how_it_ended(result: Result) -> str:
    lines = result.stderr.decode(errors="replace").strip().splitlines()
    what = {
        Status.OK: "the process ended before it had answered",
        Status.RUNTIME_ERROR: lines[-1][:200] if lines else f"exit code {result.exit_code}",
        Status.TIMEOUT: "over the time limit",
        Status.MEMORY_LIMIT: "over the memory limit",
        Status.OUTPUT_LIMIT: "printed more than is allowed",
        Status.KILLED: "killed from outside",
    }
    return what[result.status]


def _share_of_limits(result: Result, limits: Limits) -> float:
    if result.status is Status.TIMEOUT:
        return 1.0
    shares = result.cpu_seconds / limits.cpu_seconds, result.wall_seconds / limits.wall_seconds
    return min(1.0, max(shares))


def _summary(
    failures: Sequence[str | None], cases: int | None = None
) -> tuple[Outcome, str, dict[str, object]]:
    """Outcome, reason and evidence, given why each case failed; what was not tried is at the end."""
    cases = len(failures) if cases is None else cases
    passed, untried = sum(failure is None for failure in failures), cases - len(failures)
    evidence: dict[str, object] = {
        "passed": passed,
        "cases": cases,
        "share": None if untried else passed / cases,
    }
    if untried:
        evidence["untried"] = untried
    for index, failure in enumerate(failures):
        if failure is not None:
            # Half a character, which a program may print, goes into no dataset.
            failure = failure.encode(errors="replace").decode()
            evidence["first_failure"] = {"case": index, "reason": failure}
            return Outcome.FAIL, f"case {index + 1} of {cases}: {failure}", evidence
    return Outcome.PASS, f"all {cases} cases", evidence
