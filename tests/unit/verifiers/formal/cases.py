"""Theorems to prove, and helpers that ask the verifier."""

import asyncio
import shutil
from dataclasses import replace

import pytest

from sandbox import SandboxUnavailable
from sandbox.levels import find_protection
from sandbox.records import Level
from verifiers import Target, Verdict
from verifiers.formal.verifier import FormalVerifier


def _why_not() -> str:
    """Reason why proofs cannot be checked here; empty if they can."""
    if shutil.which("coqc") is None or shutil.which("coqchk") is None:
        return "coqc or coqchk is not installed: apt-get install coq"
    try:
        level = asyncio.run(find_protection()).level
    except SandboxUnavailable as e:
        return str(e)
    return "" if level is Level.NAMESPACES else "commands need the sandbox level namespaces"


MISSING = _why_not()
needs_coq = pytest.mark.skipif(bool(MISSING), reason=MISSING)

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
TREES = """\
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
        "preamble": TREES,
    },
)
MIRROR_PROOF = """\
Theorem size_mirror : forall t, size (mirror t) = size t.
Proof.
  induction t as [| l IHl v r IHr]; simpl.
  - reflexivity.
  - rewrite IHl, IHr, Nat.add_comm. reflexivity.
Qed."""


def fenced(text: str, language: str = "coq") -> str:
    return f"Here is the proof.\n\n```{language}\n{text}\n```\nThat is it."


async def judge(verifier: FormalVerifier, proof: str, target: Target) -> Verdict:
    return await verifier.verify("", fenced(proof), target)


def with_tests(target: Target, **changes: object) -> Target:
    return replace(target, tests={**target.tests, **changes})
