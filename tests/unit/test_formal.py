"""The formal verifier, with the real Coq in the real sandbox: right proofs, wrong ones, and cheats.

What a cheat claims to prove is false wherever that can be, so that a PASS would be a hole.
"""

import asyncio
import json
import os
import pickle
import random
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox import SandboxUnavailable
from sandbox.levels import find_protection
from sandbox.records import Level
from verifiers import Outcome, Target, Verdict
from verifiers.coq import _ids as coq_ids
from verifiers.coq import parse_assumptions, parse_context
from verifiers.coq_text import blanked, refused_command, without_preamble
from verifiers.formal import FormalVerifier, proof_checkers
from verifiers.lean import refused_word
from verifiers.proofs import BadTarget, check_target, fenced_blocks, not_allowed


def _why_not() -> str:
    """Why proofs cannot be checked here; empty where they can."""
    if shutil.which("coqc") is None or shutil.which("coqchk") is None:
        return "coqc or coqchk is not installed: apt-get install coq"
    try:
        level = asyncio.run(find_protection()).level
    except SandboxUnavailable as e:
        return str(e)
    return "" if level is Level.NAMESPACES else "commands need the sandbox level namespaces"


_MISSING = _why_not()
needs_coq = pytest.mark.skipif(bool(_MISSING), reason=_MISSING)

