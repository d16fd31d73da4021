"""The code verifier's own rules, each in the real sandbox."""

import asyncio
import contextlib
import os
import signal
import time
from typing import Any

import pytest

from sandbox import Program, Result, SandboxConfig
from tests.patience import processor_time
from tests.unit.verifiers.code.judging import calls, judge, printed
from verifiers import Outcome
from verifiers.code import CodeVerifier

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_first_failing_case_and_the_fraction_are_reported(verifier: CodeVerifier) -> None:
    verdict = await calls(verifier, "def f(x): return abs(x)", (1, 1), (-2, -2), (3, 3), (-4, -4))
    assert verdict.outcome is Outcome.FAIL
    assert verdict.reason == "case 2 of 4: expected -2, got 2"
    assert verdict.evidence["share"] == 0.5
    assert verdict.evidence["first_failure"] == {"case": 1, "reason": "expected -2, got 2"}
    assert verdict.evidence["reason_code"] == "wrong_answer"
    assert verdict.evidence["level"] in ("namespaces", "landlock")
    assert verdict.extracted == "def f(x): return abs(x)"


@pytest.mark.parametrize("response", ["", "I cannot do that.", "No", "```\n```", "42", "x < y"])
async def test_no_code_is_an_abstention(verifier: CodeVerifier, response: str) -> None:
    assert (await calls(verifier, response, (1, 1))).outcome is Outcome.ABSTAIN


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def f(x): return 1 / 0", "ZeroDivisionError"),
        ("def f(x):", "SyntaxError|IndentationError|expected an indented block"),
        ("def g(x): return x", "no attribute 'f'"),
        ("def f(x): return f(x)", "RecursionError"),
        ("def f(x):\n    while True: pass", "time limit"),
        ("import time\ndef f(x): time.sleep(60)", "time limit"),
        ("def f(x): return len(bytearray(2**40))", "memory|Memory"),
        ("def f(x): return [0] * 10**7", "printed more|memory|time limit"),
        ("def f(x): return lambda: x", "cannot be compared"),
        ("raise ValueError('early')\ndef f(x): return x", "early"),
        ("import os\ndef f(x): os.kill(os.getpid(), 9)", "PermissionError"),
        ("import ctypes\ndef f(x): ctypes.string_at(0)", "exit code -11"),
        ("def f(x): return '\\ud800'", "expected"),
    ],
)
async def test_a_broken_program_fails_with_the_reason(
    verifier: CodeVerifier, code: str, reason: str
) -> None:
    verdict = await calls(verifier, f"```python\n{code}\n```", (1, 1))
    assert verdict.outcome is Outcome.FAIL
    assert any(part in verdict.reason for part in reason.split("|")), verdict.reason


async def test_memory_that_was_used_on_the_way_is_not_in_the_result(verifier: CodeVerifier) -> None:
    code = "def f(x): return bytearray(900 * 2**20)[:1]"
    # On a busy machine it takes seconds to get this much memory.
    limits = {"cpu_seconds": 20, "wall_seconds": 40}
    verdict = await calls(verifier, code, (1, 1), limits=limits)
    assert verdict.outcome is Outcome.FAIL
    assert any(part in verdict.reason for part in ("printed more", "expected")), verdict.reason


async def test_a_call_that_ends_the_process_does_not_take_the_others_along(
    verifier: CodeVerifier,
) -> None:
    code = "import os\ndef f(x):\n    if x == 2: os._exit(0)\n    return x"
    verdict = await calls(verifier, code, (1, 1), (2, 2), (3, 3), (4, 4))
    assert verdict.outcome is Outcome.FAIL
    assert verdict.evidence["passed"] == 3


async def test_every_case_is_tried_while_crashes_take_no_time(verifier: CodeVerifier) -> None:
    code = "import os\ndef f(x):\n    if x < 6: os._exit(0)\n    return x"
    verdict = await calls(verifier, code, *((x, x) for x in range(8)))
    assert (verdict.outcome, verdict.evidence["share"]) == (Outcome.FAIL, 2 / 8)
    assert "untried" not in verdict.evidence


