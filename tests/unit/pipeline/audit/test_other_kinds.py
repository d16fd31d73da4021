"""Choices, patterns, JSON, puzzles, programs and proofs: the answers, and real verifiers on them."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from pipeline.audit.made import Known, Made, Source
from pipeline.audit.making import make, why_not
from pipeline.dispatch.judging import Response, judge_all
from pipeline.records import Problem
from tests.unit.verifiers.formal.cases import needs_coq
from verifiers import Outcome, Target
from verifiers.catalog import VERIFIER, build_verifier

PROMPT = "Which of these is the one that we need here?"


def source(
    kind: str,
    value: str | None,
    *others: str,
    meta: Mapping[str, object] | None = None,
    **tests: object,
) -> Source:
    target = Target(kind=kind, value=value, tests=tests)
    problem = Problem.create(prompt=PROMPT, target=target, source="test", meta=meta)
    return Source(
        problem=problem,
        passing="I have thought about it.",
        others=tuple(Target(kind=kind, value=one) for one in others),
    )


def judge(source: Source, verifier: Mapping[str, Any]) -> dict[tuple[Known, str], list[Outcome]]:
    problem, found = source.problem, dict[tuple[Known, str], list[Outcome]]()

    async def ask() -> None:
        asked = (
            (one, Response(prompt=problem.prompt, text=one.response, target=problem.target))
            for one in make(source)
        )
        async for one, verdict in judge_all(build_verifier(VERIFIER.part(dict(verifier))), asked):
            found.setdefault((one.known, one.rule), []).append(verdict.outcome)

    asyncio.run(ask())
    return found


CASES = [{"input": "1\n", "output": "2\n"}, {"input": "5\n", "output": "6\n"}]
SOURCES = [
    (source("choice", "B", choices=["Paris", "Rome", "Berlin"]), "multiple_choice"),
    (source("choice", "(c)"), "multiple_choice"),
    (source("regex", "1969", "1970"), "regex"),
    (source("json_schema", None, schema={"type": "object", "required": ["a"]}), "json_schema"),
    (source("json_schema", None, schema={"enum": [3, 4]}), "json_schema"),
    (source("exact", "Rome", "Paris"), "exact"),
    (source("text", "Air scatters blue light."), "exact"),
    (
        source(
            "reasoning_gym",
            None,
            dataset="chain_sum",
            entry={"question": "1 + 4 =", "answer": "5", "metadata": {}},
            options={},
        ),
        "reasoning_gym",
    ),
]


@pytest.mark.parametrize(("made_of", "verifier"), SOURCES)
def test_our_verifiers_make_no_mistake(made_of: Source, verifier: str) -> None:
    found = judge(made_of, {"use": verifier})
    assert found
    for (known, rule), outcomes in found.items():
        mistake = Outcome.FAIL if known is Known.RIGHT else Outcome.PASS
        assert mistake not in outcomes, rule
        assert Outcome.ERROR not in outcomes, rule


def test_programs_are_refused_by_our_verifier() -> None:
    meta = {"canonical_solution": "print(int(input()) + 1)"}
    found = judge(source("stdin_stdout", None, meta=meta, cases=CASES), {"use": "code"})
    assert found.pop((Known.RIGHT, "reference_solution")) == [Outcome.PASS]
    assert {rule for _, rule in found} == {
        *("raises", "prints_nothing", "exits_at_once", "prints_one_output", "empty", "refusal")
    }
    assert all(one in (Outcome.FAIL, Outcome.ABSTAIN) for ones in found.values() for one in ones)


def rules(made_of: Source) -> set[str]:
    return {one.rule for one in make(made_of)}


NONE = {"raises", "exits_at_once", "empty", "refusal"}


@pytest.mark.parametrize(
    ("tests", "expected"),
    [
        ("assert f(1) == 2\nassert f(2) == 9", NONE | {"returns_none", "returns_one_result"}),
        ("assert f(1) == 2\nassert f(2) == 2", NONE | {"returns_none"}),
        ("assert f(1) == 2.0\nassert f(2) == 2.1", NONE | {"returns_none"}),
        ("assert f(1) == [2]\nassert f(2) == [3]", NONE | {"returns_none"}),
        # Nothing is sure of these.
        ("assert f(1) == None", {"empty", "refusal"}),
        ("assert not f(1)", {"empty", "refusal"}),
        ("assert f(1) is None", {"empty", "refusal"}),
        ("assert g() == 3\nf(1)", {"empty", "refusal"}),
    ],
)
def test_wrong_programs_are_those_that_an_assert_refuses(tests: str, expected: set[str]) -> None:
    assert rules(source("asserts", None, tests=tests, entry_point="f")) == expected


def test_a_function_that_may_be_right_is_not_made() -> None:
    def calls(*expected: object) -> Source:
        cases = [{"args": [n], "expected": one} for n, one in enumerate(expected)]
        return source("calls", None, entry_point="f", cases=cases)

    assert rules(calls(None, None)) == NONE
    assert rules(calls(3, 3)) == NONE | {"returns_none"}
    assert rules(calls("a", "b")) == NONE | {"returns_none", "returns_one_result"}
    assert rules(calls(True, 1)) == NONE | {"returns_none"}


def test_outputs_that_a_rule_may_take_as_equal_are_not_made() -> None:
    blank = [{"input": "", "output": "\n"}]
    assert rules(source("stdin_stdout", None, cases=blank)) == {"raises", "empty", "refusal"}
    near = [{"input": "", "output": "1.0"}, {"input": "", "output": "1.1"}]
    assert "prints_one_output" not in rules(source("stdin_stdout", None, cases=near, rule="numbers"))
    own = source("stdin_stdout", None, cases=CASES, checker="def check(i, o, e): return True")
    assert rules(own) == {"raises", "empty", "refusal"}
    other = source("stdin_stdout", None, cases=CASES, language="cpp")
    assert rules(other) == {"empty", "refusal"}


def test_the_body_of_a_function_is_joined_to_its_prompt() -> None:
    made_of = source(
        "asserts",
        None,
        meta={"canonical_solution": "    return x + 1\n"},
        tests="assert f(1) == 2",
        entry_point="f",
        prompt="def f(x):\n",
    )
    (right,) = [one.response for one in make(made_of) if one.known is Known.RIGHT]
    assert right == "```python\ndef f(x):\n    return x + 1\n```"


def test_proofs_that_prove_nothing() -> None:
    coq = make(source("coq", "1 = 1.", name="t"))
    assert coq[0].response == "```coq\nTheorem t : 1 = 1.\nProof.\nAdmitted.\n```"
    lean = make(source("lean", None, name="t", statement="1 = 1"))
    assert lean[0].response == "```lean\ntheorem t : 1 = 1 := by\n  sorry\n```"
    assert all(one.known is Known.WRONG for one in (*coq, *lean))


@pytest.mark.parametrize(
    "made_of",
    [
        source("countdown", "24"),
        source("choice", None),
        source("choice", "Madrid", choices=["Paris", "Rome"]),
        source("regex", "19[67]9"),
        source("json_schema", None, schema=True),
        source("reasoning_gym", None, entry={}),
        source("calls", None, cases=[]),
        source("lean", None),
    ],
)
def test_without_a_rule_there_is_no_answer(made_of: Source) -> None:
    assert make(made_of) == []
    assert "rule" in why_not(made_of.problem.target.kind)


def test_only_a_schema_that_is_one_value_has_a_right_answer() -> None:
    def known(schema: object) -> dict[str, Made]:
        return {one.rule: one for one in make(source("json_schema", None, schema=schema))}

    assert json.loads(known({"const": {"a": 1}})["const"].response[8:-4]) == {"a": 1}
    assert "const" not in known({"const": 3, "type": "string"})
    assert set(known({"type": "integer"})) == {"another_type", "cut_off", "empty", "refusal"}


@needs_coq
def test_our_verifier_accepts_no_proof_that_proves_nothing() -> None:
    found = judge(source("coq", "1 = 1", name="t"), {"use": "formal"})
    assert {rule for _, rule in found} == {"admitted", "unfinished", "abandoned", "empty", "refusal"}
    assert all(one in (Outcome.FAIL, Outcome.ABSTAIN) for ones in found.values() for one in ones)
