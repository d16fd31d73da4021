"""`code`: checks that a program does what its tests ask for.

1. extract the program from the response (`reading/extraction.py`)
2. run it in the sandbox, which never contains the expected output or values
3. compare the results outside the program's reach: here (`stdin_stdout.py`, `calls.py`), or in the
   tests' own process (`asserts/checking.py`)
"""

import asyncio

from pydantic import BaseModel, ConfigDict, Field

from sandbox import Limits, SandboxConfig, SandboxUnavailable
from verifiers.code.asserts.checking import AssertsJudge, Forgeable
from verifiers.code.calls import judge_calls
from verifiers.code.compiler import Compiler
from verifiers.code.entry_point import entry_point_of
from verifiers.code.failures import Failure, Judgement, summary
from verifiers.code.languages import folders
from verifiers.code.reading.extraction import extract_code
from verifiers.code.reading.preludes import with_prelude
from verifiers.code.runs import Runs
from verifiers.code.stdin_stdout import Checks, judge_printed
from verifiers.code.targets import (
    KINDS,
    Asserts,
    Calls,
    CodeLimits,
    StdinStdout,
    check_target,
)
from verifiers.records import BadTarget, NothingKnown, Outcome, Target, Verdict, VerifierBase

_FILES_OF_PROCESSES = 64


class CodeVerifier(VerifierBase):
    """Judges programs by their tests."""

    class Config(BaseModel):
        """Limits of a run, unless a target states its own."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        cpu_seconds: float = Field(default=10.0, gt=0)
        """CPU time of a run; decides timeouts independently of the machine's load."""
        wall_seconds: float = Field(default=20.0, gt=0)
        """Wall time, for programs that sleep; time spent waiting for a core does not count."""
        memory_mb: int = Field(default=1024, ge=16)
        """Memory of each program."""
        output_bytes: int = Field(default=4_000_000, ge=1000)
        """Output limit of a run; raised if more output is expected."""
        compile_seconds: float = Field(default=30.0, gt=0)
        """CPU time for compiling a program in a language other than Python."""
        forgeable: Forgeable = "abstain"
        """Outcome of a pass that the program could have forged, because its tests only work in its own
        process or ask its own objects whether they are equal."""

    name = "code"
    version = "2"
    uses_sandbox = True
    target_kinds = KINDS

    def __init__(self, config: Config, sandbox: SandboxConfig | None = None) -> None:
        self.config = config
        self._runs = Runs(_with_languages(sandbox))
        # Checkers see the expected output, so no program of a model runs in these workers.
        self._checkers = Runs(sandbox)
        self._pytest_runs = Runs(sandbox, pytest=True)
        self._asserts = AssertsJudge(self._runs, self._pytest_runs, config.forgeable)
        self._compiler = Compiler(self._runs, config.compile_seconds)

    async def judge(self, prompt: str, response: str, target: Target) -> Verdict:
        """PASS or FAIL; ABSTAIN without code; ERROR if the sandbox or the target is faulty."""
        code: str | None = None
        evidence: dict[str, object] = {}
        try:
            checked = check_target(target)
            entry_point = _entry_point(checked)
            given = "" if isinstance(checked, StdinStdout) else checked.prompt
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
            # A checker gets the default time of a program, even if this program has less.
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
                # The default wall time must not cut a stated CPU time short.
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
    """The sandbox's settings, extended by the folders that compilers and runtimes read."""
    config = config or SandboxConfig()
    return config.model_copy(update={"readable": (*config.readable, *folders())})


def _entry_point(target: StdinStdout | Calls | Asserts) -> str | None:
    if isinstance(target, StdinStdout):
        return None
    if isinstance(target, Calls) or target.entry_point:
        return target.entry_point
    tests = target.tests if isinstance(target.tests, str) else "\n".join(target.tests)
    return entry_point_of(tests)
