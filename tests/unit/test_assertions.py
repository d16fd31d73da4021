"""Test code, read outside: what is taken for a call, what for an assert, and what is left to Python."""

from fractions import Fraction

import pytest

from tests.patience import processor_time
from verifiers.code.asserts.instrument import entry_point_of
from verifiers.code.asserts.interpreter import Call, Raised, collect_calls, judge
from verifiers.code.asserts.operations import NotReadable
from verifiers.code.failures import raised


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
    found = judge(tests, "f", [Raised(raised("raised ValueError")), 2, 3])
    assert [(one.held, one.reason) for one in found] == [(False, "raised ValueError"), (True, "")]


def test_a_failed_call_fails_its_assert_from_within_a_dict() -> None:
    found = judge(
        check("assert {'a': candidate(1)} != {'a': 1}"), "f", [Raised(raised("raised ValueError"))]
    )
    assert [(one.held, one.reason) for one in found] == [(False, "raised ValueError")]
    with pytest.raises(NotReadable):
        collect_calls(check("assert candidate({'a': candidate(1)}) == 1"), "f")


def test_what_raises_outside_of_an_assert_fails() -> None:
    found = judge(check("x = candidate(1)[0]\nassert candidate(2)"), "f", [1, 2])
    assert [one.held for one in found] == [True, False]
    assert "TypeError" in found[1].reason


def test_asserts_without_check_call_by_name() -> None:
    tests = "METADATA = {'a': 1}\nassert f(1) == 1\nassert sorted(f(2)) == [2]"
    assert collect_calls(tests, "f") == [Call((1,), {}), Call((2,), {})]
    assert entry_point_of(tests) == "f"
    assert entry_point_of("x = 1") is None
    assert entry_point_of("(") is None


@pytest.mark.parametrize(
    "tests",
    [
        "x = f(1)\nassert x == 1",
        "c = f()\nassert c.m(1) == 1",
        "def near(a, b):\n    return abs(a - b) < 1\nassert near(f(1), 2)",
        "import math\nfrom numpy import allclose\nassert allclose(f(1), math.sqrt(2))",
        "from solution import f\nassert f(1) == 2",
        "def test_f():\n    assert sorted(f(1)) == [1]",
    ],
)
def test_the_function_that_tests_are_for_is_found(tests: str) -> None:
    assert entry_point_of(tests) == "f"


def test_a_parameter_is_no_entry_point() -> None:
    assert entry_point_of(check("assert candidate(1) == 1")) is None


def test_functions_that_nobody_calls_are_called_and_the_last_of_a_name_counts() -> None:
    tests = "def test_b():\n    assert f(1) == 1\n" + check("assert candidate(2)")
    assert collect_calls(tests, "f") == [Call((2,), {}), Call((1,), {})]
    tests = check("assert candidate(1)") + check("assert candidate(2)")
    assert collect_calls(tests, "f") == [Call((2,), {})]
    tests = check("assert candidate(1)") + "check(f)\nassert f(3)\n"
    assert collect_calls(tests, "f") == [Call((1,), {}), Call((3,), {})]
    for helper in ("check(g)", "def checker():\n    assert f(4)"):
        with pytest.raises(NotReadable):
            collect_calls(check("assert candidate(1)") + helper, "f")


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


@pytest.mark.parametrize(
    "body",
    [
        "a = [2, 1]\nassert candidate(a) == [1, 2]\nassert a == [2, 1]",
        "a = [2, 1]\nr = candidate(a)\nassert r is None\nassert a == [2, 1]",
        "a = []\nassert candidate(a) == 1\nassert candidate(a) == 2",
        "a = [1]\nassert a == candidate(a)",
        "a = [1]\nassert candidate(a) == sorted(a)",
        "a = [1]\nassert candidate(a, a) == 1",
        "assert candidate([[0] * 2] * 2) == 1",
        "a = [1]\nb = (a, 2)\nassert candidate(b) == 1\nassert a[0] == 1",
        "a = {'k': [1]}\nassert candidate(a['k']) == 1\nassert a == {'k': [1]}",
        "a = {1}\nassert candidate(x=a) == 1\nassert a",
        "a = [1]\nz = reversed(a)\nassert candidate(a) == 1\nassert list(z) == [1]",
        "z = zip([1], [2])\nassert candidate(z) == 1",
        "a = [1]\nfor x in a:\n    assert candidate(a) == 1",
        "for x in [1, 2]:\n    a = [[1]]\n    for y in a:\n        assert candidate(a) == 1",
        "a = [1]\nassert candidate(a) is a",
        "a = [1]\nassert candidate(a) is not a",
        "assert candidate(1) is candidate(1)",
        "assert candidate(1) is 1",
        "assert candidate(1) == 1 or candidate(2) == 2",
        "assert not (candidate(1) == 1 and candidate(2) == 2)",
        "assert (1 < candidate(1) < candidate(2)) == True",
        "candidate = 1\nassert candidate(1) == 1",
        "len = 1\nassert candidate(1) == 1",
    ],
)
def test_what_a_program_may_change_is_left_to_python(body: str) -> None:
    with pytest.raises(NotReadable):
        collect_calls(check(body), "f")


