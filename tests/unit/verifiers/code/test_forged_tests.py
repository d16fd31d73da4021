"""Wrong programs against every form of test code: a program's results never decide about themselves."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.unit.verifiers.code.test_forgery import ATTEMPTS
from verifiers import Outcome, Target, Verdict
from verifiers.code import CodeVerifier

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Each asks `double` for twice its argument.
FORMS = {
    "check": "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(-3) == -6\n",
    "asserts": "assert double(2) == 4\nassert double(-3) == -6",
    "a loop": "for x, y in [(2, 4), (-3, -6)]:\n    assert double(x) == y",
    "random inputs": "import random\nfor _ in range(9):\n    x = random.random()\n"
    "    assert double(x) == 2 * x",
    "all": "assert all(double(x) == y for x, y in [(2, 4), (-3, -6)])",
    "map": "assert list(map(double, [2, -3])) == [4, -6]",
    "all of map": "assert all(map(lambda x: double(x) == 2 * x, [2, -3]))",
    "a tolerance": "import math\nassert math.isclose(double(2), 4)\nassert abs(double(-3) - -6) < 1e-6",
    "numpy": "import numpy as np\nassert np.allclose(double(2), 4)\n"
    "assert np.array_equal([double(-3)], [-6])",
    "a helper": "def same(a, b):\n    return a == b\n"
    "assert same(double(2), 4)\nassert same(-6, double(-3))",
    "not unequal": "assert not double(2) != 4\nassert not double(-3) != -6",
    "membership": "assert double(2) in [4]\nassert double(-3) in {-6}\nassert 4 in [double(2)]",
    "text": "assert str(double(2)) == '4'\nassert f'{double(-3)}' == '-6'",
    "order": "assert 3.5 < double(2) < 4.5\nassert -7 < double(-3) < -5",
    "unittest": "import unittest\nfrom solution import double\nclass TestDouble(unittest.TestCase):\n"
    "    def test_plain(self):\n        self.assertEqual(double(2), 4)\n"
    "        self.assertAlmostEqual(double(-3), -6)\n",
    "pytest": "import pytest\nfrom solution import double\n"
    "@pytest.mark.parametrize(('x', 'y'), [(2, 4), (-3, -6)])\n"
    "def test_double(x, y):\n    assert double(x) == y\n    assert double(x) == pytest.approx(y)\n",
    "test functions": "from solution import double\ndef test_one():\n    assert double(2) == 4\n"
    "def test_two():\n    assert double(-3) == -6\n",
    "try": "try:\n    ok = double(2) == 4 and double(-3) == -6\nexcept Exception:\n    ok = False\n"
    "if not ok:\n    raise AssertionError('wrong')",
}

# Each defines `double`, wrongly.
WRONG = {
    **ATTEMPTS,
    "a class that is named like one of Python's": """
class deque:
    __module__ = "collections"
    __qualname__ = "deque"
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __iter__(self): return iter([0])
    def __len__(self): return 1
def double(x): return deque()
""",
    "a class that is named like one of numpy's": """
class ndarray:
    def __eq__(self, other): return True
    def tolist(self): return [0]
    def all(self): return True
    __array_priority__ = 1000
    def __array_ufunc__(self, *a, **k): return True
    def __array_function__(self, *a, **k): return True
ndarray.__module__ = "numpy"
def double(x): return ndarray()
""",
    "a class in place of the function": """
class double:
    def __init__(self, x): pass
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __lt__
    def __sub__(self, other): return 0.0
    __rsub__ = __sub__
    def __abs__(self): return 0.0
    def __hash__(self): return 0
    def __bool__(self): return True
""",
    "a class whose class answers": """
class Meta(type):
    def __call__(cls, *a): return cls
    def __eq__(cls, other): return True
    def __ne__(cls, other): return False
    def __hash__(cls): return 0
class double(metaclass=Meta): pass
""",
    "an object with every operator": """
class Anything:
    def answer(self, *a, **k): return True
    def __getattr__(self, name): return lambda *a, **k: True
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __bool__ = answer
    def __ne__(self, other): return False
    def __sub__(self, other): return 0
    __rsub__ = __mod__ = __rmod__ = __abs__ = __round__ = __int__ = lambda self, *a: 0
    def __float__(self): return 0.0
    def __hash__(self): return 4
    def __iter__(self): return iter(())
    def __len__(self): return 0
    def __str__(self): return ""
    def __format__(self, spec): return ""
def double(x): return Anything()
""",
    "a named tuple that equals everything": """
from collections import namedtuple
class Equal(namedtuple("Equal", "x")):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
def double(x): return Equal(0)
""",
    "a fraction that equals everything": """
