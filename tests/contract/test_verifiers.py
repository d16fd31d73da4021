"""Every verifier of the catalogue passes the contract suite that users run on theirs."""

import shutil
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pytest

from tests.contract.judge_server import judge_server
from verifiers import Outcome, Target
from verifiers.catalog import VERIFIER, VERIFIERS
from verifiers.combine import AllOf, AnyOf, FirstDecisive
from verifiers.isolation.examiner import Examiner
from verifiers.testing import VerifierContract, verifier_contract


def contract(name: str, *changes: type[VerifierContract], **sample: Any) -> type[VerifierContract]:
    """The suite for a name in the catalogue, and additional rules for built-in verifiers."""
    suite = verifier_contract(VERIFIER.find(name), **sample)
    return type(suite.__name__, (*changes, SaysSo, suite), {"__module__": __name__})


class SaysSo(VerifierContract):
    """An abstention on a response that gives no answer says so, since that is not right."""

    judged_all_the_same: ClassVar[str | None] = None
    """An opinion of the verifier on one of the `no_answer` responses."""

    def test_a_response_without_an_answer_is_marked_as_such(self, examiner: Examiner) -> None:
        for response in ("", *self.exam.no_answer):
            verdict = self._ask(examiner, response)
            if verdict.outcome is Outcome.ABSTAIN and response != self.judged_all_the_same:
                assert verdict.no_answer, verdict


class FewStrangeTexts(VerifierContract):
    """For `any_of` and `first_decisive`: one strange text of each sort instead of all of them.

    Neither reads a response. They pass it to their parts on the path that they have in common with
    `all_of`, which gets all of them; the last test here checks that this is still so.
    """

    @pytest.mark.parametrize("name", ["empty", "lone surrogates", "1 MB of zero bytes"])
    def test_strange_text_never_passes(self, examiner: Examiner, name: str) -> None:
        super().test_strange_text_never_passes(examiner, name)


ANSWERS: dict[str, Any] = {
    "target": Target(kind="math", value="42"),
    "right": [r"So it is \boxed{42}.", "#### 42"],
    "wrong": [r"So it is \boxed{41}.", "#### 420"],
}
BOTH = {"verifiers": [{"use": "math", "timeout_seconds": 1}, {"use": "exact"}]}
INTEGER = {"type": "integer"}

TestMath = contract("math", **ANSWERS)
TestExact = contract("exact", **ANSWERS)
TestAllOf = contract("all_of", options=BOTH, **ANSWERS)
TestAnyOf = contract("any_of", FewStrangeTexts, options=BOTH, **ANSWERS)
TestFirstDecisive = contract("first_decisive", FewStrangeTexts, options=BOTH, **ANSWERS)
TestByKind = contract(
    "by_kind", options={"kinds": {"math": {"use": "math"}, "choice": {"use": "exact"}}}, **ANSWERS
)
TestCode = contract(
    "code",
    target=Target(
        kind="calls", tests={"entry_point": "f", "cases": [{"args": [6, 7], "expected": 42}]}
    ),
    right=["```python\ndef f(a, b): return a * b\n```"],
    wrong=["```python\ndef f(a, b): return a + b\n```"],
)
TestFormal = pytest.mark.skipif(shutil.which("coqc") is None, reason="coqc is not installed")(
    contract(
        "formal",
        target=Target(kind="coq", value="1 + 1 = 2", tests={"name": "two"}),
        right=["```coq\nTheorem two : 1 + 1 = 2.\nProof. reflexivity. Qed.\n```"],
        wrong=["```coq\nTheorem two : 1 + 1 = 2.\nProof. exact I. Qed.\n```"],
        # A compiler starts for each of them.
        seconds=60.0,
    )
)
TestMultipleChoice = contract(
    "multiple_choice",
    target=Target(kind="multiple_choice", value="B"),
    right=["The answer is B.", r"\boxed{B}"],
    wrong=["The answer is C."],
)
TestRegex = contract(
    "regex",
    target=Target(kind="regex", value=r"4[0-2]"),
    right=[r"\boxed{42}"],
    wrong=[r"\boxed{43}"],
)
TestJsonSchema = contract(
    "json_schema",
    target=Target(
        kind="json_schema",
        tests={"schema": {"type": "object", "properties": {"n": INTEGER}, "required": ["n"]}},
    ),
    right=['```json\n{"n": 42}\n```'],
    wrong=['```json\n{"n": "42"}\n```'],
)
TestReasoningGym = contract(
    "reasoning_gym",
    target=Target(
        kind="reasoning_gym",
        tests={
            "dataset": "chain_sum",
            "entry": {"question": "40 + 2?", "answer": "42", "metadata": {}},
        },
    ),
    right=["<answer>42</answer>", r"\boxed{42}"],
    wrong=["<answer>41</answer>"],
)


class TestModelJudge(contract("model_judge", **ANSWERS)):  # type: ignore[misc]  # a class made at run time
    """With a server that judges by the sample's own answer, since a real one has a model's opinion."""

    judged_all_the_same = "I wonder."

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls) -> Iterator[Mapping[str, Any]]:
        with judge_server(ANSWERS["right"], ANSWERS["wrong"]) as address:
            yield {"base_url": address, "model": "judge"}


def examined() -> set[type[Any]]:
    """The classes covered by a suite in this module."""
    suites = [v for v in globals().values() if isinstance(v, type) and issubclass(v, VerifierContract)]
    return {suite.exam.cls for suite in suites if hasattr(suite, "exam")}


def test_every_one_says_which_kinds_it_takes() -> None:
    silent = [name for name in VERIFIERS if not hasattr(VERIFIER.find(name), "target_kinds")]
    assert silent == []


def without_suite(catalogue: Mapping[str, str]) -> list[str]:
    """Names of a catalogue that no suite above covers."""
    return [name for name, place in catalogue.items() if VERIFIER.find(place) not in examined()]


@pytest.mark.parametrize("other", [AnyOf, FirstDecisive])
def test_combinations_hand_a_response_to_their_parts_on_one_path(other: type[Any]) -> None:
    own = {name for name in vars(other) if callable(getattr(other, name))}
    assert other.verify is AllOf.verify
    # A combination's own code sees only outcomes; `first_decisive` also asks in order.
    assert own - {"Config"} <= {"_ask", "_combine", "_ends"}


def test_every_name_of_the_catalogue_has_a_suite() -> None:
    assert without_suite(VERIFIERS) == []


def test_a_name_without_a_suite_is_noticed() -> None:
    # Any verifier class that is not in the catalogue.
    added = {**VERIFIERS, "new": "tests.contract.test_contract_suite:Good"}
    assert without_suite(added) == ["new"]
