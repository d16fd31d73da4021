"""The suite that users run on their verifiers notices each way in which one can be bad."""

import itertools
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from pydantic import BaseModel

from tests.conftest import ROOT
from verifiers import Outcome, Target, Verdict
from verifiers.testing import verifier_contract

RIGHT, WRONG = "it is 42", "it is 43"
TARGET = Target(kind="number", value="42")


class Good:
    """Wants the target's value as the last word; a plain function, without start and close."""

    class Config(BaseModel, extra="forbid"):
        pass

    name, version = "good", "1"

    def __init__(self, config: Config) -> None:
        self.config = config

    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        words = response.split()
        if target.value is None or not words or not words[-1].isdigit() or len(words[-1]) > 9:
            return self._say(Outcome.ABSTAIN, "no number or no target")
        found = Outcome.PASS if words[-1] == target.value else Outcome.FAIL
        return self._say(found, "the last word", words[-1])

    def _say(self, outcome: Outcome, reason: str, extracted: str | None = None) -> Verdict:
        return Verdict(
            outcome=outcome,
            reason=reason,
            extracted=extracted,
            verifier=self.name,
            version=self.version,
        )


class Raises(Good):
    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        if "\x00" in response:
            raise ValueError("a zero byte")
        return super().verify(prompt, response, target)


class PassesAll(Good):
    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        return self._say(Outcome.PASS, "why not")


class Generous(Good):
    """Takes text without an answer as right."""

    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        verdict = super().verify(prompt, response, target)
        return verdict if verdict.extracted else self._say(Outcome.PASS, "no objection")


class Strict(Good):
    """Fails what is right."""

    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        return self._say(Outcome.FAIL, "no")


class ErrorForWrong(Good):
    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        verdict = super().verify(prompt, response, target)
        return self._say(Outcome.ERROR, "bad") if verdict.outcome is Outcome.FAIL else verdict


class NeedsNoTarget(Good):
    """Guesses where there is no target."""

    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        return super().verify(prompt, response, Target(kind="number", value="42"))


class Chancy(Good):
    """Has a reason of its own for every verdict."""

    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        verdict = super().verify(prompt, response, target)
        return self._say(verdict.outcome, f"luck {random.random()}", verdict.extracted)


class ByProcess(Good):
    """Says the same again, but another process says something else."""

    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        verdict = super().verify(prompt, response, target)
        return self._say(verdict.outcome, f"process {os.getpid()}", verdict.extracted)


class Counting(Good):
    """Has another verdict with every call."""

    def __init__(self, config: Good.Config) -> None:
        super().__init__(config)
        self._calls = itertools.count()

    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        verdict = super().verify(prompt, response, target)
        return self._say(verdict.outcome, f"call {next(self._calls)}", verdict.extracted)


class Hangs(Good):
    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        while "\x00" in response:
            pass
        return super().verify(prompt, response, target)


class Blocks(Good):
    """As a coroutine that never yields."""

    async def verify(  # type: ignore[override]  # sync or async is the verifier's choice
        self, prompt: str, response: str, target: Target
    ) -> Verdict:
        while "\x00" in response:
            pass
        return super().verify(prompt, response, target)


class Exits(Good):
    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        if "\x00" in response:
            os._exit(3)
        return super().verify(prompt, response, target)


class NoReason(Good):
    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        verdict = super().verify(prompt, response, target)
        return self._say(verdict.outcome, " ", verdict.extracted)


class OtherVersion(Good):
    def _say(self, outcome: Outcome, reason: str, extracted: str | None = None) -> Verdict:
        return Verdict(outcome=outcome, reason=reason, verifier=self.name, version="2")


class NoVerdict(Good):
    def verify(self, prompt: str, response: str, target: Target) -> Any:
        return super().verify(prompt, response, target).outcome is Outcome.PASS


class BadEvidence(Good):
    def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        verdict = super().verify(prompt, response, target)
        return Verdict(
            outcome=verdict.outcome,
            reason="x",
            evidence={"seen": {1, 2}},
            verifier=self.name,
            version=self.version,
        )


