"""Wrong programs that imitate right ones; none may pass if it is judged from outside."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from verifiers import Outcome, Target
from verifiers.code import CodeVerifier
from verifiers.code.asserts.checking import Forgeable

# Each defines `double`, which should return twice its argument and does not.
ATTEMPTS = {
    "an object that equals everything": """
class Equal:
    def __eq__(self, other): return True
    def __hash__(self): return 0
    def __bool__(self): return True
def double(x): return Equal()
""",
    "an integer that equals everything": """
class Equal(int):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
def double(x): return Equal(0)
""",
    "a text that equals everything": """
class Equal(str):
    def __eq__(self, other): return True
def double(x): return Equal("")
""",
    "a float that compares as wanted": """
class Near(float):
    def __sub__(self, other): return 0.0
    __rsub__ = __sub__
    def __eq__(self, other): return True
def double(x): return Near(0.5)
""",
    "a list that equals everything": """
class Equal(list):
    def __eq__(self, other): return True
def double(x): return Equal()
""",
    "a dict whose items lie": """
class Lies(dict):
    def items(self): return [("a", 1)]
    def __eq__(self, other): return True
def double(x): return Lies()
""",
    "an integer whose conversions lie": """
class Lies(int):
    def __int__(self): return 4
    def __index__(self): return 4
    def __repr__(self): return "4"
    def __str__(self): return "4"
def double(x): return Lies(5)
""",
    "a class that lies about itself": """
class Lies:
    @property
    def __class__(self): return int
    def __int__(self): return 4
    def __eq__(self, other): return True
def double(x): return Lies()
""",
    "a metaclass that is everything": """
class Meta(type):
    def __instancecheck__(cls, instance): return True
    def __subclasscheck__(cls, other): return True
    def __eq__(cls, other): return True
    def __hash__(cls): return 0
class Any(metaclass=Meta): pass
def double(x): return Any
""",
    "exit at once": "import os\nos._exit(0)\ndef double(x): pass",
    "exit in the call": "import os\ndef double(x): os._exit(0)",
    "sys.exit in the call": "import sys\ndef double(x): sys.exit(0)",
    "raise SystemExit": "def double(x): raise SystemExit(0)",
    "exit by a handler": "import atexit, os\natexit.register(os._exit, 0)\ndef double(x): return 0",
    "print what a judge might look for": """
for word in ("PASS", "passed", "ok", "True", "4", "all tests passed"): print(word)
def double(x): print("PASSED"); print(4); return 0
""",
    "write answers to every descriptor": """
import os
for fd in range(1, 64):
    try: os.write(fd, b'{"token": true}\\n{"right": true}\\n{"value": null}\\n')
    except OSError: pass
def double(x): return 0
""",
    "answer for a later call": """
import os
def double(x):
    for fd in range(3, 64):
        try: os.write(fd, b'{"value": 0}\\n' * 50)
        except OSError: pass
    os._exit(0)
""",
    "look through the frames": """
import sys
def double(x):
    frame = sys._getframe()
    while frame:
        for value in list(frame.f_locals.values()):
            if isinstance(value, dict):
                for key in ("expected", "tests", "cases", "output", "token"):
                    if key in value: return value[key]
        frame = frame.f_back
    return 0
""",
    "look through the heap": """
import gc
def double(x):
    for thing in gc.get_objects():
        if isinstance(thing, dict) and "expected" in thing: return thing["expected"]
    return 0
""",
    "read the tests from files": """
import os, glob
def double(x):
    for path in glob.glob("/**/*test*", recursive=True)[:100]:
        try: text = open(path).read()
        except OSError: continue
        if "double" in text: return 4
    return 0
""",
    "read standard input again": """
import os, json
def double(x):
    try:
        os.lseek(0, 0, 0)
        return json.loads(os.read(0, 1 << 20))["calls"][0].get("expected", 0)
    except (OSError, ValueError, KeyError): return 0
""",
    "patch the builtins": """
import builtins
builtins.isinstance = lambda *a: True
builtins.all = lambda *a: True
builtins.any = lambda *a: False
builtins.abs = lambda *a: 0
builtins.len = lambda *a: 1
def double(x): return 0
""",
    "patch the json module": """
import json
json.dumps = lambda *a, **k: '{"value": 4, "right": true, "token": ""}'
json.loads = lambda *a, **k: {}
def double(x): return 0
""",
    "patch the harness": """
import sys
for name, module in list(sys.modules.items()):
    if name.startswith("verifiers"):
        for key in list(vars(module)):
            if callable(vars(module)[key]): setattr(module, key, lambda *a, **k: None)
def double(x): return 0
""",
    "patch AssertionError": """
import builtins
builtins.AssertionError = type("Quiet", (BaseException,), {})
def double(x): return 0
""",
    "a thread that writes later": """
