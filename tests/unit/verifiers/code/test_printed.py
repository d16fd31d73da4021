"""`stdin_stdout`: the cases that run, their inputs, and the verdicts on them."""

import asyncio
import time
from typing import Any

import pytest

from sandbox import Program, Result
from tests.unit.verifiers.code.judging import judge, printed
from verifiers import Outcome
from verifiers.code import CodeVerifier

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVEN = "n = int(input())\nprint(n if n < 5 else 0)"
CASES = [(str(n), str(n)) for n in range(12)]


@pytest.fixture
def runs(verifier: CodeVerifier, monkeypatch: pytest.MonkeyPatch) -> list[Program]:
    """Records the programs that run from now on."""
    seen: list[Program] = []
    run = verifier._runs.sandbox.run

    async def watched(program: Program) -> Result:
        seen.append(program)
        return await run(program)

    monkeypatch.setattr(verifier._runs.sandbox, "run", watched)
    return seen


async def test_it_stops_at_the_first_failure(verifier: CodeVerifier, runs: list[Program]) -> None:
    verdict = await printed(verifier, EVEN, *CASES)
    assert verdict.outcome is Outcome.FAIL
    assert verdict.reason.startswith("case 6 of 12: line 1: expected '5', got '0'")
    assert (verdict.evidence["passed"], verdict.evidence["untried"]) == (5, 6)
    assert verdict.evidence["share"] is None
    assert len(runs) < 12
    runs.clear()
    verdict = await printed(verifier, "print(-1)", *CASES)
    assert len(runs) == 1, "most wrong programs fail the first case, which runs alone"


async def test_all_cases_give_the_fraction(verifier: CodeVerifier) -> None:
    verdict = await printed(verifier, EVEN, *CASES, all_cases=True)
    assert verdict.outcome is Outcome.FAIL
    assert verdict.evidence["share"] == 5 / 12
    assert verdict.evidence["first_failure"] == {"case": 5, "reason": "line 1: expected '5', got '0'"}


async def test_an_endless_loop_does_not_cost_a_limit_for_every_case(
    verifier: CodeVerifier, runs: list[Program]
) -> None:
    limits = {"cpu_seconds": 0.2}
    endless = "while True: pass"
    verdict = await printed(verifier, endless, *CASES * 3, limits=limits)
    assert (len(runs), verdict.evidence["reason_code"]) == (1, "timeout")
    runs.clear()
    verdict = await printed(verifier, endless, *CASES * 3, limits=limits, all_cases=True)
    assert len(runs) <= 1 + 3 + 3
    untried = verdict.evidence["untried"]
    assert isinstance(untried, int)
    assert untried >= 36 - 7
    runs.clear()
    late = "n = int(input())\nwhile n == 6: pass\nprint(n)"
    verdict = await printed(verifier, late, *CASES, limits=limits)
    assert (verdict.evidence["passed"], verdict.evidence["reason_code"]) == (6, "timeout")


async def test_the_same_failure_is_reported_every_time(verifier: CodeVerifier) -> None:
    # The later case fails immediately, the earlier one after a while: two programs share no event.
    code = "import time\nn = int(input())\nif n == 2: time.sleep(0.3)\nprint(n if n < 2 else -n)"
    for _ in range(3):
        verdict = await printed(verifier, code, *CASES)
        assert verdict.evidence["first_failure"] == {
            "case": 2,
            "reason": "line 1: expected '2', got '-2'",
        }
        assert verdict.evidence["untried"] == 9


async def test_as_much_may_be_printed_as_is_expected(verifier: CodeVerifier) -> None:
    size = 6_000_000
    verdict = await printed(verifier, f"print('x' * {size})", ("", "x" * size))
    assert verdict.outcome is Outcome.PASS, verdict.reason
    verdict = await printed(verifier, f"print('x' * {size})", ("", "x"))
    assert verdict.evidence["reason_code"] == "output_limit"


async def test_large_outputs_do_not_hold_up_the_event_loop(verifier: CodeVerifier) -> None:
    size = 600_000
    expected = "1.5\n" * size
    longest = 0.0
    done = False

    async def beat() -> None:
        nonlocal longest
        while not done:
            start = time.thread_time()
            await asyncio.sleep(0.005)
            longest = max(longest, time.thread_time() - start)

    heart = asyncio.create_task(beat())
    code = f"import sys\nsys.stdout.write('1.50\\n' * {size})"
    verdict = await printed(verifier, code, ("", expected), rule="numbers")
    done = True
    await heart
    assert verdict.outcome is Outcome.PASS, verdict.reason
    # Comparing them in this thread would block it for half a second or more.
    assert longest < 0.3


async def test_output_that_is_not_utf_8_fails(verifier: CodeVerifier) -> None:
    code = "import os\nos.write(1, b'a\\xff')"
    for more in ({}, {"checker": "def check(i, output, expected): return output == expected"}):
        verdict = await printed(verifier, code, ("", "a\ufffd"), **more)
        assert verdict.outcome is Outcome.FAIL, verdict


