"""Tests in a separate process see a program as they would in the same process."""

from typing import Any

import pytest

from tests.unit.verifiers.code.judging import judge
from verifiers import Outcome, Verdict
from verifiers.code import CodeVerifier

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def asserts(verifier: CodeVerifier, code: str, tests: str, entry_point: str = "f") -> Verdict:
    return await judge(
        verifier, f"```python\n{code}\n```", "asserts", tests=tests, entry_point=entry_point
    )


STACK = """
class Stack:
    limit = 3
    def __init__(self, items=()):
        self.items = list(items)
        self.listeners = []
    def push(self, item):
        if len(self.items) >= self.limit: raise Full(f"more than {self.limit}")
        self.items.append(item)
        for listener in self.listeners: listener(item)
    def pop(self): return self.items.pop()
    def __len__(self): return len(self.items)
    def __contains__(self, item): return item in self.items
    def __iter__(self): return iter(self.items)
    def __getitem__(self, index): return self.items[index]
    def __repr__(self): return f"Stack({self.items})"
    @property
    def top(self): return self.items[-1]
    @classmethod
    def of(cls, *items): return cls(items)
    def __enter__(self): return self
    def __exit__(self, *error): self.items.clear()
class Full(ValueError): pass
class Small(Stack):
    limit = 1
"""


