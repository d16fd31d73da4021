"""`asserts`: test code decides whether a program is right.

Tests run in a process separate from the program's, which they reach through a channel for plain values
(`inside/`). The program can see neither the tests nor their expected values, and its results are
compared outside its reach, whatever class they claim to have.

Two kinds of pass could still be forged: by tests that only work in the program's own process, and by
tests that ask the program's own objects whether they are equal. The option `forgeable` sets the outcome
for those.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from sandbox import Level, Limits, Result, Status
from verifiers.code.asserts.instrument import Prepared, prepare
from verifiers.code.failures import Failure, Judgement, Reason, counted, how_it_ended
from verifiers.code.inside.report import BadTests
from verifiers.code.kept import Kept
from verifiers.code.reading.extraction import preamble_of
from verifiers.code.runs import Runs, answers, off_loop
from verifiers.code.targets import Asserts
from verifiers.records import BadTarget, Outcome

Forgeable = Literal["abstain", "fail", "pass"]
_WRITES_FILES = re.compile(r"\b(?:tmp_path|tmpdir|tempfile|mkdir|makedirs|write_text)\b|\bopen\(")
_MAY_WRITE_FILES = re.compile(
    r"\b(?:shutil|matplotlib)\b|\bos\.(?:path|remove|unlink|rmdir|listdir)\b"
    r"|\.(?:csv|db|gz|json|log|pkl|tar|txt|xml|zip)\b"
)
"""matplotlib keeps a font cache."""
_MAY_START_PROCESSES = re.compile(r"^[ \t]*(?:import|from)[ \t]+(?:subprocess|multiprocessing)\b", re.M)
_NUM_FILES, _NUM_PROCESSES = 100, 8
_MOST_LINES, _MOST_CASES = 100_000, 10**12
_MOST_PREPARED_BYTES = 64_000_000
_FORGEABLE = {"abstain": Outcome.ABSTAIN, "fail": Outcome.FAIL, "pass": Outcome.PASS}


class AssertsJudge:
    """Runs test code; pytest is loaded only if some tests need it."""

    def __init__(self, runs: Runs, pytest_runs: Runs, forgeable: Forgeable) -> None:
        self._runs, self._pytest_runs = runs, pytest_runs
        self._outcome = _FORGEABLE[forgeable]
        self._prepared: Kept[Prepared] = Kept(_MOST_PREPARED_BYTES)

    async def judge(self, target: Asserts, code: str, entry_point: str, limits: Limits) -> Judgement:
        """The tests' judgement of the program. Raises BadTarget, NothingKnown, SandboxUnavailable."""
        tests = target.tests if isinstance(target.tests, str) else "\n".join(target.tests)
        preamble = preamble_of(target.prompt, entry_point.split(".")[0])
        prepared = await self._prepare(tests, entry_point, preamble)
        request = {
            "code": code,
            "entry_point": entry_point,
            "tests": base64.b64encode(prepared.code).decode(),
            "needs_pytest": prepared.needs_pytest,
            "names": prepared.names,
            "given_literals": prepared.given_literals,
            "preamble": preamble,
            "seeds_numpy": "numpy" in tests and ".seed(" in tests,
        }
        runs = self._pytest_runs if prepared.needs_pytest else self._runs
        limits = await _with_room(limits, runs, f"{preamble}\n{tests}", code)
        runs = runs.with_files(target.file_contents())
        why = prepared.one_process
        if not why:
            result = await runs.run_tests({**request, "apart": True}, limits)
            report = await _read(result, prepared.sources)
            if report.lines.bad_tests:
                raise BadTarget(f"target: tests: {report.lines.bad_tests}")
            why = report.lines.unsupported
            if not why:
                judged = report.judgement()
                return self._forgeable(judged, report.consulted) if report.consulted else judged
        result = await runs.run_tests({**request, "apart": False}, limits)
        report = await _read(result, prepared.sources)
        return self._forgeable(report.judgement(), why)

    async def _prepare(self, tests: str, entry_point: str, preamble: str) -> Prepared:
        """The prepared tests, cached because many responses have the same ones."""
        key = tests, entry_point, preamble
        prepared = self._prepared.get(key)
        if prepared is None:
            try:
                prepared = await off_loop(len(tests), prepare, *key)
            except BadTests as e:
                raise BadTarget(f"target: tests: {e}") from e
            num_bytes = len(tests) + len(preamble) + len(prepared.code)
            self._prepared.put(key, prepared, num_bytes)
        return prepared

    def _forgeable(self, judged: Judgement, why: str) -> Judgement:
        """The judgement, or the outcome for a pass that the program could have forged."""
        outcome, reason, evidence = judged
        evidence = {**evidence, "forgeable": True, "not_apart": why}
        if outcome is not Outcome.PASS:
            return outcome, reason, evidence
        if self._outcome is Outcome.PASS:
            return judged[0], reason, evidence
        # Without the number of cases, so that a summary groups such verdicts.
        return self._outcome, f"a pass that the program could have forged: {why}", evidence