async def test_untried_cases_are_reported_without_a_fraction(verifier: CodeVerifier) -> None:
    code = "def f(x):\n    while x: pass\n    return x"
    limits = {"cpu_seconds": 0.2}
    verdict = await calls(verifier, code, (0, 0), (1, 1), (2, 2), (3, 3), (0, 0), (0, 0), limits=limits)
    found = [verdict.evidence.get(key, "") for key in ("passed", "cases", "share", "untried")]
    assert (verdict.outcome, found) == (Outcome.FAIL, [1, 6, None, 2])
    tests = [f"assert f({x}) == {x}" for x in (0, 1, 2, 3, 0, 0)]
    verdict = await judge(verifier, code, "asserts", tests=tests, limits=limits)
    found = [verdict.evidence.get(key, "") for key in ("passed", "cases", "share", "untried")]
    assert (verdict.outcome, found) == (Outcome.FAIL, [1, 2, None, ""])
    assert (verdict.evidence["reason_code"], "over the time limit" in verdict.reason) == (
        "timeout",
        True,
    )


async def test_values_keep_their_types(verifier: CodeVerifier) -> None:
    code = "def f(x): return x"
    values: tuple[Any, ...] = (
        10**30, {"$int": hex(10**400)}, {"$float": "nan"}, {"$float": "-inf"}, None, True, "é\u0000",
        {"$bytes": "00ff"}, {"$tuple": [1, [2]]}, {"$set": [1, {"$tuple": [2]}]}, {"a": {"b": []}},
        {"$dict": [[1, "x"], [{"$tuple": [1, 2]}, None]]}, {"$frozenset": []},
    )  # fmt: skip
    for value in values:
        assert (await calls(verifier, code, (value, value))).outcome is Outcome.PASS, value
    pairs: tuple[tuple[Any, Any], ...] = (
        ([1], {"$tuple": [1]}),
        (1, "1"),
        (0, None),
        ({"$set": [1]}, [1]),
    )
    for given, other in pairs:
        assert (await calls(verifier, code, (given, other))).outcome is Outcome.FAIL, given


async def test_methods_keywords_and_tolerance(verifier: CodeVerifier) -> None:
    code = "class Solution:\n    def add(self, a, *, b=0): return a + b"
    case = {"args": [0.1], "kwargs": {"b": 0.2}, "expected": 0.3}
    for tolerance, outcome in ((0.0, Outcome.FAIL), (1e-9, Outcome.PASS)):
        cases = [{**case, "tolerance": tolerance}]
        verdict = await judge(verifier, code, "calls", entry_point="Solution.add", cases=cases)
        assert verdict.outcome is outcome


async def test_printing_does_not_disturb_calls(verifier: CodeVerifier) -> None:
    code = "import sys\nprint('{\"value\": 5}')\ndef f(x):\n    print('x' * 10**6); return input"
    assert (await calls(verifier, code, (1, 5))).outcome is Outcome.FAIL
    code = "def f(x):\n    print(x, flush=True)\n    return x"
    assert (await calls(verifier, code, (1, 1), (2, 2))).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("rule", "text", "outcome"),
    [
        ("exact", "1 2\n", "pass"),
        ("exact", "1 2", "fail"),
        ("whitespace", "1   2 \n\n\n", "pass"),
        ("whitespace", "1\n2\n", "fail"),
        ("whitespace", "1 2\n3", "fail"),
        ("whitespace", "1.0 2", "fail"),
        ("numbers", "1.0 2.0000000001", "pass"),
        ("numbers", "1.1 2", "fail"),
        ("numbers", "1 3", "fail"),
        ("numbers", "nan 2", "fail"),
        ("numbers", "1 2 3", "fail"),
    ],
)
async def test_rules_of_comparison(verifier: CodeVerifier, rule: str, text: str, outcome: str) -> None:
    response = f"import sys\nsys.stdout.write({text!r})"
    verdict = await printed(verifier, response, ("", "1 2\n"), rule=rule)
    assert verdict.outcome == outcome, verdict.reason