@pytest.mark.parametrize(
    ("code", "tests"),
    [
        # Arguments and results are shared as long as both sides hold them.
        ("def f(x): x.append(1)", "a = []\nf(a)\nf(a)\nassert a == [1, 1]"),
        ("def f(x): return x", "a = [1]\nb = f(a)\nb.append(2)\nassert a == [1, 2] and a is b"),
        ("def f(x): x['k'][0].add(3)", "a = {'k': [{1}]}\nf(a)\nassert a == {'k': [{1, 3}]}"),
        ("kept = []\ndef f(x): kept.append(x); return kept", "a = f(1)\nassert a == [1]\nf(2)\nassert a == [1, 2]"),
        ("def f(x): x[:] = []; del x", "a = [[1]]\nb = a[0]\nf(a)\nassert a == [] and b == [1]"),
        ("def f(x): x[0] = x", "a = [1]\nf(a)\nassert a[0] is a"),
        ("def f(x): return [x, x]", "a = f([1])\nassert a[0] is a[1]"),
        ("last = None\ndef f(x):\n    global last\n    if last is not None: last.append(9)\n    last = x",
         "a = []\nf(a)\nf([])\nassert a == [9]"),
        ("from collections import *\ndef f(x): return Counter(x)",
         "from collections import Counter\na = f('aab')\nassert a == Counter(a=2, b=1) and a.most_common(1) == [('a', 2)]"),
        ("from collections import *\ndef f(x): return defaultdict(list, x)", "a = f({1: [2]})\na[5].append(1)\nassert a == {1: [2], 5: [1]}"),
        ("from collections import *\ndef f(x): return deque(x, maxlen=2)", "a = f([1, 2, 3])\na.append(4)\nassert list(a) == [3, 4] and a != [3, 4]"),
        # Functions of the tests are called by the program.
        ("def f(g, xs): return [g(x) for x in xs]", "assert f(lambda x: x * 2, [1, 2]) == [2, 4]"),
        ("def f(g): return g(lambda x: x + 1)", "assert f(lambda h: h(1) * 10) == 20"),
        ("def f(xs, key): return sorted(xs, key=key)", "assert f(['bb', 'a'], len) == ['a', 'bb']"),
        ("def f(g):\n    try: return g()\n    except KeyError as e: return e.args[0]",
         "def g(): raise KeyError('k')\nassert f(g) == 'k'"),
        ("def f(node): node.next.value = 7; return node.value + node.next.value",
         "class Node:\n    def __init__(self, value, next=None): self.value, self.next = value, next\n"
         "a = Node(1, Node(2))\nassert f(a) == 8 and a.next.value == 7"),
        ("def f(cls): return cls(3)", "class A:\n    def __init__(self, x): self.x = x\nassert f(A).x == 3 and isinstance(f(A), A)"),
        # Functions, generators and coroutines of the program.
        ("def f(n):\n    def g(x): return x + n\n    return g", "assert f(2)(3) == 5 and callable(f(1)) and f(1) is not f"),
        ("def f(n): yield from range(n)", "import types\nassert isinstance(f(2), types.GeneratorType)\nassert list(f(3)) == [0, 1, 2]"),
        ("def f(n):\n    got = yield n\n    return", "g = f(1)\nassert next(g) == 1\nassert next(g, 'end') == 'end'"),
        ("import itertools\ndef f(): return itertools.count()", "a = f()\nassert [next(a), next(a)] == [0, 1]"),
        ("def f(x): return map(str, x)", "a = f([1, 2])\nassert iter(a) is a\nassert list(a) == ['1', '2']"),
        ("async def f(x): return x + 1", "import asyncio\nassert asyncio.run(f(1)) == 2"),
        ("async def f(x): return x + 1", "async def test_f():\n    assert await f(1) == 2"),
        # Exceptions keep their classes.
        ("def f(x): raise ValueError('bad', x)", "try:\n    f(1)\n    assert False\nexcept ValueError as e:\n    assert e.args == ('bad', 1) and str(e) == \"('bad', 1)\""),
        ("class E(KeyError):\n    code = 5\ndef f(x): raise E(x)", "from solution import E, f\ntry:\n    f(1)\n    assert False\nexcept LookupError as e:\n    assert type(e) is E and e.code == 5"),
        ("import sys\ndef f(): sys.exit(3)", "try:\n    f()\n    assert False\nexcept SystemExit as e:\n    assert e.code == 3"),
        ("def f(x): return 1 / x", "import pytest\nwith pytest.raises(ZeroDivisionError, match='zero'):\n    f(0)\nassert f(1) == 1"),
        # Values of many types.
        ("import datetime\ndef f(x): return x + datetime.timedelta(days=1)", "from datetime import date\nassert f(date(2020, 1, 1)) == date(2020, 1, 2) > date(2020, 1, 1)"),
        ("from decimal import *\ndef f(x): return Decimal(x) / 3", "from decimal import Decimal\nassert f('1') == Decimal(1) / 3"),
        ("def f(x): return x", "for x in (10**5000, -1.5, float('inf'), 'é\\ud800', b'\\0', 1j, range(3), ..., None, True, (1, (2,)), frozenset({1}), {(1, 2): [3]}, slice(1, 2), int, ValueError):\n    assert f(x) == x and type(f(x)) is type(x)"),
        ("from typing import *\nclass P(NamedTuple):\n    x: int\n    y: int\ndef f(a): return P(a, 2)", "a = f(1)\nassert a == (1, 2) and a.x == 1 and isinstance(a, tuple) and a._asdict() == {'x': 1, 'y': 2}"),
        ("from enum import *\nclass C(IntEnum):\n    A = 1\ndef f(): return C.A", "assert f() == 1 and f().name == 'A'"),
        ("import numpy as np\ndef f(x): return np.array(x) * 2", "import numpy as np\na = f([1, 2])\nassert isinstance(a, np.ndarray) and a.tolist() == [2, 4] and a.dtype.kind == 'i'"),
        ("import numpy as np\ndef f(x): return x.mean(axis=0)", "import numpy as np\nnp.testing.assert_allclose(f(np.ones((2, 3))), [1, 1, 1])"),
        # What is printed and read.
        ("def f(): print('a', 1); return input('? ')", "import io, contextlib\nfrom unittest.mock import patch\nout = io.StringIO()\nwith patch('builtins.input', return_value='7'), contextlib.redirect_stdout(out):\n    assert f() == '7'\nassert out.getvalue() == 'a 1\\n'"),
        ("import sys\ndef f(): return sys.stdin.read().split()", "import io\nfrom unittest.mock import patch\nwith patch('sys.stdin', io.StringIO('1 2')):\n    r = f()\nassert r == ['1', '2']"),
        ("def f(): print('x')", "import pytest\ndef test_f(capsys):\n    f()\n    assert capsys.readouterr().out == 'x\\n'"),
        ("def f(n): return 0 if n == 0 else 1 + f(n - 1)", "import sys\nsys.setrecursionlimit(10_000)\nassert f(5_000) == 5_000"),
        # The module itself.
        ("LIMIT = 3\ndef g(): return 1\ndef f(): return g() + LIMIT", "import solution\nfrom unittest.mock import patch\nassert solution.f() == 4\nwith patch('solution.g', return_value=5):\n    r = solution.f()\nassert r == 8 and solution.LIMIT == 3"),
        ("LIMIT = 3\ndef f(): return LIMIT", "import solution\ndef test_f(monkeypatch):\n    monkeypatch.setattr(solution, 'LIMIT', 9)\n    assert solution.f() == 9\ndef test_g():\n    assert solution.f() == 3"),
        ("import random\ndef f(): return random.random()", "import random\nrandom.seed(5)\nx = random.random()\nrandom.seed(5)\nassert f() == x"),
        ("def f(x: int, y=2) -> int:\n    'Adds.'\n    return x + y", "assert f.__name__ == 'f' and f.__doc__ == 'Adds.' and f.__defaults__ == (2,)"),
        ("import functools\ncalls = []\n@functools.cache\ndef f(x): calls.append(x); return x", "f(1); f(1)\nassert f.cache_info().hits == 1\nimport solution\nassert solution.calls == [1]"),
    ],
)  # fmt: skip
async def test_a_right_program_passes(verifier: CodeVerifier, code: str, tests: str) -> None:
    verdict = await asserts(verifier, code, tests)
    assert verdict.outcome is Outcome.PASS, (verdict.reason, verdict.evidence)
    assert "forgeable" not in verdict.evidence


