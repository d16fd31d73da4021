"""Reading of tests that are asserts, and what is left to Python inside the sandbox."""

from typing import Any

import pytest

from tests.unit.verifiers.code.judging import judge
from verifiers import Outcome
from verifiers.code import CodeVerifier

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_call_that_raises_fails_also_where_no_assert_looks(verifier: CodeVerifier) -> None:
    tests = "x = f(0)\nassert f(1) == 1"
    verdict = await judge(verifier, "def f(x): return 1 // x", "asserts", tests=tests)
    assert (verdict.outcome, "ZeroDivisionError" in verdict.reason) == (Outcome.FAIL, True)


@pytest.mark.parametrize(
    ("body", "tests", "outcome"),
    [
        ("x.sort(); return x", "a = [2, 1]\nassert f(a) == [1, 2]\nassert a == [2, 1]", "fail"),
        (
            "x[0], x[1] = x[1], x[0]",
            "a = [1, 2]\nr = f(a)\nassert a == [2, 1]\nassert r is None",
            "pass",
        ),
        ("return list(x)", "a = [1]\nassert f(a) is a", "fail"),
        ("return list(x)", "a = [1]\nassert f(a) is not a", "pass"),
        ("x.append(1); return len(x)", "a = []\nassert f(a) == 1\nassert f(a) == 2", "pass"),
        ("s.append(x); return s", "assert f(1) != f(2)", "fail"),
    ],
)
async def test_arguments_that_change_and_identity_are_pythons(
    verifier: CodeVerifier, body: str, tests: str, outcome: str
) -> None:
    verdict = await judge(verifier, f"def f(x, s=[]): {body}", "asserts", tests=tests, entry_point="f")
    assert (verdict.outcome.value, verdict.evidence.get("forgeable")) == (outcome, None), verdict


@pytest.mark.parametrize(
    ("value", "test", "outcome", "forgeable"),
    [
        ("re.match('a', x)", "f('a')", "pass", None),
        ("re.match('b', x)", "f('a')", "fail", None),
        ("re.match('a', x)", "f('a') is not None", "pass", None),
        ("re.match('a', x)", "f('a') == 'a'", "fail", None),
        ("re.match('a', x)", "f('a') != 'a'", "pass", None),
        ("re.match('a', x)", "not f('a') == 'a'", "pass", None),
        ("datetime.date(2020, 1, x)", "str(f(2)) == '2020-01-02'", "pass", None),
        ("datetime.date(2020, 1, x)", "f(2) < f(3)", "pass", None),
        ("Pair(x)", "f(1) == f(1)", "abstain", True),
        ("Pair(x)", "f(1) != f(2)", "abstain", True),
        ("Pair(x)", "f(1) == 1", "fail", None),
        ("Pair(x)", "f(1) - 1 == 0", "fail", None),
        ("Pair(x)", "f(1) in [1, 2]", "fail", None),
        ("Pair(x)", "f(1) > 0", "fail", None),
        ("dict(x).keys()", "f([[1, 2]]) == {1}", "pass", None),
        ("dict(x).items()", "f([[1, 2]]) == {(1, 2)}", "pass", None),
        ("dict(x).values()", "f([[1, 2]]) == [2]", "fail", None),
        ("itertools.count(x)", "list(zip(f(1), 'ab')) == [(1, 'a'), (2, 'b')]", "pass", None),
        ("(1 / (x - k) for k in range(9))", "any(f(3))", "pass", None),
        ("({}[k] if k else k for k in range(9))", "0 in f(3)", "pass", None),
        ("collections.deque(x)", "f([1]) == [1]", "fail", None),
        ("collections.deque(x)", "len(f([1])) == 1", "pass", None),
        ("numpy.array(x)", "f([1, 2]) == [1, 2]", "fail", None),
        ("numpy.bool_(x)", "f(1) is True", "fail", None),
        ("numpy.bool_(x)", "f(1) == True", "pass", None),
        ("numpy.int64(x)", "f(1) == 1", "pass", None),
    ],
)
async def test_results_that_stay_inside_are_judged_as_python_does(
    verifier: CodeVerifier, value: str, test: str, outcome: str, forgeable: bool | None
) -> None:
    modules = [
        name for name in ("re", "datetime", "itertools", "collections", "numpy") if name in value
    ]
    code = (
        "".join(f"import {name}\n" for name in modules)
        + "import dataclasses\n@dataclasses.dataclass\nclass Pair:\n    x: int\n"
        + f"def f(x): return {value}"
    )
    verdict = await judge(verifier, code, "asserts", tests=f"assert {test}", entry_point="f")
    assert (verdict.outcome.value, verdict.evidence.get("forgeable")) == (outcome, forgeable), verdict


async def test_a_verdict_that_is_sure_is_not_left_to_the_program(verifier: CodeVerifier) -> None:
    code = "class All:\n    def __eq__(self, other): return True\ndef f(x): return All()"
    tests = "assert f(1) == 1\nassert f(2)"
    verdict = await judge(verifier, code, "asserts", tests=tests)
    assert (verdict.outcome, verdict.evidence.get("forgeable")) == (Outcome.FAIL, None)