@pytest.mark.parametrize("said", ["None", "5", "'yes'", "1 / 0", "[]"])
async def test_output_that_makes_a_checker_say_nonsense_fails(
    verifier: CodeVerifier, said: str
) -> None:
    checker = f"def check(input, output, expected):\n    return output == expected or {said}"
    verdict = await printed(verifier, "print('evil')", ("", "5"), checker=checker)
    assert verdict.outcome is Outcome.FAIL, verdict


async def test_a_checker_has_its_own_time(verifier: CodeVerifier) -> None:
    checker = (
        "import time\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass\n"
        "def check(input, output, expected): return output.strip() == expected"
    )
    limits = {"cpu_seconds": 0.3}
    verdict = await printed(verifier, "print(5)", ("", "5"), checker=checker, limits=limits)
    assert verdict.outcome is Outcome.PASS, verdict


@pytest.mark.parametrize(
    ("code", "reason_code"),
    [
        ("print(2)", "wrong_answer"),
        ("print(1 / 0)", "runtime_error"),
        ("print(", "compile_error"),
        ("def f():\nreturn 1", "compile_error"),
        ("if 1:\n\tx = 1\n        y = 2", "compile_error"),
        ("return 1\nx = 5", "compile_error"),
        ("eval('1 +')", "runtime_error"),
        ("exec('if 1:')", "runtime_error"),
        ("import ast\ndef f(): ast.parse('(')\nf()", "runtime_error"),
        ("raise SyntaxError('mine')", "runtime_error"),
        ("while True: pass", "timeout"),
        ("import time; time.sleep(60)", "timeout"),
        ("x = 'a' * 2**31", "memory_limit"),
        ("x = [0]\nwhile True: x += x", "memory_limit"),
        ("while True: print('x' * 10000)", "output_limit"),
        ("import os; os._exit(3)", "runtime_error"),
        ("exit(1)", "runtime_error"),
        ("import ctypes; ctypes.string_at(0)", "runtime_error"),
        ("def f(): f()\nf()", "runtime_error"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "runtime_error"),
    ],
)
async def test_each_failure_has_its_reason_code(
    verifier: CodeVerifier, code: str, reason_code: str
) -> None:
    limits = {"cpu_seconds": 0.5, "wall_seconds": 1.5} if reason_code == "timeout" else {}
    verdict = await printed(verifier, f"```python\n{code}\n```", ("", "1"), limits=limits)
    assert verdict.outcome is Outcome.FAIL
    assert verdict.evidence["reason_code"] == reason_code, verdict.reason
    function = f"```python\ndef f(x):\n    exec({code!r})\n    return 2\n```"
    expected = {"compile_error": "runtime_error"}.get(reason_code, reason_code)
    if "print" not in code and "exit(1)" not in code:
        cases = [{"args": [0], "expected": 1}]
        tests = {"entry_point": "f", "cases": cases, "limits": limits}
        verdict = await judge(verifier, function, "calls", **tests)
        assert verdict.evidence["reason_code"] == expected, verdict.reason


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ValueError('a\\nb')", "ValueError: a"),
        ("import sys\nsys.exit('no input')", "no input"),
        ("class Odd(Exception): pass\nraise Odd(5)", "Odd: 5"),
    ],
)
async def test_the_error_is_reported(verifier: CodeVerifier, code: str, said: str) -> None:
    assert said in (await printed(verifier, code, ("", "1"))).reason


FILES: dict[str, Any] = {"data.csv": "a,b\n1,2\n", "raw.bin": {"base64": "AP8="}}


async def test_a_program_finds_its_files(verifier: CodeVerifier) -> None:
    code = "print(int(open('data.csv').read().split(',')[2]), list(open('raw.bin', 'rb').read()))"
    verdict = await printed(verifier, code, ("", "2 [0, 255]"), files=FILES)
    assert verdict.outcome is Outcome.PASS, verdict
    function = "def f(x):\n    return open('data.csv').read()"
    cases = [{"args": [0], "expected": FILES["data.csv"]}]
    verdict = await judge(verifier, function, "calls", entry_point="f", cases=cases, files=FILES)
    assert verdict.outcome is Outcome.PASS, verdict
    verdict = await printed(verifier, code, ("", "2 [0, 255]"))
    assert verdict.outcome is Outcome.FAIL, "no file is left for the next program"


async def test_a_program_may_write_where_its_target_says_so(verifier: CodeVerifier) -> None:
    code = (
        "import os, tempfile\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    path = os.path.join(folder, 'x')\n"
        "    open(path, 'w').write('5')\n"
        "    print(open(path).read())\n"
    )
    verdict = await printed(verifier, code, ("", "5"), limits={"files": 10})
    level = verifier._runs.sandbox.protection
    assert level is not None
    if level.level.name == "NAMESPACES":
        assert verdict.outcome is Outcome.PASS, verdict
    else:
        assert verdict.outcome is Outcome.ERROR, verdict
    assert (await printed(verifier, code, ("", "5"))).outcome is Outcome.FAIL