FALSE = Target(kind="coq", tests={"name": "t", "statement": "1 = 2"})
TRUE = Target(kind="coq", tests={"name": "t", "statement": "1 = 1"})
ADD_COMM = Target(
    kind="coq",
    tests={
        "name": "add_comm",
        "statement": "forall n m : nat, n + m = m + n",
        "preamble": "Require Import Arith.\nRequire Import Lia.",
    },
)
_TREES = """\
Require Import List Arith.
Import ListNotations.
Inductive tree := Leaf | Node (l : tree) (v : nat) (r : tree).
Fixpoint size (t : tree) : nat :=
  match t with Leaf => 0 | Node l _ r => S (size l + size r) end.
Fixpoint mirror (t : tree) : tree :=
  match t with Leaf => Leaf | Node l v r => Node (mirror r) v (mirror l) end.
Lemma size_leaf : size Leaf = 0.
Proof. reflexivity. Qed."""
MIRROR = Target(
    kind="coq",
    tests={
        "name": "size_mirror",
        "statement": "forall t, size (mirror t) = size t",
        "preamble": _TREES,
    },
)
_MIRROR_PROOF = """\
Theorem size_mirror : forall t, size (mirror t) = size t.
Proof.
  induction t as [| l IHl v r IHr]; simpl.
  - reflexivity.
  - rewrite IHl, IHr, Nat.add_comm. reflexivity.
Qed."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def verifier() -> AsyncIterator[FormalVerifier]:
    built = FormalVerifier(FormalVerifier.Config())
    yield built
    await built.close()


def fenced(text: str, language: str = "coq") -> str:
    return f"Here is the proof.\n\n```{language}\n{text}\n```\nThat is it."


async def judge(verifier: FormalVerifier, proof: str, target: Target) -> Verdict:
    return await verifier.verify("", fenced(proof), target)


def with_tests(target: Target, **changes: object) -> Target:
    return replace(target, tests={**target.tests, **changes})


# ------------------------------------------------------------------------------------ right proofs

RIGHT = {
    "proof alone": (ADD_COMM, "Proof.\n  intros n m. lia.\nQed."),
    "proof alone, behind a comment": (ADD_COMM, "(* by lia *) Proof. intros; lia. Qed."),
    "theorem": (ADD_COMM, "Theorem add_comm : forall n m, n + m = m + n.\nProof. intros; lia. Qed."),
    "lemma, in other words": (
        ADD_COMM,
        "Lemma add_comm (a b : nat) : a + b = b + a. Proof. apply Nat.add_comm. Qed.",
    ),
    "definition": (ADD_COMM, "Definition add_comm : forall n m, n + m = m + n := Nat.add_comm."),
    "abbreviation": (ADD_COMM, "Notation add_comm := Nat.add_comm."),
    "stronger": (
        ADD_COMM,
        "Theorem strong : forall n m, n + m = m + n /\\ n = n. Proof. intros; lia. Qed.\n"
        "Definition add_comm n m := proj1 (strong n m).",
    ),
    "helpers, sections and bullets": (
        ADD_COMM,
        "Section S. Variable n : nat. Hypothesis H : n = n.\n"
        "Lemma zero : n + 0 = n. Proof. clear H. induction n as [| k IH].\n- reflexivity.\n"
        "- simpl. rewrite IH. reflexivity.\nQed. End S.\n"
        "Theorem add_comm : forall n m, n + m = m + n.\nProof.\n  induction n; intro m.\n"
        "  + simpl. symmetry. apply zero.\n  + simpl. rewrite IHn. apply plus_n_Sm.\nQed.",
    ),
    "axiom in a comment and a string": (
        TRUE,
        '(* no Axiom, (* Load "x". Admitted. *) *)\nRequire Import String.\n'
        'Definition s := "Admitted. Load (* ""x"" "%string.\n'
        "Theorem t : 1 = 1. Proof. reflexivity. Qed.",
    ),
    "module type": (
        TRUE,
        "Module Type T. Parameter x : nat. Axiom p : x = 1. End T.\n"
        "Module F (A : T). Lemma q : A.x = 1. Proof. exact A.p. Qed. End F.\n"
        "Theorem t : 1 = 1. Proof. reflexivity. Qed.",
    ),
    "words of commands as names": (
        TRUE,
        "Inductive code := Load | Store | Reset | Back (Drop : nat).\n"
        "Theorem t : 1 = 1. Proof. reflexivity. Qed.",
    ),
    "tried and given up": (
        TRUE,
        "Theorem u : 1 = 2. Proof. Abort.\nFail Definition v : 1 = 2 := eq_refl.\n"
        "Goal True. Proof. exact I. Qed.\nTheorem t : 1 = 1. Proof. Time reflexivity. Qed.",
    ),
    "saved under the name": (TRUE, "Goal 1 = 1. Proof. reflexivity. Save t."),
    "program": (TRUE, "Require Import Program.\nProgram Definition t : 1 = 1 := _.\n"),
    "prints a lot": (
        TRUE,
        'Theorem t : 1 = 1. Proof. do 20000 idtac "Closed under the global context". reflexivity. Qed.',
    ),
    "options for whoever loads it": (
        TRUE,
        "#[global] Set Printing All. Global Set Printing Width 3.\n"
        "Theorem t : 1 = 1. Proof. reflexivity. Qed.",
    ),
    "definitions of the preamble": (MIRROR, _MIRROR_PROOF),
    "the preamble again": (MIRROR, f"{_TREES}\n\n{_MIRROR_PROOF}"),
    "the preamble again, other imports": (
        MIRROR,
        "Require Import Lia.\n(* trees *)\n"
        f"{_TREES.replace('Require Import List', 'Require Import  Lia List')}\n{_MIRROR_PROOF}",
    ),
}


@needs_coq
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", RIGHT)
async def test_right_proofs_pass(verifier: FormalVerifier, case: str) -> None:
    target, proof = RIGHT[case]
    verdict = await judge(verifier, proof, target)
    assert (verdict.outcome, verdict.reason) == (Outcome.PASS, "proved")
    assert verdict.evidence["assumptions"] == []
    assert verdict.evidence["checker"] == "coq"
    assert str(verdict.evidence["checker_version"])[0].isdigit()
    assert verdict.evidence["level"] == "namespaces"
    assert pickle.loads(pickle.dumps(verdict)) == verdict
    json.dumps(dict(verdict.evidence))


# --------------------------------------------------------------------- wrong proofs and cheats: FAIL

_END = "Theorem t : 1 = 2. Proof. exact a. Qed."
NOT_ALLOWED = "rests on what is not allowed: a"
_NOT_THE_STATEMENT = "`t` does not prove the statement"
WRONG = {
    "wrong step": ("Proof.\n  reflexivity.\nQed.", "does not compile: line 2: "),
    "unfinished": ("Theorem t : 1 = 2.\nProof.\n  intros.", "pending proofs"),
    "open goal": ("Proof. intros. Qed.", "incomplete proof"),
    "other theorem": ("Theorem u : 1 = 1. Proof. reflexivity. Qed.", "proves no theorem `t`"),
    "aborted": ("Theorem t : 1 = 2. Proof. Abort.", "proves no theorem `t`"),
    # Gaps and axioms
    "Admitted": ("Theorem t : 1 = 2. Proof. Admitted.", "`Admitted` leaves something unproved"),
    "Admitted, in a bullet": ("Proof.\n- Admitted.", "`Admitted` leaves something unproved"),
    "admit": ("Proof. admit. Qed.", "given up"),
    "give_up": ("Proof. give_up. Defined.", "given up"),
    "sorry": ("Proof. sorry. Qed.", "sorry was not found"),
    "Axiom": (f"Axiom a : 1 = 2. {_END}", NOT_ALLOWED),
    "Local Axiom": (f"Local Axiom a : 1 = 2. {_END}", NOT_ALLOWED),
    "Parameter": (f"Parameter a : 1 = 2. {_END}", NOT_ALLOWED),
    "Conjecture": (f"Conjecture a : 1 = 2. {_END}", NOT_ALLOWED),
    "Variable": (f"Variable a : 1 = 2. {_END}", NOT_ALLOWED),
    "Hypothesis": (f"Hypothesis a : 1 = 2. {_END}", NOT_ALLOWED),
    "Context": (f"Context (a : 1 = 2). {_END}", NOT_ALLOWED),
    "Context, as an instance": (
        "Class C := c : 1 = 2. #[global] Declare Instance a : C. Definition t : 1 = 2 := c.",
        NOT_ALLOWED,
    ),
    "Declare Module": (
        "Module Type T. Parameter a : 1 = 2. End T. Declare Module M : T. Definition t := M.a.",
        "rests on what is not allowed: M.a",
    ),
    "functor of an axiom": (
        "Module Type T. Parameter a : 1 = 2. End T. Module F (X : T). Definition b := X.a. End F.\n"
        "Module M. Axiom a : 1 = 2. End M. Module N := F M. Definition t := N.b.",
        "rests on what is not allowed: M.a",
    ),
    "Admit Obligations": (
        "Require Import Program. Program Definition t : 1 = 2 := _. Admit Obligations.",
        "`Admit Obligations`",
    ),
    "obligation that is left": (
        "Require Import Program. Program Definition t : 1 = 2 := _.",
        "obligations",
    ),
    "Next Obligation": (
        "Program Definition t : 1 = 2 := _.\nNext Obligation. Admitted.",
        "`Admitted`",
    ),
    "Section Variable": (
        f"Section S. Variable a : 1 = 2. {_END} End S.",
        f'{_NOT_THE_STATEMENT}: The term "t" has type "1 = 2 -> 1 = 2"',
    ),
    "Section Context, Proof using": (
        "Section S. Context (a : 1 = 2). Theorem t : 1 = 2. Proof using a. exact a. Qed. End S.",
        f'{_NOT_THE_STATEMENT}: The term "t" has type "1 = 2 -> 1 = 2"',
    ),
    # Another statement under the same name, or other things under the statement's names
    "weaker": (
        "Theorem t : True. Proof. exact I. Qed.",
        f'{_NOT_THE_STATEMENT}: The term "t" has type "True"',
    ),
    "weaker, saved": ("Goal True. Proof. exact I. Save t.", _NOT_THE_STATEMENT),
    "notation for =": (
        'Notation "x = y" := (x <= y) : type_scope. Theorem t : 1 = 2. Proof. auto. Qed.',
        f'{_NOT_THE_STATEMENT}: The term "t" has type "1 <= 2"',
    ),
    "notation for numbers": (
        'Notation "2" := (S O). Theorem t : 1 = 2. Proof. reflexivity. Qed.',
        _NOT_THE_STATEMENT,
    ),
    "eq of its own": (
        'Inductive eq {A} (x y : A) : Prop := always. Notation "x = y" := (eq x y) : type_scope.\n'
        "Theorem t : 1 = 2. Proof. constructor. Qed.",
        _NOT_THE_STATEMENT,
    ),
    "nat of its own": (
        "Inductive nat := O | S (n : nat). Definition two := O. Definition one := O.\n"
        "Theorem t : one = two. Proof. reflexivity. Qed.",
        _NOT_THE_STATEMENT,
    ),
    "number notation": (
        "Inductive u := U. Definition p (n : Number.uint) : u := U.\n"
        "Definition q (n : u) : Number.uint := Number.UIntDecimal Decimal.Nil.\n"
        "Number Notation u p q : nat_scope. Open Scope nat_scope.\n"
        "Theorem t : 1 = 2. Proof. reflexivity. Qed.",
        _NOT_THE_STATEMENT,
    ),
    "True as False's name": (
        "Definition False := True. Theorem t : ~ False -> 1 = 2. Proof. intro H. destruct (H I). Qed.",
        _NOT_THE_STATEMENT,
    ),
    "coercion": (
        "Record boxed := Box { claim : Prop }. Coercion claim : boxed >-> Sortclass.\n"
        "Definition t : Box True := I.",
        _NOT_THE_STATEMENT,
    ),
    "canonical structure": (
        "Structure s := S' { carrier : Type; point : carrier }. Canonical Structure c := S' True I.\n"
        "Definition t : carrier _ := I.",
        _NOT_THE_STATEMENT,
    ),
    "in a module": (
        "Module M. Axiom a : True. Theorem t : True. Proof. exact I. Qed. End M. Import M.",
        "proves no theorem `t`",
    ),
    "modules named like ours": (
        "Module Berry. Module Proof. Definition statement := True.\n"
        "Theorem t : True. Proof. exact I. Qed. End Proof.\n"
        "Module Check. End Check. End Berry. Definition t := Berry.Proof.t.",
        f'{_NOT_THE_STATEMENT}: The term "t" has type "True"',
    ),
    "twice": (
        "Theorem t : True. Proof. exact I. Qed. Theorem t : 1 = 2. Proof. exact I. Qed.",
        "t already exists",
    ),
    "implicit arguments": (
        "Theorem t {a : 1 = 2} : 1 = 2. Proof. exact a. Qed.",
        f'{_NOT_THE_STATEMENT}: The term "@t" has type "1 = 2 -> 1 = 2"',
    ),
    "another alphabet": ("\u0391xiom a : 1 = 2. Definition t := a.", "Syntax error"),
    "a name that looks the same": (
        "Theorem \u0442 : True. Proof. exact I. Qed.",
        "proves no theorem `t`",
    ),
    # Checks that are off
    "Unset Guard Checking": (
        "Unset Guard Checking. Fixpoint a (n : nat) : 1 = 2 := a n. Definition t := a 0.",
        "`Unset Guard Checking` switches a check of the kernel off",
    ),
    "Unset Guard Checking, in a module": (
        "Module M. Local  Unset (* x *) Guard\nChecking. Fixpoint a (n : nat) : 1 = 2 := a n. End M.",
        "switches a check of the kernel off",
    ),
    "Unset Universe Checking": (
        "#[global] Unset Universe Checking. Definition t : 1 = 2 := eq_refl.",
        "`Unset Universe Checking` switches a check of the kernel off",
    ),
    "Unset Positivity Checking": (
        "Unset Positivity Checking. Inductive bad := B (f : bad -> False).",
        "`Unset Positivity Checking` switches a check of the kernel off",
    ),
    "bypass_check": (
        "#[bypass_check(guard)] Fixpoint a (n : nat) : 1 = 2 := a n. Definition t := a 0.",
        "`bypass_check` switches a check of the kernel off",
    ),
    "not positive": (
        "Inductive bad : Set := B (f : bad -> 1 = 2).",
        "Non strictly positive occurrence",
    ),
    "not guarded": ("Fixpoint a (n : nat) : 1 = 2 := a n. Definition t := a 0.", "is ill-formed"),
    # Files, code, and going back
    "Load": ('Load "x". Theorem t : True. exact I. Qed.', "`Load` loads code"),
    "Time Load": ('Fail Time Load "x". Theorem t : True. exact I. Qed.', "`Load` loads code"),
    "Load, behind comments": (
        '(* (* " *) " *) *) Load (* *) x. (* " *) *) " *)',
        "`Load` loads code",
    ),
    "Load, behind a string": ('Check "(*"%string. Load x. Check "*)"%string.', "`Load` loads code"),
    "Load, behind a brace": ("Proof. { Load x. } Qed.", "`Load` loads code"),
    "Load, behind a selector": ("Proof. all: Load x. Qed.", "`Load` loads code"),
    "Declare ML Module": (
        'Declare ML Module "ltac_plugin". Theorem t : True. exact I. Qed.',
        "`Declare ML Module` loads code",
    ),
    "Redirect": ('Redirect "x" Print nat.', "`Redirect` writes files"),
    "Extraction": ('Require Extraction. Extraction "x" plus.', "`Extraction` writes files"),
    "Recursive Extraction": (
        "Require Extraction. Recursive Extraction Library Datatypes.",
        "`Recursive Extraction` writes files",
    ),
    "Print Universes": ('Print Universes "x.gv".', "writes files"),
    "Cd": ('Cd "/".', "`Cd` changes where files are looked for"),
    "Add LoadPath": ('Add LoadPath "." as Berry.', "`Add LoadPath` changes where"),
    "Add Rec LoadPath": ('Add Rec LoadPath "." as Coq.', "`Add Rec LoadPath` changes where"),
    "Drop": ("Drop.", "`Drop` leaves or undoes the file"),
    "Reset": ("Reset Initial. Theorem t : True. exact I. Qed.", "`Reset` leaves or undoes the file"),
    "Back": ("Back 1. Theorem t : True. exact I. Qed.", "`Back` leaves or undoes the file"),
    # Words that look like ours
    "printed assumptions": (
        f"Axiom a : 1 = 2. {_END} Print Assumptions t.\n"
        'Goal True. idtac "Closed under the global context". exact I. Qed.',
        NOT_ALLOWED,
    ),
    "axiom named as the verdict": (
        "Axiom Closed : 1 = 2. Definition t := Closed.",
        "rests on what is not allowed: Closed",
    ),
}


@needs_coq
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", WRONG)
async def test_wrong_proofs_and_cheats_fail(verifier: FormalVerifier, case: str) -> None:
    proof, reason = WRONG[case]
    verdict = await judge(verifier, proof, FALSE)
    assert verdict.outcome is Outcome.FAIL, verdict.reason
    assert reason in verdict.reason
    assert "\n" not in verdict.reason
    assert "/tmp" not in verdict.reason
    assert "Proof_" not in verdict.reason


_T = " Theorem t : 1 = 1. Proof. reflexivity. Qed."
UNUSED = {
    "axiom": (f"Axiom a : False.{_T}", "assumes without proof, or unchecked: a"),
    "axiom in a module": (f"Module M. Axiom a : False. End M.{_T}", "unchecked: M.a"),
    "primitive": (f"Primitive int := #int63_type.{_T}", "unchecked: int"),
}
"""Nothing that the theorem rests on: yet a proof that leaves something open is no proof."""


@needs_coq
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", UNUSED)
async def test_axioms_that_are_not_used_fail_too(verifier: FormalVerifier, case: str) -> None:
    proof, reason = UNUSED[case]
    verdict = await judge(verifier, proof, TRUE)
    assert verdict.outcome is Outcome.FAIL
    assert reason in verdict.reason


_GUARD = "Fixpoint a (n : nat) : 1 = 2 := a n. Definition t := a 0."
_TYPES = "Definition U : Set := forall X : Set, X."
UNREAD = {
    "Admitted": ("Theorem t : 1 = 2. Proof. Admitted.", "rests on what is not allowed: t"),
    "Admit Obligations": (
        "Require Import Program. Program Definition t : 1 = 2 := _. Admit Obligations.",
        "rests on what is not allowed: t_obligation_1",
    ),
    "guard": (f"Unset Guard Checking. {_GUARD}", "a is assumed to be guarded."),
    "guard, by attribute": (f"#[bypass_check(guard)] {_GUARD}", "a is assumed to be guarded."),
    "positivity": (
        "Unset Positivity Checking. Inductive bad : Set := B (f : bad -> 1 = 2).\n"
        "Definition d (b : bad) : 1 = 2 := match b with B f => f b end. Definition t := d (B d).",
        "bad is assumed to be positive.",
    ),
    "universes": (
        f"Global Unset Universe Checking. {_TYPES} Axiom a : 1 = 2. Definition t := a.",
        "relies on an unsafe hierarchy.",
    ),
    "Reset": (
        "Reset Initial. Definition statement := True. Theorem t : True. exact I. Qed.",
        "The reference the statement was not found",
    ),
    "Load": ('Load "Proof". Theorem t : True. exact I. Qed.', "Can't find file Proof.v"),
    "Redirect": ('Redirect "Proof" Print nat. Theorem t : True. exact I. Qed.', _NOT_THE_STATEMENT),
    "Cd": ('Cd "/". Theorem t : True. exact I. Qed.', ""),
    "Drop": ("Drop. Theorem t : True. exact I. Qed.", ""),
    "Quit": ("Quit. Theorem t : True. exact I. Qed.", ""),
    "Extraction": (
        'Require Extraction. Extraction "Check.v" plus. Theorem t : True. exact I. Qed.',
        _NOT_THE_STATEMENT,
    ),
    "Declare ML Module": (
        'Declare ML Module "no_such_plugin". Theorem t : True. exact I. Qed.',
        "does not compile",
    ),
}


@needs_coq
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", UNREAD)
async def test_a_command_that_hides_from_the_reader_of_the_text_gains_nothing(
    verifier: FormalVerifier, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verifiers.coq.refused_command", lambda proof: None)
    proof, reason = UNREAD[case]
    verdict = await judge(verifier, proof, FALSE)
    assert verdict.outcome is Outcome.FAIL, verdict.reason
    assert reason in verdict.reason


@needs_coq
@pytest.mark.asyncio(loop_scope="module")
async def test_the_statement_cannot_be_made_again_under_its_name(
    verifier: FormalVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verifiers.coq.refused_command", lambda proof: None)
    # What can be worked out without the response's own text: the names for the target alone.
    name = coq_ids(check_target(FALSE), "").statement
    cheat = f"Reset Initial. Definition {name} : Type := True. Definition t := I."
    verdict = await judge(verifier, cheat, FALSE)
    assert verdict.outcome is Outcome.FAIL
    assert "The reference the statement was not found" in verdict.reason


# ------------------------------------------------------------------------------------------ axioms

_EXT = with_tests(
    TRUE,
    statement="forall f g : nat -> nat, (forall x, f x = g x) -> f = g",
    preamble="Require Import FunctionalExtensionality.",
)
_EXT_PROOF = "Proof. intros. extensionality x. auto. Qed."
_EXT_NAME = "functional_extensionality_dep"


@needs_coq
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "module", ["", "FunctionalExtensionality.", "Coq.Logic.FunctionalExtensionality."]
)
async def test_axioms_on_the_list_may_be_used(verifier: FormalVerifier, module: str) -> None:
    verdict = await judge(verifier, _EXT_PROOF, with_tests(_EXT, axioms=[module + _EXT_NAME]))
    assert verdict.outcome is Outcome.PASS
    assert verdict.evidence["assumptions"] == [f"FunctionalExtensionality.{_EXT_NAME}"]
    assert verdict.reason == f"proved, with FunctionalExtensionality.{_EXT_NAME}"


@needs_coq
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("axioms", [[], ["classic"], ["Other." + _EXT_NAME], ["dep"], ["nality_dep"]])
async def test_other_axioms_may_not(verifier: FormalVerifier, axioms: list[str]) -> None:
    verdict = await judge(verifier, _EXT_PROOF, with_tests(_EXT, axioms=axioms))
    assert verdict.outcome is Outcome.FAIL
    assert verdict.reason == f"rests on what is not allowed: FunctionalExtensionality.{_EXT_NAME}"


@needs_coq
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "proof",
    [
        f"Axiom {_EXT_NAME} : 1 = 2. Definition t := {_EXT_NAME}.",
        f"Module FunctionalExtensionality. Axiom {_EXT_NAME} : 1 = 2. End FunctionalExtensionality.\n"
        f"Definition t := FunctionalExtensionality.{_EXT_NAME}.",
    ],
)
async def test_an_axiom_of_the_response_is_not_on_the_list(
    verifier: FormalVerifier, proof: str
) -> None:
    target = with_tests(FALSE, axioms=[_EXT_NAME, f"FunctionalExtensionality.{_EXT_NAME}"])
    verdict = await judge(verifier, proof, target)
    assert verdict.outcome is Outcome.FAIL
    assert "assumes without proof, or unchecked: " in verdict.reason


@needs_coq
@pytest.mark.asyncio(loop_scope="module")
async def test_what_the_preamble_assumes_is_given(verifier: FormalVerifier) -> None:
    target = with_tests(
        TRUE, statement="f 0 = 1", preamble="Parameter f : nat -> nat. Axiom p : f 0 = 1."
    )
    assert (await judge(verifier, "Proof. exact p. Qed.", target)).outcome is Outcome.PASS
    cheat = await judge(verifier, "Axiom q : f 0 = 1. Definition t := q.", target)
    assert (cheat.outcome, cheat.reason) == (Outcome.FAIL, "rests on what is not allowed: q")


# ------------------------------------------------------------------------------ nothing to be known

BROKEN: dict[str, tuple[dict[str, object], str]] = {
    "statement is no text": ({"statement": 3}, "target: statement: "),
    "no name": ({"name": ""}, "target: name: "),
    "name of two words": ({"name": "t : True. Axiom u"}, "target: name: "),
    "unknown key": ({"proof": "x"}, "target: proof: Extra inputs are not permitted"),
    "empty statement": ({"statement": " . "}, "expected a proposition, got nothing"),
    "empty axiom": ({"axioms": [""]}, "target: axioms.0: "),
    "no proposition": ({"statement": "0"}, "target: statement: "),
    "unknown name": (
        {"statement": "nowhere = 1"},
        "target: statement: The reference nowhere was not found",
    ),
    "syntax": ({"statement": "forall x"}, "target: statement: Syntax error"),
    "comment that stays open": ({"statement": "True (* "}, "target: statement: "),
    "preamble": ({"preamble": "\nRequire Import Nowhere."}, "target: preamble: line 2: Cannot find"),
    "section that stays open": ({"preamble": "Section S."}, "target: statement: "),
}


@needs_coq
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", BROKEN)
async def test_a_broken_target_is_an_error_for_every_proof(verifier: FormalVerifier, case: str) -> None:
    changes, reason = BROKEN[case]
    target = with_tests(TRUE, **changes)
    for proof in ("Proof. reflexivity. Qed.", "Proof. Admitted."):
        verdict = await judge(verifier, proof, target)
        assert verdict.outcome is Outcome.ERROR
        assert reason in verdict.reason
        assert "\n" not in verdict.reason


async def test_an_unknown_kind_is_an_error() -> None:
    verdict = await FormalVerifier(FormalVerifier.Config()).verify("", "x", Target(kind="isabelle"))
    assert verdict.outcome is Outcome.ERROR
    assert "'coq' or 'lean'" in verdict.reason


@needs_coq
@pytest.mark.asyncio(loop_scope="module")
async def test_a_limit_that_is_reached_is_an_error(verifier: FormalVerifier) -> None:
    slow = "Fixpoint f n := match n with 0 => 1 | S m => f m + f m end.\nEval vm_compute in f 60."
    verdict = await judge(verifier, slow, with_tests(TRUE, limits={"cpu_seconds": 1}))
    assert (verdict.outcome, verdict.reason) == (Outcome.ERROR, "coqc ran over the time limit")
    large = "Fixpoint g n : list nat := match n with 0 => nil | S m => app (g m) (cons n (g m)) end.\n"
    large += "Eval vm_compute in (g 40)."
    verdict = await judge(verifier, large, with_tests(TRUE, limits={"memory_mb": 400}))
    assert (verdict.outcome, verdict.reason) == (Outcome.ERROR, "coqc ran over the memory limit")
    deep = "Fixpoint d n := match n with 0 => 0 | S m => S (d m) end.\n"
    deep += "Eval compute in d (200 * 200 * 200)."
    verdict = await judge(verifier, deep, TRUE)
    assert (verdict.outcome, verdict.reason) == (Outcome.ERROR, "coqc ran over the memory limit")


@needs_coq
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("words", ["Error: Out of memory.", "Fatal error: not enough memory\nAborted"])
async def test_words_of_a_limit_make_no_limit(verifier: FormalVerifier, words: str) -> None:
    verdict = await judge(verifier, f'Proof. fail "\n{words}". Qed.', FALSE)
    assert verdict.outcome is Outcome.FAIL
    assert "Tactic failure" in verdict.reason


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "response",
    [
        "",
        "I do not know.",
        "By Theorem add_comm we are done. QED",
        fenced("print(1)", "python"),
        fenced(""),
    ],
)
async def test_no_proof_is_no_answer(verifier: FormalVerifier, response: str) -> None:
    verdict = await verifier.verify("", response, ADD_COMM)
    assert (verdict.outcome, verdict.reason) == (Outcome.ABSTAIN, "the response gives no proof")
    assert verdict.extracted is None


async def test_without_coq_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    verdict = await judge(FormalVerifier(FormalVerifier.Config()), "Proof. Qed.", TRUE)
    assert (verdict.outcome, verdict.reason) == (
        Outcome.ERROR,
        "coqc is not installed: apt-get install coq",
    )
    coq = proof_checkers()[0]
    assert (coq.name, coq.found) == ("coq", False)
    assert "apt-get install coq" in coq.text


@needs_coq
def test_doctor_names_coq() -> None:
    coq, lean = proof_checkers()
    assert coq.found
    assert "/coqc" in coq.text
    assert (lean.name, lean.found) == ("lean", False)


# ------------------------------------------------------------------------------- responses of all sorts


@needs_coq
@pytest.mark.asyncio(loop_scope="module")
async def test_the_last_block_that_states_the_theorem_is_the_proof(verifier: FormalVerifier) -> None:
    right, wrong = "Lemma t : 1 = 1. Proof. reflexivity. Qed.", "Lemma t : True. Proof. exact I. Qed."
    last = await verifier.verify(
        "", f"{fenced(wrong)}\n{fenced(right, '')}\n{fenced('x', 'text')}", TRUE
    )
    assert (last.outcome, last.extracted) == (Outcome.PASS, right)
    first = await verifier.verify("", f"{fenced(right)}\n{fenced(wrong)}", TRUE)
    assert (first.outcome, first.extracted) == (Outcome.FAIL, wrong)
    bare = await verifier.verify("", right, TRUE)
    assert bare.outcome is Outcome.PASS


@needs_coq
@pytest.mark.asyncio(loop_scope="module")
async def test_huge_and_strange_responses_get_a_verdict(verifier: FormalVerifier) -> None:
    end = "\nTheorem t : 1 = 1. Proof. reflexivity. Qed."
    huge = await judge(verifier, "(* " + "x " * 500_000 + "*)" + end, TRUE)
    assert huge.outcome is Outcome.PASS
    for strange in (
        "(*" * 200_000,
        '"' * 199_999,
        "#[" * 100_000,
        "Proof. " + "(" * 100_000,
        "\0\ud800" + end,
    ):
        verdict = await judge(verifier, strange, TRUE)
        assert verdict.outcome in (Outcome.FAIL, Outcome.ERROR)
        json.dumps([verdict.reason, verdict.extracted]).encode()
        (verdict.extracted or "").encode()


@needs_coq
@pytest.mark.asyncio(loop_scope="module")
async def test_the_same_response_gets_the_same_verdict(verifier: FormalVerifier) -> None:
    other = FormalVerifier(FormalVerifier.Config())
    for target, proof in (RIGHT["saved under the name"], (FALSE, WRONG["weaker"][0])):
        first, second = await asyncio.gather(*(judge(v, proof, target) for v in (verifier, other)))
        assert replace(first, seconds=0.0) == replace(second, seconds=0.0)
    await other.close()
    await other.close()


def test_a_target_may_state_its_theorem_as_its_value() -> None:
    target = Target(kind="coq", value="1 = 1.", tests={"name": "t"})
    assert check_target(target).statement == "1 = 1"
    with pytest.raises(BadTarget, match="statement: Field required"):
        check_target(replace(target, value=None))


# ------------------------------------------------------------------------------------- reading texts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a (* b (* c *) d *) e", "a                   e"),
        ('a (* " *) " *) e', "a              e"),
        ('a "(*" b "*)" c', 'a "  " b "  " c'),
        ('a "x""(*" b', 'a "x""(*" b'.replace("x", " ").replace("(*", "  ")),
        ("a (*) b *) c", "a          c"),
        ("a (* b\nc", "a     \n "),
        ('a "b', 'a " '),
        ("*) a", "*) a"),
    ],
)
def test_comments_and_strings_are_blanked_as_coq_reads_them(text: str, expected: str) -> None:
    assert blanked(text) == expected


def _blanked_by_character(text: str) -> str:
    """The same rules, one character after the other."""
    shown, at, depth, in_string = "", 0, 0, False
    while at < len(text):
        mark = text[at : at + 2] if text[at : at + 2] in ("(*", "*)") else text[at]
        is_shown = not depth and not in_string
        if mark == '"':
            is_shown, in_string = not depth, not in_string
        elif in_string:
            mark = text[at]
        elif mark == "(*" or (mark == "*)" and depth):
            is_shown, depth = False, depth + (1 if mark == "(*" else -1)
        elif mark == "*)":
            mark = "*"
        shown += mark if is_shown else "".join("\n" if c == "\n" else " " for c in mark)
        at += len(mark)
    return shown


def test_blanking_follows_its_rules_on_any_text() -> None:
    choose = random.Random(0)
    for _ in range(20_000):
        text = "".join(choose.choices('(*)"a\n', k=choose.randrange(14)))
        assert blanked(text) == _blanked_by_character(text), text


@pytest.mark.parametrize(
    ("proof", "refused"),
    [
        ("Load x.", True),
        ("a. Load x.", True),
        ("a.Load x.", False),
        ("(* Load x. *) a.", False),
        ("Check Load.", False),
        ("#[local] Time Fail Load x.", True),
        ("Timeout 5 Load x.", True),
        ("a.\n- Load x.", True),
        ("Loader x.", False),
        ("Set Guard Checking.", False),
    ],
)
def test_commands_are_found_where_a_sentence_starts(proof: str, refused: bool) -> None:
    assert (refused_command(proof) is not None) is refused


def test_a_repeated_preamble_is_left_out_and_lines_keep_their_numbers() -> None:
    assert without_preamble("Definition a :=\n 1.\nProof.", "Definition a := 1.").strip() == "Proof."
    assert without_preamble("Definition a :=\n 1.\nProof.", "Definition a := 1.").count("\n") == 2
    assert without_preamble("Definition a := 2. Proof.", "Definition a := 1.").startswith("Definition")
    assert (
        without_preamble("Proof. auto. Qed.", "Lemma b : True. Proof. auto. Qed.")
        == "Proof. auto. Qed."
    )


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("Closed under the global context\n", {}),
        ("Axioms:\na : 1 = 2\nM.b\n  : long\n    type\n", {"a": "a", "M.b": "M.b"}),
        (
            "Axioms:\nf is assumed to be guarded.\n",
            {"f is assumed to be guarded.": "f is assumed to be guarded."},
        ),
        ("Closed under the global context\nx", None),
        ("x\nClosed under the global context\n", None),
        ("Section Variables:\na : 1 = 2\n", None),
        ("Axioms:\n", None),
        ("Axioms:\n  a : 1 = 2\n", None),
        ("", None),
    ],
)
def test_what_coq_prints_is_read_strictly(printed: str, expected: dict[str, str] | None) -> None:
    assert parse_assumptions(printed) == expected


@pytest.mark.parametrize("printed", ["", "CONTEXT SUMMARY\n* Axioms: <none>\n"])
def test_a_summary_that_lacks_something_is_no_summary(printed: str) -> None:
    assert parse_context(printed, "Berry.P.") is None


@pytest.mark.parametrize(
    ("name", "allowed", "fits"),
    [
        ("A.b", "b", True),
        ("A.b", "A.b", True),
        ("A.b", "X.A.b", True),
        ("A.b", "B.b", False),
        ("xb", "b", False),
        ("b", "xb", False),
    ],
)
def test_names_fit_module_by_module(name: str, allowed: str, fits: bool) -> None:
    assert (not_allowed({name: name}, (allowed,)) == []) is fits


def test_fences_of_all_sorts() -> None:
    text = "```coq\na\n```\n~~~~ {.Coq}\n```\n~~~~\n````\nopen"
    assert [*fenced_blocks(text)] == [("coq", "a"), ("coq", "```"), ("", "open")]
    assert [*fenced_blocks("`" * 100_000)] == [("", "")]


# -------------------------------------------------------------------------------------------- Lean

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
    """A verifier with a project of which `lake` names a Lean that answers so."""
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
        "rests on what is not allowed: sorryAx",
    ),
    "native_decide": (
        _says("LAST", "info", "'checked_MARK' depends on axioms: [propext, Lean.ofReduceBool]"),
        Outcome.FAIL,
        "rests on what is not allowed: Lean.ofReduceBool",
    ),
    "the words elsewhere": (_says("1", "info", _NO_AXIOMS), Outcome.FAIL, "not printed"),
    "the words for another": (
        _says("LAST", "info", "'t' does not depend on any axioms"),
        Outcome.FAIL,
        "is not clear",
    ),
    "the words twice": (_says("LAST", "info", _NO_AXIOMS) * 2, Outcome.FAIL, "not printed"),
    "the words and an error": (
        _says("LAST", "info", _NO_AXIOMS) + _says("5", "error", "unsolved goals"),
        Outcome.FAIL,
        "does not compile: line 1: unsolved goals",
    ),
    "nothing": ("", Outcome.FAIL, "not printed"),
    "no JSON": ("hello\n", Outcome.ERROR, "not as expected: hello"),
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
    _PROJECT is None or bool(_MISSING),
    reason=_MISSING or "no Lean: set BERRY_LEAN_PROJECT to the folder of a built Lean 4 project",
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