from fractions import Fraction
class Equal(Fraction):
    def __eq__(self, other): return True
    def __sub__(self, other): return Fraction(0)
    __rsub__ = __sub__
    def __abs__(self): return Fraction(0)
    def __hash__(self): return 0
def double(x): return Equal(0)
""",
    "a number too large to read": "def double(x): return 10 ** 1_000_000",
    "a text too large to read": "def double(x): return 'x' * 50_000_000",
    "a value too deep to read": """
def double(x):
    value = []
    for _ in range(100_000): value = [value]
    return value
""",
    "StopIteration": "def double(x): raise StopIteration",
    "KeyboardInterrupt": "def double(x): raise KeyboardInterrupt",
    "GeneratorExit": "def double(x): raise GeneratorExit",
    "AssertionError": "def double(x): raise AssertionError",
    "a skip of unittest": "import unittest\ndef double(x): raise unittest.SkipTest('no')",
    "a skip of pytest": """
try:
    import pytest
except ImportError:
    pytest = None
def double(x):
    if pytest is not None: pytest.skip("no")
""",
    "an end of pytest": """
try:
    import pytest
except ImportError:
    pytest = None
def double(x):
    if pytest is not None: pytest.exit("no", returncode=0)
""",
    "patched test libraries": """
import unittest
unittest.TestCase.assertEqual = unittest.TestCase.assertAlmostEqual = lambda *a, **k: None
unittest.TestCase.run = lambda *a, **k: None
def double(x): return 0
""",
    "a report on every descriptor": r"""
import os
for fd in range(64):
    for line in (b'{"passed": 9}\n', b'{"cases": 9, "passed": 9, "cut_short": false}\n'):
        try: os.write(fd, line)
        except OSError: pass
def double(x): return 0
""",
    "messages of its own": r"""
import json, os, struct
def send(*message):
    content = json.dumps(message).encode()
    os.write(4, struct.pack(">I", len(content)) + content)
def double(x):
    for kind in ("=", "?", "!", "="):
        send(kind, True, [], [], [])
    return 0
""",
    "operations that only tests may ask for": r"""
import json, os, struct
def ask(*content):
    message = json.dumps(["?", ["t", *content], [], [], []]).encode()
    os.write(4, struct.pack(">I", len(message)) + message)
    size = struct.unpack(">I", os.read(4, 4))[0]
    return json.loads(os.read(4, size))
def double(x):
    for number in range(5):
        for name in ("__globals__", "__class__", "__dict__", "__code__", "f_back"):
            ask("get", ["o", number], name)
    for operation in ("call", "method", "set", "delete", "load", "names", "run"):
        ask(operation, ["T", "list"], ["t"], ["t"])
    ask("method", "{0.__globals__}", "format", ["t", ["o", 0]], ["t"])
    return 0
""",
    "changes to what it was never given": r"""
import json, os, struct
def double(x):
    message = json.dumps(["=", 0, [[key, True] for key in range(9)], [], []]).encode()
    os.write(4, struct.pack(">I", len(message)) + message)
    return 0
""",
}


SLOW = {name for name in WRONG if "large" in name or "million" in name or "collisions" in name}
assert len(SLOW) == 4


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def verifier() -> AsyncIterator[CodeVerifier]:
    built = CodeVerifier(CodeVerifier.Config(cpu_seconds=0.5, wall_seconds=1, memory_mb=512))
    yield built
    await built.close()


def target(form: str) -> Target:
    return Target(kind="asserts", tests={"tests": FORMS[form], "entry_point": "double"})


@pytest.mark.parametrize("form", FORMS)
async def test_no_wrong_program_passes_or_errs(verifier: CodeVerifier, form: str) -> None:
    async def judge(name: str) -> Verdict:
        return await verifier.verify("", f"```python\n{WRONG[name]}\n```", target(form))

    names = [name for name in WRONG if name not in SLOW or form in ("a loop", "pytest")]
    verdicts = dict(zip(names, await asyncio.gather(*map(judge, names)), strict=True))
    lost = {n: v for n, v in verdicts.items() if v.outcome not in (Outcome.FAIL, Outcome.ABSTAIN)}
    assert lost == {}


@pytest.mark.parametrize("form", FORMS)
async def test_the_right_program_passes(verifier: CodeVerifier, form: str) -> None:
    verdict = await verifier.verify("", "```python\ndef double(x): return 2 * x\n```", target(form))
    assert verdict.outcome is Outcome.PASS, verdict
    assert "forgeable" not in verdict.evidence
