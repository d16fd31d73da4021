"""Right proofs, wrong ones, and cheats, with the real Coq in the real sandbox.

Cheats claim to prove false statements wherever possible, so that a PASS would be a hole.
"""

import json
import pickle

import pytest

from tests.unit.verifiers.formal.cases import (
    ADD_COMM,
    FALSE,
    MIRROR,
    MIRROR_PROOF,
    TREES,
    TRUE,
    judge,
    needs_coq,
)
from verifiers import Outcome
from verifiers.formal.coq import _ids as coq_ids
from verifiers.formal.targets import check_target
from verifiers.formal.verifier import FormalVerifier

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
    "definitions of the preamble": (MIRROR, MIRROR_PROOF),
    "the preamble again": (MIRROR, f"{TREES}\n\n{MIRROR_PROOF}"),
    "the preamble again, other imports": (
        MIRROR,
        "Require Import Lia.\n(* trees *)\n"
        f"{TREES.replace('Require Import List', 'Require Import  Lia List')}\n{MIRROR_PROOF}",
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


_END = "Theorem t : 1 = 2. Proof. exact a. Qed."
NOT_ALLOWED = "depends on assumptions that are not allowed: a"
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
        "depends on assumptions that are not allowed: M.a",
    ),
    "functor of an axiom": (
        "Module Type T. Parameter a : 1 = 2. End T. Module F (X : T). Definition b := X.a. End F.\n"
        "Module M. Axiom a : 1 = 2. End M. Module N := F M. Definition t := N.b.",
        "depends on assumptions that are not allowed: M.a",
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
    # Disabled checks
    "Unset Guard Checking": (
        "Unset Guard Checking. Fixpoint a (n : nat) : 1 = 2 := a n. Definition t := a 0.",
        "`Unset Guard Checking` switches off a check of the kernel",
    ),
    "Unset Guard Checking, in a module": (
        "Module M. Local  Unset (* x *) Guard\nChecking. Fixpoint a (n : nat) : 1 = 2 := a n. End M.",
        "switches off a check of the kernel",
    ),
    "Unset Universe Checking": (
        "#[global] Unset Universe Checking. Definition t : 1 = 2 := eq_refl.",
        "`Unset Universe Checking` switches off a check of the kernel",
    ),
    "Unset Positivity Checking": (
        "Unset Positivity Checking. Inductive bad := B (f : bad -> False).",
        "`Unset Positivity Checking` switches off a check of the kernel",
    ),
    "bypass_check": (
        "#[bypass_check(guard)] Fixpoint a (n : nat) : 1 = 2 := a n. Definition t := a 0.",
        "`bypass_check` switches off a check of the kernel",
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
    "Cd": ('Cd "/".', "`Cd` changes the folders that are searched for files"),
    "Add LoadPath": ('Add LoadPath "." as Berry.', "`Add LoadPath` changes the folders"),
    "Add Rec LoadPath": ('Add Rec LoadPath "." as Coq.', "`Add Rec LoadPath` changes the folders"),
    "Drop": ("Drop.", "`Drop` leaves or undoes the file"),
    "Reset": ("Reset Initial. Theorem t : True. exact I. Qed.", "`Reset` leaves or undoes the file"),
    "Back": ("Back 1. Theorem t : True. exact I. Qed.", "`Back` leaves or undoes the file"),
    # Words that look like berry's own
    "printed assumptions": (
        f"Axiom a : 1 = 2. {_END} Print Assumptions t.\n"
        'Goal True. idtac "Closed under the global context". exact I. Qed.',
        NOT_ALLOWED,
    ),
    "axiom named as the verdict": (
        "Axiom Closed : 1 = 2. Definition t := Closed.",
        "depends on assumptions that are not allowed: Closed",
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
"""The theorem does not depend on it, yet a proof that leaves something open is no proof."""


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
    "Admitted": (
        "Theorem t : 1 = 2. Proof. Admitted.",
        "depends on assumptions that are not allowed: t",
    ),
    "Admit Obligations": (
        "Require Import Program. Program Definition t : 1 = 2 := _. Admit Obligations.",
        "depends on assumptions that are not allowed: t_obligation_1",
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
    monkeypatch.setattr("verifiers.formal.coq.refused_command", lambda proof: None)
    proof, reason = UNREAD[case]
    verdict = await judge(verifier, proof, FALSE)
    assert verdict.outcome is Outcome.FAIL, verdict.reason
    assert reason in verdict.reason


@needs_coq
@pytest.mark.asyncio(loop_scope="module")
async def test_the_statement_cannot_be_made_again_under_its_name(
    verifier: FormalVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verifiers.formal.coq.refused_command", lambda proof: None)
    # Names that can be computed without the response's own text: those for the target alone.
    name = coq_ids(check_target(FALSE), "").statement
    cheat = f"Reset Initial. Definition {name} : Type := True. Definition t := I."
    verdict = await judge(verifier, cheat, FALSE)
    assert verdict.outcome is Outcome.FAIL
    assert "The reference the statement was not found" in verdict.reason