@pytest.mark.parametrize(
    "tests",
    [
        "def test_f():\n    assert f(1) == 2",
        "def test_f():\n    for x in [f(1)]:\n        assert x == 2",
        "def test_f():\n    assert f(1) == 2\ntest_f()",
        "import unittest\nclass T(unittest.TestCase):\n"
        "    def test_f(self): self.assertEqual(f(1), 2)\n"
        "if __name__ == '__main__':\n    unittest.main()",
        "from unittest import TestCase, main\nclass T(TestCase):\n    def setUp(self): self.x = 2\n"
        "    def test_f(self): assert f(1) == self.x",
        "class TestF:\n    def test_f(self):\n        assert f(1) == 2",
        "if __name__ == '__main__':\n    assert f(1) == 2",
        "def check(candidate):\n    assert candidate(1) == 1\n"
        "def check(candidate):\n    assert candidate(1) == 2",
        "def check(candidate):\n    for x in [candidate(1)]: assert x == 2\ncheck(f)",
        "import numpy as np\nnp.testing.assert_allclose(f(1), 2)",
        "async def check(candidate):\n    assert candidate(1) == 2",
        "async def test_f():\n    assert f(1) == 2",
        "if f(1) != 2:\n    raise ValueError('wrong')",
        "try:\n    f('x')\n    assert False, 'none'\nexcept TypeError:\n    pass",
        ["x = f(1)", "assert x == 2"],
    ],
)
async def test_tests_of_any_form_are_called_once(verifier: CodeVerifier, tests: Any) -> None:
    right = "num = 0\ndef f(x):\n    global num; num += 1\n    return x + num"
    wrong = "def f(x): return 5"
    for code, outcome in ((right, Outcome.PASS), (wrong, Outcome.FAIL)):
        verdict = await judge(verifier, code, "asserts", tests=tests, entry_point="f")
        assert verdict.outcome is outcome, (code, verdict)


@pytest.mark.parametrize(
    "tests",
    [
        "",
        [],
        "x = 1",
        "assert True",
        "f(1)",
        "def main():\n    assert f(1) == 2",
        "def test_f(fixture):\n    assert f(1) == fixture",
        "def check():\n    assert f(1)",
        "for x in []:\n    assert f(x)",
        "if __name__ == '__test__':\n    assert f(1) == 2",
        "def check(candidate):\n    pass",
        "assert f(1) ==",
    ],
)
async def test_tests_that_test_nothing_are_an_error(verifier: CodeVerifier, tests: Any) -> None:
    verdict = await judge(verifier, "def f(x): return 2", "asserts", tests=tests, entry_point="f")
    assert (verdict.outcome, "tests: " in verdict.reason) == (Outcome.ERROR, True), verdict


async def test_a_function_of_the_program_may_be_named_check(verifier: CodeVerifier) -> None:
    code = "def check(x, y): return x == y\ndef f(x): return check(x, 1)"
    for tests in (
        "for x in [f(1)]: assert x",
        "assert f(1)\nassert check(1, 1)\nassert check(*[1, 1])",
    ):
        verdict = await judge(verifier, code, "asserts", tests=tests, entry_point="f")
        assert (verdict.outcome, verdict.evidence.get("forgeable")) == (Outcome.PASS, None), verdict
    verdict = await judge(verifier, "def check(x): return x", "asserts", tests="assert check(1) == 1")
    assert (verdict.outcome, verdict.evidence.get("forgeable")) == (Outcome.PASS, None)


async def test_what_can_only_be_iterated_is_compared_when_it_is_made_a_list(
    verifier: CodeVerifier,
) -> None:
    for value in ("map(int, '12')", "(int(c) for c in '12')", "range(1, 3)", "{1: 0, 2: 0}.keys()"):
        code = f"def f(x): return {value}"
        for tests, outcome in (
            ("assert list(f(0)) == [1, 2]", "pass"),
            ("assert f(0) == [1, 2]", "fail"),
        ):
            verdict = await judge(verifier, code, "asserts", tests=tests)
            assert (verdict.outcome.value, verdict.evidence.get("forgeable")) == (outcome, None), value
    endless = "import itertools\ndef f(x): return itertools.count()"
    verdict = await judge(verifier, endless, "asserts", tests="assert list(f(0)) == [1]")
    assert verdict.outcome is Outcome.FAIL


async def test_asserts_that_name_no_entry_point(verifier: CodeVerifier) -> None:
    tests = ["assert inc(1) == 2", "assert set(inc_all([1, 1])) == {2}"]
    code = "def inc(x): return x + 1\ndef inc_all(xs): return [inc(x) for x in xs]"
    verdict = await judge(verifier, code, "asserts", tests=tests)
    assert (verdict.outcome, verdict.evidence.get("forgeable")) == (Outcome.PASS, None)
    verdict = await judge(verifier, code, "asserts", tests=tests[:1])
    assert (verdict.outcome, verdict.evidence.get("forgeable")) == (Outcome.PASS, None)