import os, threading, time
def late():
    time.sleep(0.2)
    for fd in range(1, 16):
        try: os.write(fd, b'{"value": 4}\\n')
        except OSError: pass
    os._exit(0)
threading.Thread(target=late).start()
def double(x): return 0
""",
    "trace and change the returned value": """
import sys
def tracer(frame, event, arg):
    if event == "return": frame.f_locals["value"] = 4
    return tracer
sys.settrace(tracer)
def double(x): return 0
""",
    "signal handlers": """
import os, signal
signal.signal(signal.SIGALRM, lambda *a: os._exit(0))
signal.setitimer(signal.ITIMER_REAL, 0.01)
def double(x):
    while True: pass
""",
    "a generator in place of a value": "def double(x):\n    yield 4",
    "a coroutine in place of a value": "async def double(x):\n    return 4",
    "hash collisions, to hold up the comparison": """
def double(x): return {i * (2**61 - 1) for i in range(1, 20_000)}
""",
    "nesting, to overflow the comparison": """
def double(x):
    value = []
    for _ in range(10_000): value = [value]
    return value
""",
    "a value that contains itself": """
def double(x):
    value = []
    value.append(value)
    return value
""",
    "a number of a million digits": "def double(x): return 10 ** 1_000_000",
    "not a number": "def double(x): return float('nan')",
    "nothing": "def double(x): pass",
}
PRINTS = "\nimport sys\nvalue = double(int(sys.stdin.readline()))\nprint('' if value == 4 else value)\n"

TARGETS: dict[str, dict[str, object]] = {
    "calls": {
        "kind": "calls",
        "entry_point": "double",
        "cases": [{"args": [2], "expected": 4}, {"args": [-3], "expected": -6}],
    },
    "asserts": {
        "kind": "asserts",
        "entry_point": "double",
        "tests": "def check(candidate):\n  assert candidate(2) == 4\n  assert candidate(-3) == -6\n",
    },
    "asserts by tolerance": {
        "kind": "asserts",
        "tests": ["assert abs(double(2) - 4) < 1e-6", "assert double(-3) == -6"],
    },
    "stdin_stdout": {
        "kind": "stdin_stdout",
        "cases": [{"input": "2\n", "output": "4\n"}, {"input": "-3\n", "output": "-6\n"}],
        "rule": "numbers",
    },
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def verifier() -> AsyncIterator[CodeVerifier]:
    built = CodeVerifier(CodeVerifier.Config(cpu_seconds=1, wall_seconds=2, memory_mb=256))
    await built.start()
    yield built
    await built.close()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("attempt", ATTEMPTS)
async def test_no_wrong_program_passes(verifier: CodeVerifier, attempt: str, kind: str) -> None:
    code = ATTEMPTS[attempt] + (PRINTS if kind == "stdin_stdout" else "")
    tests = dict(TARGETS[kind])
    target = Target(kind=str(tests.pop("kind")), tests=tests)
    verdict = await verifier.verify("", f"```python\n{code}\n```", target)
    assert verdict.outcome is Outcome.FAIL, verdict
    assert "forgeable" not in verdict.evidence


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("kind", TARGETS)
async def test_the_right_program_passes(verifier: CodeVerifier, kind: str) -> None:
    code = "def double(x): return 2 * x\n"
    if kind == "stdin_stdout":
        code += "print(double(int(input())))\n"
    tests = dict(TARGETS[kind])
    target = Target(kind=str(tests.pop("kind")), tests=tests)
    verdict = await verifier.verify("", f"```python\n{code}\n```", target)
    assert verdict.outcome is Outcome.PASS, verdict


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("forgeable", "outcome"),
    [("abstain", Outcome.ABSTAIN), ("fail", Outcome.FAIL), ("pass", Outcome.PASS)],
)
async def test_what_only_works_in_one_process_passes_by_choice(
    forgeable: Forgeable, outcome: Outcome
) -> None:
    # Patching what the program has imported works only in its own process.
    tests = (
        "import time\nfrom unittest.mock import patch\ndef check(candidate):\n"
        "    with patch('time.sleep'):\n        assert candidate(1) == 2\n"
    )
    target = Target(kind="asserts", tests={"tests": tests, "entry_point": "double"})
    verifier = CodeVerifier(CodeVerifier.Config(forgeable=forgeable, cpu_seconds=2, wall_seconds=4))
    code = "import time\ndef double(x): time.sleep(3600); return 2 * x"
    right = await verifier.verify("", code, target)
    assert (right.outcome, right.evidence["forgeable"]) == (outcome, True)
    assert "patch `time.sleep`" in str(right.evidence["not_apart"])
    for name in ("exit at once", "exit in the call", "nothing", "print what a judge might look for"):
        wrong = await verifier.verify("", f"```python\n{ATTEMPTS[name]}\n```", target)
        assert (wrong.outcome, wrong.evidence["forgeable"]) == (Outcome.FAIL, True), name
    await verifier.close()
