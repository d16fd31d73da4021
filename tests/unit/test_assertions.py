"""Test code, read outside: what is taken for a call, what for an assert, and what is left to Python."""

import pytest

from verifiers.assertions import Call, NotReadable, Raised, collect_calls, entry_point_of, judge


def check(body: str) -> str:
    return "def check(candidate):\n" + "".join(f"    {line}\n" for line in body.splitlines())


@pytest.mark.parametrize(
    ("body", "calls", "results", "held"),
    [
        ("assert candidate(1, b='x') == 2, 'message'", [Call((1,), {"b": "x"})], [2], [True]),
        ("assert candidate([1, -2.5], (3,), {'a': {4}})",
         [Call(([1, -2.5], (3,), {"a": {4}}), {})], [0], [False]),
        ("assert not candidate(1)", [Call((1,), {})], [[]], [True]),
        ("assert candidate(1) is None", [Call((1,), {})], [None], [True]),
        ("assert candidate(1) is True", [Call((1,), {})], [1], [False]),
        ("assert abs(candidate(2) - 1.5) < 1e-6", [Call((2,), {})], [1.5], [True]),
        ("x = candidate(1)\nassert x == 1\nassert x[0] == 1", [Call((1,), {})], [1], [True, False]),
        ("for i in range(3):\n    assert candidate(i) == i * 2",
         [Call((i,), {}) for i in range(3)], [0, 2, 5], [True, True, False]),
        ("assert candidate(1) == 1 and candidate(2) == 2",
         [Call((1,), {}), Call((2,), {})], [0, 2], [False]),
        ("assert 1 < candidate(1) <= candidate(2)",
         [Call((1,), {}), Call((2,), {})], [2, 2], [True]),
        ("assert sorted(candidate('b' + 'a'))[-1] in ('b', 'c')", [Call(("ba",), {})], ["ab"], [True]),
        ("'''doc'''\nassert True\nassert candidate(2 ** 10) == 1", [Call((1024,), {})], [1], [True]),
        ("import math\nassert math.isclose(candidate(1), 0.5, rel_tol=1e-3)",
         [Call((1,), {})], [0.50001], [True]),
    ],
)  # fmt: skip
def test_tests_are_read(body: str, calls: list[Call], results: list[object], held: list[bool]) -> None:
    assert collect_calls(check(body), "f") == calls
    assert [one.held for one in judge(check(body), "f", results)] == held


def test_a_failed_call_fails_its_own_assert_only() -> None:
    tests = check("assert candidate(1) == candidate(2)\nassert candidate(3) == 3")
    found = judge(tests, "f", [Raised("raised ValueError"), 2, 3])
    assert [(one.held, one.reason) for one in found] == [(False, "raised ValueError"), (True, "")]


def test_asserts_without_check_call_by_name() -> None:
    tests = "METADATA = {'a': 1}\nassert f(1) == 1\nassert sorted(f(2)) == [2]"
    assert collect_calls(tests, "f") == [Call((1,), {}), Call((2,), {})]
    assert entry_point_of(tests) == "f"
    assert entry_point_of("x = 1") is None
    assert entry_point_of("(") is None


@pytest.mark.parametrize(
    "body",
    [
        "assert candidate(candidate(1)) == 1",
        "assert helper(candidate(1)) == 1",
        "assert candidate(open('/etc/passwd').read()) == 1",
        "assert [candidate(i) for i in range(3)] == [1]",
        "assert candidate(*[1]) == 1",
        "assert candidate(__import__('os').getcwd()) == 1",
        "assert candidate(().__class__) == 1",
        "assert candidate(9 ** 9 ** 9) == 1",
        "assert candidate('x' * 10 ** 10) == 1",
        "assert candidate(1 / 0) == 1",
        "while True:\n    pass",
        "try:\n    candidate(1)\nexcept ValueError:\n    pass",
        "for i in range(10 ** 9):\n    assert candidate(i) == i",
        "for i in candidate(1):\n    assert i",
        "pass",
        "assert True",
        "'%s' % candidate(1)",
    ],
)
def test_what_needs_python_is_not_read(body: str) -> None:
    with pytest.raises(NotReadable):
        collect_calls(check(body), "f")


def test_tests_that_do_not_parse_are_not_read() -> None:
    for tests in ("(", "\x00", "def check():\n    assert f(1)", ""):
        with pytest.raises(NotReadable):
            collect_calls(tests, "f")
