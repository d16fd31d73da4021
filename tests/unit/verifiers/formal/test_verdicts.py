"""Axioms, broken targets, limits, and responses of all sorts, with the real Coq."""

import asyncio
import json
from dataclasses import replace

import pytest

from tests.unit.verifiers.formal.cases import (
    ADD_COMM,
    FALSE,
    TRUE,
    fenced,
    judge,
    needs_coq,
    with_tests,
)
from tests.unit.verifiers.formal.test_proofs import RIGHT, WRONG
from verifiers import Outcome, Target
from verifiers.formal.targets import check_target
from verifiers.formal.verifier import FormalVerifier, proof_checkers
from verifiers.records import BadTarget

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
    assert (
        verdict.reason
        == f"depends on assumptions that are not allowed: FunctionalExtensionality.{_EXT_NAME}"
    )


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
    assert (cheat.outcome, cheat.reason) == (
        Outcome.FAIL,
        "depends on assumptions that are not allowed: q",
    )


BROKEN: dict[str, tuple[dict[str, object], str]] = {
    "statement is no text": ({"statement": 3}, "target: statement: "),
    "no name": ({"name": ""}, "target: name: "),
    "name of two words": ({"name": "t : True. Axiom u"}, "target: name: "),
    "unknown key": ({"proof": "x"}, "target: proof: unknown key"),
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
        assert first == second
    await other.close()
    await other.close()


def test_a_target_may_state_its_theorem_as_its_value() -> None:
    target = Target(kind="coq", value="1 = 1.", tests={"name": "t"})
    assert check_target(target).statement == "1 = 1"
    with pytest.raises(BadTarget, match="statement: is missing"):
        check_target(replace(target, value=None))
