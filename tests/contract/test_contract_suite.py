"""The suite that users run on their verifiers notices each way in which one can be bad."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.conftest import ROOT
from tests.contract.bad_verifiers import (
    RIGHT,
    TARGET,
    WRONG,
    BadEvidence,
    Blocks,
    ByProcess,
    CannotStart,
    Chancy,
    ClosesOnce,
    Counting,
    ErrorForWrong,
    Exits,
    Generous,
    Good,
    Hangs,
    NeedsNoTarget,
    NoReason,
    NoVerdict,
    OtherVersion,
    PassesAll,
    Raises,
    Strict,
    Unpicklable,
)
from tests.patience import LONG_SECONDS
from verifiers.testing import verifier_contract

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
    lines = [
        "from tests.contract import bad_verifiers as bad",
        "from verifiers.testing import verifier_contract",
    ]
    lines += [
        f"Test{cls.__name__} = verifier_contract(bad.{_name(cls)}, target=bad.TARGET, "
        "right=[bad.RIGHT], wrong=[bad.WRONG], "
        f"seconds={2 if cls in (Hangs, Blocks) else LONG_SECONDS})"
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
