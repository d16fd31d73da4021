"""`asserts`: test code decides whether a program is right.

Tests run in a process of their own, apart from the program's, which they reach through a channel for
plain values (`inside/`). So a program finds neither the tests nor what they expect, and whatever class
its results claim to be of, they are compared where it has no say.

Two kinds of pass could still be forged: of tests that only work in the program's own process, and
of tests that ask the program's own objects whether they are equal. The option `forgeable` says what
becomes of those.
"""

import re
from dataclasses import replace
from typing import Any, Literal

from sandbox import Limits, Result, Status
from verifiers.code.extraction import preamble_of
from verifiers.code.failures import Failure, Judgement, Reason, how_it_ended, summary
from verifiers.code.runs import Runs, answers
from verifiers.code.targets import Asserts, BadTarget
from verifiers.records import Outcome

Forgeable = Literal["abstain", "fail", "pass"]
_NEEDS_PYTEST = re.compile(r"\bpytest\b|def (?:setup|teardown)_\w+\(|def test\w*\((?!self\)|\)|self:)")
"""What `inside/instrument.py` may want to run with pytest, and a little more."""
_WRITES_FILES = re.compile(r"\b(?:tmp_path|tmpdir|tempfile|mkdir|makedirs|write_text)\b|\bopen\(")
_NUM_FILES = 100
_MOST_LINES = 100_000
_FORGEABLE = {"abstain": Outcome.ABSTAIN, "fail": Outcome.FAIL, "pass": Outcome.PASS}


class AssertsJudge:
    """Runs test code; pytest is kept ready only if some tests need it."""

    def __init__(self, runs: Runs, pytest_runs: Runs, forgeable: Forgeable) -> None:
        self._runs, self._pytest_runs, self._forgeable = runs, pytest_runs, forgeable

    async def judge(self, target: Asserts, code: str, entry_point: str, limits: Limits) -> Judgement:
        """What the tests say of the program. Raises BadTarget, NothingKnown, SandboxUnavailable."""
        tests = target.tests if isinstance(target.tests, str) else "\n".join(target.tests)
        request = {
            "code": code,
            "entry_point": entry_point,
            "tests": tests,
            "preamble": preamble_of(target.prompt, entry_point.split(".")[0]),
            "apart": True,
        }
        if limits.files == 0 and _WRITES_FILES.search(tests):
            limits = replace(limits, files=_NUM_FILES)
        runs = self._pytest_runs if _NEEDS_PYTEST.search(tests) else self._runs
        found = _Found(await runs.run_tests(request, limits))
        why = found.unsupported
        if why:
            # Nothing that is written there is taken for more than a pass or a failure.
            found = _Found(await runs.run_tests({**request, "apart": False}, limits), trusted=False)
        elif found.consulted:
            why = f"they ask the program's own {found.consulted[0]}"
        return self._forgeable_pass(found.judgement(), why)

    def _forgeable_pass(self, judged: Judgement, why: str) -> Judgement:
        outcome, reason, evidence = judged
        if not why:
            return judged
        evidence = {**evidence, "forgeable": True, "not_apart": why}
        if outcome is not Outcome.PASS:
            return outcome, reason, evidence
        said = f"{reason}, but the program could have forged that: {why}"
        return _FORGEABLE[self._forgeable], said, evidence


class _Found:
    """What the tests' process reported."""

    def __init__(self, result: Result, *, trusted: bool = True) -> None:
        self._result = result
        self._lines: dict[str, Any] = {}
        for line in answers(result, most=_MOST_LINES):
            self._lines.update(line)
        if (bad := self._lines.get("bad_tests")) and trusted:
            raise BadTarget(f"target: tests: {bad}")
        self.unsupported: str = self._lines.get("unsupported", "")
        self.consulted: list[str] = self._lines.get("consulted", [])

    def judgement(self) -> Judgement:
        """Outcome, reason and evidence."""
        first, cases = self._lines.get("failure"), self._lines.get("cases")
        ended = self._ended_early(first)
        if cases is None or (first is not None and self._lines["cut_short"]):
            # How many cases there are is not known.
            passed = self._lines.get("passed", 0)
            judged = summary([*[None] * passed, ended or _failure(first)])
            return judged[0], judged[1], {**judged[2], "share": None}
        if first is None:
            return summary([None] * cases)
        # The first failure and how many held are known; where the other failures are does not matter.
        before, passed = first["case"], self._lines["passed"]
        failed = [_failure(first)] * (cases - passed)
        return summary([*[None] * before, *failed, *[None] * (passed - before)])

    def _ended_early(self, first: dict[str, Any] | None) -> Failure | None:
        """How the run ended, where that says more than what the tests noticed."""
        result = self._result
        if result.companion is Status.MEMORY_LIMIT:
            return Failure(Reason.MEMORY_LIMIT, "over the memory limit")
        if "cases" in self._lines or first is not None:
            return None
        if result.status is Status.OK:
            return Failure(Reason.RUNTIME_ERROR, "the process ended before its tests did")
        return how_it_ended(result)


def _failure(first: Any) -> Failure:
    return Failure(Reason(first["code"]), first["text"])