@pytest.mark.parametrize(
    "tests",
    [
        "s = Stack()\ns.push(1)\ns.push(2)\nassert len(s) == 2 and s.pop() == 2 and s.top == 1 and 1 in s and 2 not in s",
        "s = Stack([1, 2])\nassert list(s) == [1, 2] and s[0] == 1 and repr(s) == 'Stack([1, 2])' and f'{s}' == str(s)",
        "s = Stack()\ns.items.append(5)\nassert s.pop() == 5\ns.items = [7]\nassert s.top == 7",
        "s = Stack()\nseen = []\ns.listeners.append(seen.append)\ns.push(4)\nassert seen == [4]",
        "from solution import Stack, Full\nimport pytest\ns = Stack([1, 2, 3])\nwith pytest.raises(Full) as e:\n    s.push(4)\nassert str(e.value) == 'more than 3' and isinstance(e.value, ValueError)",
        "from solution import Small\ns = Small()\nassert isinstance(s, Stack) and isinstance(s, Small) and type(s) is Small and Small.limit == 1 and issubclass(Small, Stack)",
        "s = Stack.of(1, 2)\nassert isinstance(s, Stack) and len(s) == 2",
        "with Stack([1]) as s:\n    assert len(s) == 1\nassert len(s) == 0 and not s",
        "import copy\ns = Stack([1])\nt = copy.deepcopy(s)\nt.push(2)\nassert len(s) == 1 and len(t) == 2",
        "s, t = Stack(), Stack()\nassert s is not t and s in [t, s] and hasattr(s, 'pop') and not hasattr(s, 'peek')",
        "class TestStack:\n    def setup_method(self):\n        self.s = Stack([1])\n    def test_pop(self):\n        assert self.s.pop() == 1\n    def test_again(self):\n        assert self.s.pop() == 1",
        "import unittest\nclass T(unittest.TestCase):\n    def setUp(self): self.s = Stack([1])\n    def test_pop(self): self.assertEqual(self.s.pop(), 1)\n    def test_in(self): self.assertIn(1, self.s)",
    ],
)  # fmt: skip
async def test_a_class_under_test(verifier: CodeVerifier, tests: str) -> None:
    verdict = await asserts(verifier, STACK, tests, "Stack")
    assert verdict.outcome is Outcome.PASS, (verdict.reason, verdict.evidence)
    wrong = await asserts(
        verifier, "class Full(Exception): pass\nclass Stack: pass\nclass Small: pass", tests, "Stack"
    )
    assert wrong.outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("tests", "outcome", "num_cases"),
    [
        # Names that are mentioned, one class of two, and runners whose result nobody checks.
        ("import unittest\nclass A(unittest.TestCase):\n    def test_a(self): self.assertEqual(f(1), 2)\n"
         "class B(unittest.TestCase):\n    def test_b(self): self.assertEqual(f(1), 3)\n"
         "suite = unittest.TestLoader().loadTestsFromTestCase(A)\nunittest.TextTestRunner().run(suite)", "fail", 2),
        ("import unittest\nclass A(unittest.TestCase):\n    def setUp(self): super(A, self).setUp()\n"
         "    def test_a(self): self.assertEqual(f(1), 3)\n", "fail", 1),
        ("import unittest\nclass A(unittest.TestCase):\n    @unittest.expectedFailure\n"
         "    def test_a(self): self.assertEqual(f(1), 2)", "fail", 1),
        ("import unittest\nclass A(unittest.TestCase):\n    @unittest.expectedFailure\n"
         "    def test_a(self): self.assertEqual(f(1), 3)", "pass", 1),
        ("import unittest\nclass A(unittest.TestCase):\n    @unittest.skip('no')\n"
         "    def test_a(self): self.assertEqual(f(1), 3)\n    def test_b(self): self.assertEqual(f(1), 2)", "pass", 1),
        ("import unittest\nclass A(unittest.TestCase):\n    def test_a(self):\n"
         "        for x, y in [(1, 2), (2, 9)]:\n            with self.subTest(x=x): self.assertEqual(f(x), y)", "fail", None),
        ("def test_a():\n    assert f(1) == 2\ndef test_b():\n    assert f(1) == 3\nif __name__ == '__main__':\n    test_a()", "fail", 2),
        ("import pytest\ndef test_a():\n    assert f(1) == 3\nif __name__ == '__main__':\n    pytest.main([__file__])", "fail", 1),
        ("import sys\ndef test_a():\n    assert f(1) == 2\nif __name__ == '__main__':\n    import pytest\n    sys.exit(pytest.main([__file__, '-v']))", "pass", 1),
        ("import sys\nassert f(1) == 2\nsys.exit(3)", "fail", None),
        ("import pytest\n@pytest.fixture\ndef x():\n    yield f(1)\nclass TestF:\n    @pytest.fixture(autouse=True)\n    def prepare(self, x): self.x = x\n"
         "    @pytest.mark.parametrize('y', [2, 3])\n    def test_a(self, y): assert self.x == y", "fail", 2),
        ("import pytest\n@pytest.mark.skip\ndef test_a(): assert f(1) == 3\n@pytest.mark.skipif(True, reason='no')\n"
         "def test_b(): assert f(1) == 3\ndef test_c(): assert f(1) == 2", "pass", 1),
        ("import pytest\n@pytest.mark.xfail\ndef test_a(): assert f(1) == 3\n@pytest.mark.xfail(strict=True)\n"
         "def test_b(): assert f(1) == 2", "fail", 2),
        ("def setup_module():\n    global wanted\n    wanted = 2\ndef test_a():\n    assert f(1) == wanted", "pass", 1),
        ("def test_a(tmp_path):\n    (tmp_path / 'x').write_text(str(f(1)))\n    assert (tmp_path / 'x').read_text() == '2'", "pass", 1),
        ("import tempfile, os\nwith tempfile.TemporaryDirectory() as d:\n    open(os.path.join(d, 'x'), 'w').write(str(f(1)))\n"
         "    got = open(os.path.join(d, 'x')).read()\nassert got == '2'", "pass", 1),
        ("assert f(1) == 2\nassert f(1) == 3\nassert f(2) == 3\nassert f(2) == 4", "fail", 4),
        ("x = f(1)\nassert x == 2\ny = f('a')\nassert y == 'a1'\nassert x == 2", "fail", 2),
    ],
)  # fmt: skip
async def test_tests_run_as_python_and_pytest_run_them(
    verifier: CodeVerifier, tests: str, outcome: str, num_cases: int | None
) -> None:
    verdict = await asserts(verifier, "def f(x): return x + 1", tests)
    assert verdict.outcome.value == outcome, (verdict.reason, verdict.evidence)
    assert num_cases is None or verdict.evidence["cases"] == num_cases, verdict.evidence


