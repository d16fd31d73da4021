"""`code`: does the program do what its tests ask for?

1. take the program from the response (`extraction.py`)
2. run it in the sandbox; what it should print or return never goes in there
3. compare what came out where the program cannot reach it: here (`stdin_stdout.py`, `calls.py`), or
   in a process of the tests' own (`asserts.py`)
"""

import asyncio
import time

from pydantic import BaseModel, ConfigDict, Field

from sandbox import Limits, SandboxConfig, SandboxUnavailable
from verifiers.code.asserts import AssertsJudge, Forgeable
from verifiers.code.calls import judge_calls
from verifiers.code.compiler import Compiler
from verifiers.code.entry_point import entry_point_of
from verifiers.code.extraction import extract_code
from verifiers.code.failures import Failure, Judgement, summary
from verifiers.code.languages import folders
from verifiers.code.preludes import with_prelude
from verifiers.code.runs import NothingKnown, Runs
from verifiers.code.stdin_stdout import Checks, judge_printed
from verifiers.code.targets import (
    KINDS,
    Asserts,
    BadTarget,
    Calls,
    CodeLimits,
    StdinStdout,
    check_target,
)
from verifiers.records import Outcome, Target, Verdict

_FILES_OF_PROCESSES = 64


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
        """More where more is expected."""
        compile_seconds: float = Field(default=30.0, gt=0)
        """CPU time to compile a program of another language than Python."""
        forgeable: Forgeable = "abstain"
        """The outcome where a program passes tests that it could have made it pass by tampering: they
        only work in its own process, or ask its own objects whether they are equal."""

    name = "code"
    version = "2"
    uses_sandbox = True
    """It is built with the run's sandbox settings, beside its own options."""
    target_kinds = KINDS

    def __init__(self, config: Config, sandbox: SandboxConfig | None = None) -> None:
        self.config = config
        self._runs = Runs(_with_languages(sandbox))
        # Checkers are given what is expected: no program of a model runs in these workers.
        self._checkers = Runs(sandbox)
        self._pytest_runs = Runs(sandbox, pytest=True)
        self._asserts = AssertsJudge(self._runs, self._pytest_runs, config.forgeable)
        self._compiler = Compiler(self._runs, config.compile_seconds)

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        """PASS or FAIL; ABSTAIN without code; ERROR when the sandbox, or the target, is broken."""
        start = time.perf_counter()
        code: str | None = None
        evidence: dict[str, object] = {}
        try:
            checked = check_target(target)
            entry_point, given = _entry_point(checked), getattr(checked, "prompt", "")
            code = extract_code(
                response, prompt=given, entry_point=entry_point, language=checked.language
            )
            if code is None:
                outcome, reason = Outcome.ABSTAIN, "the response gives no code"
            else:
                outcome, reason, evidence = await self._judge(checked, code, entry_point)
        except (SandboxUnavailable, BadTarget, NothingKnown) as e:
            outcome, reason = Outcome.ERROR, str(e)
        if self._runs.sandbox.protection is not None:
            evidence["level"] = self._runs.sandbox.protection.level.name.lower()
        return Verdict(
            outcome=outcome,
            reason=reason,
            extracted=code,
            no_answer=outcome is Outcome.ABSTAIN and code is None,
            evidence=evidence,
            verifier=self.name,
            version=self.version,
            seconds=time.perf_counter() - start,
        )

    async def start(self) -> None:
        """Starts the sandbox. Raises SandboxUnavailable."""
        await self._runs.sandbox.start()

    async def close(self) -> None:
        """Ends the sandboxes."""
        await asyncio.gather(*(r.close() for r in (self._runs, self._checkers, self._pytest_runs)))

    async def _judge(
        self, target: StdinStdout | Calls | Asserts, code: str, entry_point: str | None
    ) -> Judgement:
        limits, runs = self._limits(target.limits), self._runs.with_files(target.file_contents())
        code = with_prelude(code, target.prelude)
        if isinstance(target, StdinStdout):
            built = await self._compiler.build(target.language, code)
            if isinstance(built, Failure):
                return summary([built], cases=len(target.cases))
            # A checker has the time that a program has by default, however little this one has.
            checks = Checks(self._checkers, self._limits(CodeLimits()))
            found = await judge_printed(target, built, limits, runs, checks)
            return summary(found, cases=len(target.cases))
        if isinstance(target, Calls):
            failures = await judge_calls(target, code, limits, runs)
            return summary(failures, cases=len(target.cases))
        if entry_point is None:
            raise BadTarget("target: entry_point: expected a name, since no assert calls a function")
        return await self._asserts.judge(target, code, entry_point, limits)

    def _limits(self, given: CodeLimits) -> Limits:
        try:
            return Limits(
                cpu_seconds=given.cpu_seconds or self.config.cpu_seconds,
                # A stated limit of CPU time must not be cut short by the default limit of wall time.
                wall_seconds=given.wall_seconds
                or max(self.config.wall_seconds, 2 * (given.cpu_seconds or 0)),
                memory_mb=given.memory_mb or self.config.memory_mb,
                output_bytes=self.config.output_bytes,
                # The locks of multiprocessing are files.
                files=max(given.files, _FILES_OF_PROCESSES if given.processes else 0),
                processes=given.processes,
            )
        except ValueError as e:
            raise BadTarget(f"target: limits: {e}") from e


def _with_languages(config: SandboxConfig | None) -> SandboxConfig:
    """The sandbox's settings, by which compilers and runtimes can read their own."""
    config = config or SandboxConfig()
    return config.model_copy(update={"readable": (*config.readable, *folders())})


def _entry_point(target: StdinStdout | Calls | Asserts) -> str | None:
    if isinstance(target, StdinStdout):
        return None
    if isinstance(target, Calls) or target.entry_point:
        return target.entry_point
    tests = target.tests if isinstance(target.tests, str) else "\n".join(target.tests)
    return entry_point_of(tests)