async def test_a_checker_of_the_users_own(verifier: CodeVerifier) -> None:
    checker = (
        "def check(input, output, expected):\n"
        "    print('noise')\n"
        "    return sorted(output.split()) == sorted(expected.split())\n"
    )
    right = await printed(verifier, "print('b a')", ("", "a b"), checker=checker)
    wrong = await printed(verifier, "print('b b')", ("", "a b"), checker=checker)
    broken = await printed(verifier, "print('b b')", ("", "a b"), checker="def check(): pass")
    exits = await printed(verifier, "print(1)", ("", "1"), checker="import os\nos._exit(0)")
    found = [verdict.outcome for verdict in (right, wrong, broken, exits)]
    assert found == [Outcome.PASS, Outcome.FAIL, Outcome.ERROR, Outcome.ERROR]


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        ("True", "pass"),
        ("1", "pass"),
        ("numpy.bool_(True)", "pass"),
        ("0", "fail"),
        ("numpy.bool_(False)", "fail"),
        ("None", "error"),
        ("0.5", "error"),
        ("'no'", "error"),
        ("object()", "error"),
    ],
)
async def test_a_checker_says_yes_or_no(verifier: CodeVerifier, value: str, outcome: str) -> None:
    checker = f"import numpy\ndef check(input, output, expected): return {value}"
    verdict = await printed(verifier, "print(1)", ("", "1"), checker=checker)
    assert verdict.outcome.value == outcome, verdict
    assert ("expected True or False" in verdict.reason) is (outcome == "error")


async def test_expected_output_never_enters_a_process_that_runs_programs(
    verifier: CodeVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bytes] = []
    companions: list[str | None] = []
    run = verifier._runs.sandbox.run

    async def watched(program: Program) -> Result:
        if program.companion is None:
            seen.append(program.stdin + (program.code or "").encode())
        else:
            companions.append(program.companion)
        return await run(program)

    monkeypatch.setattr(verifier._runs.sandbox, "run", watched)
    secret = "18446744073709551557"
    checker = "def check(input, output, expected): return output.strip() == expected"
    case = {"input": "5", "output": secret}
    targets: tuple[dict[str, Any], ...] = (
        {"kind": "stdin_stdout", "cases": [case]},
        {"kind": "stdin_stdout", "cases": [case], "checker": checker},
        {"kind": "calls", "entry_point": "f", "cases": [{"args": [5], "expected": int(secret)}]},
        {"kind": "asserts", "entry_point": "f", "tests": f"assert f(5) == {secret}"},
    )
    for tests in targets:
        kind = str(tests.pop("kind"))
        await judge(verifier, "def f(x): return x\nprint(f(5))", kind, **tests)
    assert (len(seen), len(companions)) == (3, 1)
    assert companions[0] is not None
    assert secret not in companions[0]
    assert not any(secret.encode() in content for content in seen)


async def test_integers_are_not_equal_within_a_tolerance(verifier: CodeVerifier) -> None:
    verdict = await printed(verifier, "print(1000001)", ("", "1000002"), rule="numbers")
    assert verdict.outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("value", "tests"),
    [
        ("Decimal('1E+2000000')", "assert int(f(0)) == 1"),
        ("Decimal('sNaN')", "assert f(0) == 1"),
        ("Fraction(3 ** 800_000, 2 ** 800_000)", "assert f(0) == 1"),
        ("[k * (2**61 - 1) for k in range(100_000)]", "assert len(set(f(0))) == 1"),
        ("1", "f(0)"),
    ],
)
async def test_no_value_holds_up_or_breaks_the_comparison(
    verifier: CodeVerifier, value: str, tests: str
) -> None:
    code = f"from decimal import Decimal\nfrom fractions import Fraction\ndef f(x): return {value}"
    kinds: tuple[tuple[str, dict[str, Any]], ...] = (
        ("asserts", {"tests": tests, "entry_point": "f"}),
        ("calls", {"entry_point": "f", "cases": [{"args": [0], "expected": 2}]}),
    )
    for kind, given in kinds:
        with processor_time(most=10):
            verdict = await judge(verifier, code, kind, **given)
        asserts_nothing = kind == "asserts" and tests == "f(0)"
        assert verdict.outcome is (Outcome.ERROR if asserts_nothing else Outcome.FAIL), verdict