class _FirstFailure(BaseModel):
    case: int = Field(ge=0, le=_MOST_CASES)
    code: Reason
    text: str
    source: int | None


class _Lines(BaseModel):
    """Lines that the tests' process writes, in any order."""

    bad_tests: str = ""
    unsupported: str = ""
    consulted: list[str] = []
    passed: int = Field(default=0, ge=0, le=_MOST_CASES)
    cases: int | None = Field(default=None, ge=1, le=_MOST_CASES)
    cut_short: bool = False
    failure: _FirstFailure | None = None


class _Report:
    """Results of a run of tests, read from the lines it wrote."""

    def __init__(self, result: Result, sources: Sequence[str]) -> None:
        self._result, self._sources = result, sources
        written: dict[str, Any] = {}
        for line in answers(result, most=_MOST_LINES):
            written.update(line)
        try:
            self.lines = _Lines.model_validate(written)
        except ValidationError:
            # If the program shares the process, the lines may contain anything.
            forged = _FirstFailure(case=0, code=Reason.FORGED, text="a report of its own", source=None)
            self.lines = _Lines(failure=forged)

    @property
    def consulted(self) -> str:
        """Description of an assertion that the program's own objects decided; "" if there is none."""
        names = self.lines.consulted
        return f"the tests ask the program's own {names[0]}" if names else ""

    def judgement(self) -> Judgement:
        """Outcome, reason and evidence."""
        lines = self.lines
        first = None if lines.failure is None else (lines.failure.case, self._failure(lines.failure))
        if lines.cases is not None and not lines.cut_short:
            return counted(cases=lines.cases, passed=lines.passed, untried=0, first=first)
        ended = self._how_it_ended()
        tried = lines.passed + 1 if lines.cases is None else lines.cases
        first = first or (lines.passed, ended)
        return counted(cases=tried, passed=lines.passed, untried=None, first=first)

    def _how_it_ended(self) -> Failure:
        if self._result.status is Status.OK:
            return Failure(Reason.RUNTIME_ERROR, "the process ended before its tests finished")
        return how_it_ended(self._result)

    def _failure(self, first: _FirstFailure) -> Failure:
        if self._result.companion is Status.MEMORY_LIMIT:
            return Failure(Reason.MEMORY_LIMIT, "over the memory limit")
        is_case = first.source is not None and 0 <= first.source < len(self._sources)
        source = f"{self._sources[first.source or 0]}: " if is_case else ""
        return Failure(first.code, source + first.text)


async def _with_room(limits: Limits, runs: Runs, tests: str, code: str) -> Limits:
    """The limits, raised for files and processes that the tests need but the target omits."""
    if limits.files == 0 and _WRITES_FILES.search(tests):
        limits = replace(limits, files=_NUM_FILES)
    await runs.sandbox.start()
    if runs.sandbox.protection is None or runs.sandbox.protection.level < Level.NAMESPACES:
        # Uncertain needs must not turn tests that work without them into errors.
        return limits
    if limits.processes == 0 and _MAY_START_PROCESSES.search(tests):
        limits = replace(limits, processes=_NUM_PROCESSES, files=max(limits.files, _NUM_FILES))
    if limits.files == 0 and (_MAY_WRITE_FILES.search(tests) or "matplotlib" in code):
        limits = replace(limits, files=_NUM_FILES)
    return limits


async def _read(result: Result, sources: Sequence[str]) -> _Report:
    return await off_loop(len(result.stdout), _Report, result, sources)