async def test_deep_recursion_and_large_numbers(verifier: CodeVerifier) -> None:
    deep = (
        "import sys\nfrom functools import lru_cache\nsys.setrecursionlimit(10**6)\n"
        "@lru_cache(None)\ndef f(n): return 0 if n == 0 else 1 + f(n - 1)\n"
    )
    verdict = await printed(verifier, deep + "print(f(60000))", ("", "60000"))
    assert verdict.outcome is Outcome.PASS, verdict
    verdict = await judge(
        verifier, deep, "calls", entry_point="f", cases=[{"args": [60000], "expected": 60000}]
    )
    assert verdict.outcome is Outcome.PASS, verdict
    large = "n = int(input())\nprint(n + 1)"
    verdict = await printed(verifier, large, ("9" * 6000, "1" + "0" * 6000))
    assert verdict.outcome is Outcome.PASS, verdict


async def test_a_prelude_gives_names_that_a_site_has(verifier: CodeVerifier) -> None:
    code = (
        "class Solution:\n    def f(self, x: List[int]) -> Optional[int]:\n"
        "        heapq.heapify(x)\n        d = defaultdict(int)\n"
        "        return heappop(x) + bisect.bisect_left([1, 2], 2) + pow(2, 3, 5) + gcd(4, 6) + inf * 0"
    ).replace(" + inf * 0", "")
    target = {"entry_point": "Solution.f", "cases": [{"args": [[3, 1]], "expected": 7}]}
    outcomes = [
        (await judge(verifier, code, "calls", **target, **more)).outcome
        for more in ({"prelude": "leetcode"}, {})
    ]
    assert outcomes == [Outcome.PASS, Outcome.FAIL]
    own = await printed(verifier, "print(G)", ("", "5"), prelude="G = 5")
    future = "from __future__ import annotations\nprint(G)"
    with_future = await printed(verifier, future, ("", "5"), prelude="G = 5")
    assert (own.outcome, with_future.outcome) == (Outcome.PASS, Outcome.PASS)
    told = (
        "'''\nfrom __future__ import magic\n'''\n"
        "from __future__ import (\n    annotations,\n)\nprint(G)"
    )
    assert (await printed(verifier, told, ("", "5"), prelude="G = 5")).outcome is Outcome.PASS
    assert own.extracted == "print(G)"


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"prelude": "leetcod"}, "prelude"),
        ({"prelude": "import ("}, "prelude"),
        ({"files": {"a/b": "x"}}, "files"),
        ({"files": {"a": {"base64": "?"}}}, "base64"),
        ({"files": {"a": 5}}, "files"),
        ({"limits": {"files": -1}}, "limits.files"),
        ({"limits": {"cpu_seconds": 1e12}}, "cpu_seconds"),
        ({"limits": {"processes": 10**9}}, "processes"),
        ({"language": "cobol"}, "language"),
        ({"cases": [{"input": "", "output": "\ud800"}]}, "surrogates"),
    ],
)
async def test_what_a_target_may_not_say(
    verifier: CodeVerifier, more: dict[str, Any], complaint: str
) -> None:
    target = {"cases": [{"input": "", "output": "1"}], **more}
    verdict = await judge(verifier, "print(1)", "stdin_stdout", **target)
    assert verdict.outcome is Outcome.ERROR
    assert complaint in verdict.reason


async def test_only_printing_programs_are_taken_in_other_languages(verifier: CodeVerifier) -> None:
    cases = [{"args": [], "expected": 1}]
    for kind, given in (("calls", {"cases": cases}), ("asserts", {"tests": "assert f()"})):
        verdict = await judge(verifier, "x", kind, entry_point="f", language="cpp", **given)
        assert verdict.outcome is Outcome.ERROR
        assert "language" in verdict.reason
        assert "stdin_stdout" in verdict.reason


@pytest.mark.parametrize(
    "code",
    [
        "from multiprocessing import Pool\ndef f(x): return x * x\n"
        "with Pool(2) as pool: print(sum(pool.map(f, range(5))))",
        "from concurrent.futures import ProcessPoolExecutor\ndef f(x): return x * x\n"
        "with ProcessPoolExecutor(2) as pool: print(sum(pool.map(f, range(5))))",
        "from multiprocessing import Process, Queue\ndef f(q): q.put(30)\nq = Queue()\n"
        "p = Process(target=f, args=(q,))\np.start()\nprint(q.get())\np.join()",
        "from multiprocessing import Process, Value\ndef f(v):\n    with v.get_lock(): v.value += 15\n"
        "v = Value('i', 0)\nps = [Process(target=f, args=(v,)) for _ in range(2)]\n"
        "[p.start() for p in ps]\n[p.join() for p in ps]\nprint(v.value)",
        "import subprocess\nprint(subprocess.check_output(['echo', '30'], text=True))",
    ],
)
async def test_a_program_may_start_processes_where_its_target_says_so(
    verifier: CodeVerifier, code: str
) -> None:
    verdict = await printed(verifier, code, ("", "30"), limits={"processes": 8})
    protection = verifier._runs.sandbox.protection
    assert protection is not None
    if protection.level.name == "NAMESPACES":
        assert verdict.outcome is Outcome.PASS, verdict
    else:
        assert verdict.outcome is Outcome.ERROR, verdict
    assert (await printed(verifier, code, ("", "30"))).outcome is Outcome.FAIL
