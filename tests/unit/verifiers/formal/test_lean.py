"""Lean: its output is read strictly; a real Lean is asked if it is installed."""

import json
import os
from pathlib import Path

import pytest

from tests.unit.verifiers.formal.cases import (
    MISSING,
    fenced,
    needs_coq,
)
from verifiers import Outcome, Target
from verifiers.formal.lean import refused_word
from verifiers.formal.verifier import FormalVerifier, proof_checkers

LEAN = Target(kind="lean", tests={"name": "t", "statement": "1 = 1", "preamble": "import Lib"})
_LEAN_PROOF = "theorem t : 1 = 1 := rfl"

_FAKE = """\
#!/bin/sh
# Says what `answer` says of the last line and the mark of the file that it is given.
last=$(grep -c '' Proof.lean)
mark=$(sed -n 's/^#print axioms checked_//p' Proof.lean)
[ -n "$mark" ] || exit 0
sed -e "s/LAST/$last/g" -e "s/MARK/$mark/g" "${0%/*}/answer"
"""


def _fake_lean(folder: Path, monkeypatch: pytest.MonkeyPatch, answer: str) -> FormalVerifier:
    """A verifier with a project whose `lake` names a Lean that answers this text."""
    binaries = folder / "toolchain" / "bin"
    binaries.mkdir(parents=True)
    (folder / "project").mkdir()
    (binaries / "answer").write_text(answer)
    (binaries / "lean").write_text(_FAKE)
    (binaries / "lake").write_text(f"#!/bin/sh\nprintf '%s\\n' {folder}/toolchain {folder}/project\n")
    for name in ("lean", "lake"):
        (binaries / name).chmod(0o755)
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    monkeypatch.setenv("PATH", f"{binaries}:/usr/bin:/bin")
    return FormalVerifier(FormalVerifier.Config(lean_project=folder / "project"))


def _says(line: str, severity: str, text: str) -> str:
    message = {"pos": {"line": 0, "column": 0}, "severity": severity, "data": text}
    return json.dumps(message).replace('"line": 0', f'"line": {line}') + "\n"


_NO_AXIOMS = "'checked_MARK' does not depend on any axioms"
LEAN_SAYS = {
    "proved": (_says("LAST", "info", _NO_AXIOMS), Outcome.PASS, "proved"),
    "standard axioms": (
        _says("LAST", "info", "'checked_MARK' depends on axioms: [propext,\n Quot.sound]"),
        Outcome.PASS,
        "proved, with Quot.sound, propext",
    ),
    "sorry": (
        _says("LAST", "info", "'checked_MARK' depends on axioms: [sorryAx]"),
        Outcome.FAIL,
        "depends on axioms that are not allowed: sorryAx",
    ),
    "native_decide": (
        _says("LAST", "info", "'checked_MARK' depends on axioms: [propext, Lean.ofReduceBool]"),
        Outcome.FAIL,
        "depends on axioms that are not allowed: Lean.ofReduceBool",
    ),
    "the words elsewhere": (_says("1", "info", _NO_AXIOMS), Outcome.FAIL, "not printed"),
    "the words for another": (
        _says("LAST", "info", "'t' does not depend on any axioms"),
        Outcome.FAIL,
        "axioms cannot be read",
    ),
    "the words twice": (_says("LAST", "info", _NO_AXIOMS) * 2, Outcome.FAIL, "not printed"),
    "the words and an error": (
        _says("LAST", "info", _NO_AXIOMS) + _says("5", "error", "unsolved goals"),
        Outcome.FAIL,
        "does not compile: line 1: unsolved goals",
    ),
    "nothing": ("", Outcome.FAIL, "not printed"),
    "no JSON": ("hello\n", Outcome.ERROR, "expected messages of lean in JSON, got hello"),
}


@needs_coq
@pytest.mark.parametrize("case", LEAN_SAYS)
async def test_what_lean_says_is_read_strictly(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, outcome, reason = LEAN_SAYS[case]
    verifier = _fake_lean(tmp_path, monkeypatch, answer)
    try:
        verdict = await verifier.verify("", fenced(_LEAN_PROOF, "lean"), LEAN)
    finally:
        await verifier.close()
    assert verdict.outcome is outcome, verdict.reason
    assert reason in verdict.reason
    assert verdict.evidence["checker"] == "lean"


async def test_lean_without_a_project_or_without_lake_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict = await FormalVerifier(FormalVerifier.Config()).verify(
        "", fenced(_LEAN_PROOF, "lean"), LEAN
    )
    assert verdict.outcome is Outcome.ERROR
    assert "lean_project is not set" in verdict.reason
    monkeypatch.setenv("PATH", "/nowhere")
    assert "lake is not installed" in proof_checkers(tmp_path)[1].text


@pytest.mark.parametrize(
    ("proof", "refused"),
    [
        ("theorem t : 1 = 1 := by sorry", "sorry"),
        ("theorem t : 1 = 1 := by native_decide", "native_decide"),
        ("axiom a : False", "axiom"),
        ("#eval 1", "#eval"),
        ("open Lean in run_cmd x", "Lean"),
        ("/- -/ macro /- -/", "macro"),
        ("-- a /-\nmacro -- -/", "macro"),
        ("/- a -- b -/ macro", "macro"),
        ("/- /- -/ -/ elab", "elab"),
        ("def a := '\"' -- macro", "macro"),
        ('def a := "/-" macro "-/"', "macro"),
        ("theorem t : 1 = 1 := by -- no sorry\n  simp /- a macro /- -/ -/", None),
        ("theorem axiomatic : l.prefix = notations := rfl", None),
    ],
)
def test_words_that_lean_proofs_may_not_have(proof: str, refused: str | None) -> None:
    assert refused_word(proof) == refused


_PROJECT = os.environ.get("BERRY_LEAN_PROJECT")


@pytest.mark.skipif(
    _PROJECT is None or bool(MISSING),
    reason=MISSING or "no Lean: set BERRY_LEAN_PROJECT to the folder of a built Lean 4 project",
)
@pytest.mark.parametrize(
    ("proof", "outcome"),
    [
        ("theorem t (n : Nat) : n + 0 = n := by simp", Outcome.PASS),
        (":= by intro n; rfl", Outcome.PASS),
        ("theorem t : True := trivial", Outcome.FAIL),
        ("theorem t (n : Nat) : n + 0 = n := by skip", Outcome.FAIL),
        ("theorem t (n : Nat) : n + 0 = n := sorry", Outcome.FAIL),
        ("axiom a : False\ntheorem t (n : Nat) : n + 0 = n := a.elim", Outcome.FAIL),
        ("namespace A\ntheorem t (n : Nat) : n + 0 = n := by simp", Outcome.FAIL),
    ],
)
async def test_with_a_real_lean(proof: str, outcome: Outcome) -> None:
    verifier = FormalVerifier(FormalVerifier.Config(lean_project=Path(_PROJECT or "")))
    target = Target(kind="lean", tests={"name": "t", "statement": "∀ n : Nat, n + 0 = n"})
    try:
        verdict = await verifier.verify("", fenced(proof, "lean"), target)
    finally:
        await verifier.close()
    assert verdict.outcome is outcome, verdict.reason