@pytest.mark.parametrize(
    ("tests", "why"),
    [
        ("def f(x): return x + 1\nassert f(1) == 2", "they define `f` themselves"),
        ("from helpers_that_nobody_has import g\nassert f(1) == 2", "they need the package"),
        ("g = lambda x: x + 1\ndef check(candidate):\n    assert g(1) == 2", "never use the program"),
        ("def test_f(no_such_fixture):\n    assert f(1) == no_such_fixture", "does not exist"),
        ("import pytest\n@pytest.mark.parametrize('y', [2])\ndef test_f(x):\n    assert f(1) == x", "pytest cannot collect them"),
    ],
)  # fmt: skip
async def test_bad_tests_are_errors(verifier: CodeVerifier, tests: str, why: str) -> None:
    verdict = await asserts(verifier, "def f(x): return x + 1", tests)
    assert verdict.outcome is Outcome.ERROR
    assert why in verdict.reason


async def test_a_helper_of_the_prompt_is_not_taken_from_the_program(verifier: CodeVerifier) -> None:
    # A program that redefines it would decide whether it is right.
    prompt = "def value(xs, x):\n    return sum(c * x**i for i, c in enumerate(xs))\n\ndef root(xs):\n"
    tests = "def check(candidate):\n    assert abs(value([-2, 1], candidate([-2, 1]))) < 1e-6\n"
    target: dict[str, Any] = {"prompt": prompt, "tests": tests, "entry_point": "root"}
    right = "```python\ndef root(xs): return -xs[0] / xs[1]\n```"
    wrong = "```python\ndef value(xs, x): return 0\ndef root(xs): return 5\n```"
    assert (await judge(verifier, right, "asserts", **target)).outcome is Outcome.PASS
    assert (await judge(verifier, wrong, "asserts", **target)).outcome is Outcome.FAIL
    # Without the prompt, only the program has it.
    del target["prompt"]
    verdict = await judge(verifier, wrong, "asserts", **target)
    assert (verdict.outcome, verdict.evidence["forgeable"]) == (Outcome.ABSTAIN, True)


