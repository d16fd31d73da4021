"""Every verifier in the catalogue returns complete verdicts to direct callers, as a library."""

import ast
from collections.abc import Mapping
from typing import Any

import pytest

from tests.conftest import ROOT
from verifiers import Outcome, Target, Verdict, VerifierBase
from verifiers.catalog import VERIFIER, VERIFIERS
from verifiers.math.consensus import Consensus
from verifiers.records import stamp

EXACT = {"verifiers": [{"use": "exact"}]}
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "all_of": EXACT,
    "any_of": EXACT,
    "first_decisive": EXACT,
    "by_kind": {"kinds": {"math": {"use": "exact"}}},
    "model_judge": {"base_url": "http://127.0.0.1:1/v1", "model": "nobody"},
}


@pytest.mark.parametrize("name", VERIFIERS)
async def test_a_verdict_of_a_direct_call_is_complete(name: str) -> None:
    part = VERIFIER.part({"use": name, **OPTIONS.get(name, {})})
    verifier: VerifierBase = part.build()
    try:
        # Each judges a target without a value, and starts nothing for it.
        verdict = await verifier.verify("", "", Target(kind="unknown"))
    finally:
        await verifier.close()
    assert (verdict.verifier, verdict.version) == (name, verifier.version)
    assert verdict.seconds is not None
    assert verdict.seconds >= 0


async def test_a_combination_keeps_the_names_of_its_parts() -> None:
    verifier: VerifierBase = VERIFIER.part({"use": "all_of", **EXACT}).build()
    verdict = await verifier.verify("", "#### 1", Target(kind="math", value="1"))
    parts: Any = verdict.evidence["parts"]
    assert [(one["verifier"], one["version"]) for one in parts] == [("exact", "2")]
    assert verdict.verifier == "all_of"


async def test_a_vote_is_stamped_too() -> None:
    consensus = Consensus(Consensus.Config())
    try:
        verdicts = await consensus.verify_all("", ["#### 1", "#### 1", "#### 2"])
    finally:
        await consensus.close()
    assert {(one.verifier, one.version) for one in verdicts} == {("consensus", Consensus.version)}
    assert all(one.seconds is not None for one in verdicts)


def test_a_complete_verdict_is_not_changed() -> None:
    given = Verdict(outcome=Outcome.PASS, reason="r", verifier="a", version="1", seconds=0.0)
    assert stamp(given, name="b", version="2", seconds=9.0) is given


def test_no_verifier_stamps_its_verdicts_by_hand() -> None:
    """Except for the two that answer in another's name, and for one that cannot be called."""
    by_hand = [
        (path.name, call.lineno)
        for path in sorted((ROOT / "verifiers").rglob("*.py"))
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Verdict"
        if any(keyword.arg in ("verifier", "version", "seconds") for keyword in call.keywords)
    ]
    assert {name for name, _ in by_hand} <= {"border.py", "combine.py"}