async def test_output_that_breaks_a_checker_fails(verifier: CodeVerifier) -> None:
    checker = "def check(input, output, expected): return int(output) == int(expected)"
    verdict = await printed(verifier, "print('abc')", ("", "5"), checker=checker)
    assert (verdict.outcome, verdict.reason[-31:]) == (Outcome.FAIL, "the checker fails on the output")
    verdict = await printed(verifier, "print('abc')", ("", "abc"), checker=checker)
    assert verdict.outcome is Outcome.ERROR


async def test_each_case_of_a_program_is_a_run_of_its_own(verifier: CodeVerifier) -> None:
    code = "n = int(input())\nif n == 2: raise SystemExit(1)\nprint(n * n)"
    verdict = await printed(verifier, code, ("1", "1"), ("2", "4"), ("3", "9"), all_cases=True)
    assert verdict.evidence["passed"] == 2
    assert "case 2 of 3" in verdict.reason
    assert (await printed(verifier, code, ("4", "16"))).outcome is Outcome.PASS


async def test_limits_of_the_target(verifier: CodeVerifier) -> None:
    burn = "import time\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass\n"
    slow = burn + "print(1)"
    short = {"cpu_seconds": 0.2, "wall_seconds": 10, "memory_mb": 64}
    assert (await printed(verifier, slow, ("", "1"), limits=short)).outcome is Outcome.FAIL
    assert (await printed(verifier, slow, ("", "1"), limits={"cpu_seconds": 3})).outcome is Outcome.PASS
    large = "x = bytearray(200 * 2**20)\nprint(1)"
    assert "memory" in (await printed(verifier, large, ("", "1"), limits=short)).reason


@pytest.mark.parametrize(
    ("kind", "tests", "complaint"),
    [
        ("math", {}, "kind"),
        ("calls", {"cases": [{"expected": 1}]}, "entry_point"),
        ("calls", {"entry_point": "f", "cases": []}, "cases"),
        ("calls", {"entry_point": "f", "cases": [{"args": [{"$what": 1}], "expected": 1}]}, "$what"),
        ("stdin_stdout", {"cases": [{"input": 1, "output": "1"}]}, "input"),
        ("stdin_stdout", {"cases": [{"input": "", "output": ""}], "rule": "magic"}, "rule"),
        ("asserts", {"tests": "x = 1"}, "entry_point"),
    ],
)
async def test_a_bad_target_is_an_error_that_names_the_key(
    verifier: CodeVerifier, kind: str, tests: dict[str, Any], complaint: str
) -> None:
    verdict = await judge(verifier, "def f(x): return x", kind, **tests)
    assert verdict.outcome is Outcome.ERROR
    assert complaint in verdict.reason


async def test_a_lost_sandbox_is_an_error_and_the_next_program_is_judged() -> None:
    verifier = CodeVerifier(CodeVerifier.Config(), SandboxConfig(processes=1))
    await verifier.start()

    async def kill() -> None:
        while True:
            for pid in verifier._runs.sandbox.worker_pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.05)

    killer = asyncio.create_task(kill())
    # Longer than a busy machine delays the kill.
    slow = "import time\ndef f(x):\n    time.sleep(10)\n    return x"
    verdict = await calls(verifier, slow, (1, 1))
    killer.cancel()
    assert verdict.outcome is Outcome.ERROR
    assert (await calls(verifier, "def f(x): return x", (1, 1))).outcome is Outcome.PASS
    await verifier.close()


async def test_a_large_answer_does_not_hold_up_the_event_loop(verifier: CodeVerifier) -> None:
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - before)

    watching = asyncio.create_task(watch())
    code = "def f(n): return [i / 7 + 1e-9 for i in range(n)]"
    case = {"args": [150_000], "expected": [i / 7 for i in range(150_000)], "tolerance": 1e-6}
    verdict = await judge(verifier, code, "calls", entry_point="f", cases=[case])
    watching.cancel()
    assert verdict.outcome is Outcome.PASS, verdict.reason
    # Reading and comparing it takes longer than that.
    assert longest < 0.5