class ClosesOnce(Good):
    closed = False

    def close(self) -> None:
        if self.closed:
            raise RuntimeError("closed already")
        self.closed = True


class CannotStart(Good):
    def start(self) -> None:
        raise RuntimeError("no such file")


def _local() -> type[Good]:
    class Local(Good):
        """Cannot be imported by its name."""

    return Local


Unpicklable = _local()

TestGood = verifier_contract(Good, target=TARGET, right=[RIGHT], wrong=[WRONG])

EVERYTHING = "everything"
BAD: dict[type[Good], set[str]] = {
    Raises: {"test_strange_text_never_passes[control characters]"},
    PassesAll: {"test_wrong_responses_fail", "test_without_a_target_nothing_is_a_trial"},
    Generous: {"test_what_answers_nothing_never_passes", "test_strange_text_never_passes[empty]"},
    Strict: {"test_right_responses_pass"},
    ErrorForWrong: {"test_wrong_responses_fail"},
    NeedsNoTarget: {"test_without_a_target_nothing_is_a_trial"},
    Chancy: {"test_the_same_question_has_the_same_answer"},
    ByProcess: {"test_the_same_question_has_the_same_answer"},
    Counting: {"test_the_same_question_has_the_same_answer"},
    Hangs: {"test_strange_text_never_passes[control characters]"},
    Blocks: {"test_strange_text_never_passes[1 MB of zero bytes]"},
    Exits: {"test_strange_text_never_passes[control characters]"},
    NoReason: {"test_right_responses_pass"},
    OtherVersion: {"test_right_responses_pass"},
    NoVerdict: {"test_right_responses_pass"},
    BadEvidence: {"test_right_responses_pass"},
    ClosesOnce: {"test_it_can_be_closed_twice_and_unused"},
    CannotStart: {EVERYTHING},
    Unpicklable: {EVERYTHING},
}
"""Verifier -> tests that have to fail for it, among others."""
HARMLESS = {Raises, Hangs, Exits, Blocks, ClosesOnce, ByProcess, Counting, Chancy, NeedsNoTarget}
"""Those of whom the rest has to pass: a lost process spoils no other test."""


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Class -> names of its failed tests, from a session of pytest with a suite for each."""
    folder = tmp_path_factory.mktemp("suites")
    lines = ["from tests.contract import test_contract_suite as bad"]
    lines += [
        f"Test{cls.__name__} = bad.verifier_contract(bad.{_name(cls)}, target=bad.TARGET, "
        "right=[bad.RIGHT], wrong=[bad.WRONG], seconds=2.0)"
        for cls in BAD
    ]
    (folder / "test_bad.py").write_text("\n".join(lines) + "\n")
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=report.xml"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    return _failures(folder / "report.xml")


def _name(cls: type[Good]) -> str:
    return "Unpicklable" if cls is Unpicklable else cls.__name__


def _failures(report: Path) -> dict[str, set[str]]:
    failures: dict[str, set[str]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        of_class = failures.setdefault(case.attrib["classname"].rpartition(".Test")[2], set())
        if case.find("failure") is not None or case.find("error") is not None:
            of_class.add(case.attrib["name"])
        else:
            of_class.discard(EVERYTHING)
    return failures


@pytest.mark.parametrize("cls", BAD, ids=lambda cls: cls.__name__)
def test_a_bad_verifier_fails_the_suite(failed: dict[str, set[str]], cls: type[Good]) -> None:
    expected, found = BAD[cls], failed[cls.__name__]
    if expected == {EVERYTHING}:
        assert len(found) > 30
    else:
        assert expected <= found
    if cls in HARMLESS:
        assert len(found) <= 2


def test_samples_that_test_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one response"):
        verifier_contract(Good, target=TARGET, right=[], wrong=[WRONG])
    with pytest.raises(ValueError, match="to be lists"):
        verifier_contract(Good, target=TARGET, right=[RIGHT], wrong=WRONG)