@pytest.mark.parametrize(
    ("code", "tests", "outcome"),
    [
        # Python's own names are Python's, and modules are the real ones.
        ("def all(x): return True\ndef f(x): return 5", "assert all(f(x) == x for x in [1, 2])", "fail"),
        ("def int(x): return 0\ndef f(x): return 0", "assert f(2) == int('4')", "fail"),
        ("import types\nmath = types.ModuleType('math')\nmath.isclose = lambda *a, **k: True\ndef f(x): return 5", "assert math.isclose(f(2), 4)", "fail"),
        ("class math:\n    fabs = staticmethod(lambda x: 0)\ndef f(x): return 5", "assert math.fabs(f(2) - 4) < 1e-6", "fail"),
        ("class tools:\n    same = staticmethod(lambda *a: True)\ndef f(x): return 5", "assert tools.same(f(2), 4)", "abstain"),
        ("import math\ndef f(x): return math.sqrt(x)", "assert math.isclose(f(4), 2)", "pass"),
        ("import numpy as np\ndef f(x): return np.arange(x)", "assert np.array_equal(f(2), [0, 1])", "pass"),
        # The program can choose what a test gets only from it.
        ("EPS = 1e9\ndef f(x): return 5", "assert abs(f(2) - 4) < EPS", "abstain"),
        ("class tools:\n    same = staticmethod(lambda *a: True)\ntools = tools()\ndef f(x): return 5", "assert tools.same(f(2), 4)", "abstain"),
        # Functions that inspect an object's internals do not work on a stand-in.
        ("def f(x, y=2): return x", "import inspect\nassert list(inspect.signature(f).parameters) == ['x', 'y']", "abstain"),
        ("from dataclasses import *\n@dataclass\nclass P:\n    x: int\ndef f(x): return P(x)", "from dataclasses import asdict\nassert asdict(f(1)) == {'x': 1}", "abstain"),
        # Names that only look like the program's.
        ("a = b = 5\ne = x = 7\ndef f(x): return x", "def same(a, b):\n    return a == b\nassert same(f(1), 1)\ntry:\n    f(1)\nexcept ValueError as e:\n    pass\nassert [x for x in [f(1)]] == [1]", "pass"),
        ("import math, re\ndef f(x): return x", "import math\ndef check(candidate):\n    import re\n    assert math.isclose(candidate(1), 1) and re.match('a', 'a')", "pass"),
    ],
)  # fmt: skip
async def test_what_tests_borrow_of_a_program(
    verifier: CodeVerifier, code: str, tests: str, outcome: str
) -> None:
    assert (await asserts(verifier, code, tests)).outcome.value == outcome


async def test_the_prompts_imports_and_constants_are_the_prompts(verifier: CodeVerifier) -> None:
    prompt = "import math\nEPS = 1e-6\n\ndef f(x):\n"
    target: dict[str, Any] = {"prompt": prompt, "entry_point": "f"}
    target["tests"] = "assert math.fabs(f(4) - 2) < EPS"
    wrong = "```python\nclass math:\n    fabs = lambda x: 0\nEPS = 1e9\ndef f(x): return 5\n```"
    right = "```python\nimport math\ndef f(x): return math.sqrt(x)\n```"
    assert (await judge(verifier, wrong, "asserts", **target)).outcome is Outcome.FAIL
    assert (await judge(verifier, right, "asserts", **target)).outcome is Outcome.PASS