@pytest.mark.parametrize(
    ("body", "results"),
    [
        ("assert candidate(1) != candidate(2)", [[1], [2]]),
        ("a = candidate(1)\nb = candidate(2)\nassert a == [1]", [[1], 2]),
        ("a = candidate(1)\nb = candidate(2)\nassert a[0][0] == 1", [([1],), 2]),
    ],
)
def test_a_result_that_a_later_call_may_change_is_left_to_python(
    body: str, results: list[object]
) -> None:
    assert len(collect_calls(check(body), "f")) == 2
    with pytest.raises(NotReadable):
        judge(check(body), "f", results)


@pytest.mark.parametrize(
    ("body", "results"),
    [
        ("a = (2, 'x')\nassert candidate(a) == 1\nassert candidate(a) == 2", [1, 2]),
        ("a = [2, 1]\nassert candidate(sorted(a)) == 1\nassert candidate(list(a)) == 2", [1, 2]),
        ("a = [3]\nassert candidate(a) == 1\na = [4]\nassert candidate(a) == 2", [1, 2]),
        ("for a in [[1], [2]]:\n    assert candidate(a) > 0", [1, 2]),
        ("a = candidate(1)\nassert a == [1]\nassert candidate(2) == [2]", [[1], [2]]),
        ("assert candidate(1) == candidate(2)", [(1, "a"), (1, "a")]),
        ("assert candidate(1) == 1 and candidate(2) == 2", [1, 2]),
        ("a = [3]\nassert candidate(1) in a\nassert candidate(2) in a", [3, 3]),
    ],
)
def test_what_no_program_can_change_is_read(body: str, results: list[object]) -> None:
    assert len(collect_calls(check(body), "f")) == 2
    assert all(one.held for one in judge(check(body), "f", results))


def test_tests_that_do_not_parse_are_not_read() -> None:
    for tests in ("(", "\x00", "def check():\n    assert f(1)", ""):
        with pytest.raises(NotReadable):
            collect_calls(tests, "f")


HUGE = (1 << 12_000_000) // 7


@pytest.mark.parametrize(
    ("test", "results"),
    [
        ("candidate(1) % candidate(2) == 0", [HUGE, HUGE >> 9_000_000]),
        ("candidate(1) // candidate(2) == 0", [HUGE, HUGE >> 9_000_000]),
        ("candidate(1) * candidate(2) == 0", [HUGE, HUGE]),
        ("candidate(1) ** candidate(2) == 0", [Fraction(3, 2), 10**6]),
        ("candidate(1) ** candidate(2) == 0", [3, 10**6]),
        ("round(candidate(1), candidate(2)) == 0", [3, -(10**9)]),
        ("sum(candidate(1)) == candidate(2)", [[HUGE, *range(100_000)], 0]),
        ("sum(candidate(1), []) == candidate(2)", [[[1]] * 100_000, []]),
        ("sum(candidate(1)) == candidate(2)", [[Fraction(1, n) for n in range(1, 20_000)], 0]),
        ("bytes(candidate(1)) == candidate(2)", [10**10, b""]),
        ("'%*d' % (candidate(1), candidate(2)) == ''", [10**10, 1]),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_no_result_holds_up_the_reading(test: str, results: list[object]) -> None:
    tests = check(f"assert {test}")
    assert collect_calls(tests, "f")
    with processor_time(most=5), pytest.raises(NotReadable):
        judge(tests, "f", results)


def test_sums_and_rounding_are_pythons() -> None:
    tests = check(
        "assert sum(candidate(1)) == 6\nassert sum(candidate(2), [3]) == [3, 1, 2]\n"
        "assert round(candidate(3), 1) == 2.3\nassert round(candidate(4)) == 2"
    )
    assert all(one.held for one in judge(tests, "f", [(1, 2.0, 3), [[1], [2]], 2.34, 2.34]))
