"""Wrong programs that tamper with the tests' objects, or let their own objects answer for them."""

import asyncio

import pytest

from tests.unit.verifiers.code.judging import judge
from verifiers import Outcome, Verdict
from verifiers.code import CodeVerifier

pytestmark = pytest.mark.asyncio(loop_scope="module")

_MOCK = "from unittest.mock import Mock\ncb = Mock()\n"
_POINT = """
class Point:
    def __init__(self, x): self.x = x
    def same(self, other): return self.x == other.x
"""
_ASK = """
import json, os, struct
def ask(*content):
    message = json.dumps(["?", ["t", *content], [], [], []]).encode()
    os.write(4, struct.pack(">I", len(message)) + message)
    size = struct.unpack(">I", os.read(4, 4))[0]
    return json.loads(os.read(4, size))
"""

# (the program, tests that it must not pass)
FORGED = {
    "a mock's assertion replaced": (
        "def f(cb): cb.assert_called_once_with = lambda *a: None",
        f"{_MOCK}f(cb)\ncb.assert_called_once_with(4)",
    ),
    "a mock told that it was called": (
        "def f(cb): cb.called, cb.call_count = True, 1",
        f"{_MOCK}f(cb)\nassert cb.called and cb.call_count == 1",
    ),
    "a mock that forgets its calls": (
        "def f(cb): cb(9); cb.reset_mock()",
        f"{_MOCK}f(cb)\ncb.assert_not_called()",
    ),
    "a mock's child replaced": (
        "class Yes:\n    def assert_called_once_with(self, *a): pass\ndef f(cb): cb.save = Yes()",
        f"{_MOCK}f(cb)\ncb.save.assert_called_once_with(4)",
    ),
    "a method replaced": (
        "def f(v): v.same = lambda other: True; return v",
        f"{_POINT}assert f(Point(2)).same(Point(4))",
    ),
    "a method replaced in its class": (
        "def f(v): type(v).same = lambda *a: True; return v",
        f"{_POINT}assert f(Point(2)).same(Point(4))",
    ),
    "the frame of a generator": (
        f"{_ASK}\ndef f(g):\n    found = [str(ask('get', ['o', n], 'gi_frame')) for n in range(9)]\n"
        "    if any(\"'frame'\" in one for one in found): return 4",
        "assert f(x for x in [1]) == 4",
    ),
    "the object under test in place of a number": (
        "class F:\n    def twice(self, x): return self\n    def __sub__(self, other): return 0.0",
        "assert abs(F().twice(2) - 4) < 1e-6",
    ),
    "a class in place of a function with a capital letter": (
        "class F:\n    def __init__(self, x): pass\n    def __sub__(self, other): return 0.0",
        "assert abs(F(2) - 4) < 1e-6",
    ),
    "a difference that is an object": (
        "class F:\n    def __init__(self, x): pass\n    def __isub__(self, other): return self\n"
        "    def __abs__(self): return 0",
        "d = F(2)\nd -= 4\nassert abs(d) < 1e-6",
    ),
    "the object under test as its own attribute": (
        "class F:\n    value = property(lambda self: self)\n    def __rsub__(self, other): return 0.0",
        "assert abs(4 - F().value) < 1e-6",
    ),
    "numpy reads an address": (
        "class Array:\n    def __init__(self):\n        self.__array_interface__ = {'data':"
        " (id(4) + 24, True), 'shape': (1,), 'typestr': '<i4', 'version': 3}\ndef f(): return Array()",
        "import numpy as np\nassert np.array_equal(f(), [4])",
    ),
    "a result that asserts": (
        "class Yes:\n    def assert_equals(self, other): pass\ndef f(x): return Yes()",
        "f(2).assert_equals(4)",
    ),
    # A program must not be able to turn a failure into an error.
    "an exit while tests are loaded": ("def f(x): raise SystemExit(0)", "f(2)\nassert f(2) == 4"),
    "a number in place of the function": ("f = 3", "assert f(2) == 4"),
    "another function": ("def g(x): return 4", "assert f(2) == 4"),
}


async def asserts(verifier: CodeVerifier, code: str, tests: str) -> Verdict:
    entry_point = "F" if "class F" in code else "f"
    response = f"```python\n{code}\n```"
    return await judge(verifier, response, "asserts", tests=tests, entry_point=entry_point)


async def test_no_program_lets_its_objects_or_the_tests_own_answer_for_it(
    verifier: CodeVerifier,
) -> None:
    verdicts = await asyncio.gather(*(asserts(verifier, *pair) for pair in FORGED.values()))
    lost = {
        name: verdict
        for name, verdict in zip(FORGED, verdicts, strict=True)
        if verdict.outcome not in (Outcome.FAIL, Outcome.ABSTAIN)
    }
    assert lost == {}


_IN_A_FOLDER = "import os, tempfile\nfolder = tempfile.mkdtemp()\npath = os.path.join(folder, 'a')\n"

# (a right program, tests that it passes)
RIGHT = {
    "a mock that is called": (
        "def f(cb): return cb(2) + cb.get(3)",
        f"{_MOCK}cb.return_value = 2\ncb.get.return_value = 5\nassert f(cb) == 7\n"
        "cb.assert_called_once_with(2)\ncb.get.assert_called_once_with(3)",
    ),
    "values stored in a test's object": (
        "def f(p): p.x = 3; p.y = [p.x]; return p",
        f"{_POINT}p = f(Point(2))\nassert p.x == 3 and p.y == [3]\nassert p.same(Point(3))",
    ),
    "a decorator": (
        "import functools\ndef f(g):\n    @functools.wraps(g)\n    def h(*a): return 2 * g(*a)\n"
        "    return h",
        "def g(x):\n    'Doc.'\n    return x\nh = f(g)\nassert h(3) == 6\nassert h.__name__ == 'g'\n"
        "assert h.__doc__ == 'Doc.'",
    ),
    "arithmetic of the object under test": (
        "class F:\n    def __init__(self, x): self.x = x\n"
        "    def __iadd__(self, n): self.x += n; return self\n"
        "    def __mul__(self, n): return F(self.x * n)",
        "v = F(1)\nv += 1\nv += 1\nassert v.x == 3\nassert (v * 2).x == 6",
    ),
    "a test that calls fail": (
        "def f(x): return int(x)",
        "import unittest\nclass T(unittest.TestCase):\n    def test_f(self):\n"
        "        if f('4') != 4: self.fail('wrong')\n        try:\n            f('x')\n"
        "            self.fail('nothing raised')\n        except ValueError:\n            pass\n",
    ),
    "tests that start pytest, which they import last": (
        "def f(x): return 2 * x",
        "def test_f():\n    assert f(2) == 4\nimport pytest\nif __name__ == '__main__':\n"
        "    pytest.main([__file__])\n",
    ),
    "tests that end with what pytest says": (
        "def f(x): return 2 * x",
        "import sys\ndef test_f():\n    assert f(2) == 4\nif __name__ == '__main__':\n"
        "    import pytest\n    sys.exit(pytest.main([__file__, '-v']))\n",
    ),
    "a type as the function": ("f = int", "assert f('4') == 4"),
    "paths": (
        "from pathlib import Path\ndef f(p): return [Path(p) / 'x', open(p).read()]",
        "from pathlib import Path\ndef test_f(tmp_path):\n    p = tmp_path / 'a'\n"
        "    p.write_text('b')\n"
        "    assert f(p) == [p / 'x', 'b']\n    assert isinstance(f(str(p))[0], Path)",
    ),
    "identifiers and patterns": (
        "import re, uuid\ndef f(x): return uuid.UUID(int=x), re.compile('a' * x, re.I)",
        "import re, uuid\nu, p = f(2)\nassert u == uuid.UUID(int=2)\n"
        "assert isinstance(p, re.Pattern)\nassert p.match('AA')",
    ),
    "a file of the program in a folder of the tests": (
        "def f(path): open(path, 'w').write('x')",
        f"{_IN_A_FOLDER}f(path)\nassert open(path).read() == 'x'\nos.remove(path)\nos.rmdir(folder)",
    ),
    "a file that only the program names": (
        "import shutil\ndef f():\n    open('a.csv', 'w').close()\n    shutil.copy2('a.csv', 'b.csv')",
        "import os\nf()\nassert os.path.exists('a.csv')\nassert os.path.exists('b.csv')",
    ),
    "a file of the tests": (
        "def f(path): return open(path).read()",
        "import tempfile\nwith tempfile.NamedTemporaryFile('w', delete=False) as file:\n"
        "    file.write('x')\n"
        "assert f(file.name) == 'x'",
    ),
    "a folder of the program": (
        "import os, tempfile\ndef f():\n    path = tempfile.mkdtemp()\n"
        "    open(os.path.join(path, 'a'), 'w')\n"
        "    return path",
        "import os, tempfile\npath = f()\nassert os.listdir(path) == ['a']\n"
        "os.remove(os.path.join(path, 'a'))",
    ),
}

# Warnings, logs and threads of the other process: (a right program, its tests)
ONE_PROCESS = {
    "warnings": (
        "import warnings\ndef f(): warnings.warn('old')",
        "import pytest\ndef test_f():\n    with pytest.warns(UserWarning):\n        f()",
    ),
    "logs": (
        "import logging\ndef f(): logging.getLogger('a').warning('x')",
        "def test_f(caplog):\n    f()\n    assert 'x' in caplog.text",
    ),
    "threads": (
        "def f(x): return 2 * x",
        "import threading\nout = []\nt = threading.Thread(target=lambda: out.append(f(2)))\nt.start()\n"
        "t.join()\nassert out == [4]",
    ),
}


async def test_right_programs_pass(verifier: CodeVerifier) -> None:
    rows = [*RIGHT.items(), *ONE_PROCESS.items()]
    verdicts = await asyncio.gather(*(asserts(verifier, *pair) for _, pair in rows))
    for (name, _), verdict in zip(rows, verdicts, strict=True):
        wanted = Outcome.ABSTAIN if name in ONE_PROCESS else Outcome.PASS
        assert verdict.outcome is wanted, (name, verdict.reason)


async def test_a_forged_report_is_not_an_error(verifier: CodeVerifier) -> None:
    """If it shares the tests' process, it can write any report."""

    def write(line: str) -> str:
        return (
            f"import os\nfor fd in range(3, 64):\n    try: os.write(fd, {line} + b'\\n')\n"
            "    except OSError: pass\nos._exit(0)\ndef f(x): return 0"
        )

    lines = [
        """b'{"passed": ' + b'9' * 1000 + b', "cases": 1}'""",
        """b'{"failure": {"case": 1' + b'0' * 999 + b', "code": "forged", "text": "", "source": 1}}'""",
        """b'{"bad_tests": "x"}'""",
        """b'{"unsupported": "x"}'""",
    ]
    tests = "import threading\nassert f(2) == 4"
    verdicts = await asyncio.gather(*(asserts(verifier, write(line), tests) for line in lines))
    assert {verdict.outcome for verdict in verdicts} == {Outcome.FAIL}


async def test_the_prompt_can_ask_for_packages_and_processes(verifier: CodeVerifier) -> None:
    async def ask(package: str, result: str = "4") -> Verdict:
        prompt = f"import {package}\ndef f(x):\n"
        return await judge(
            verifier, f"```python\n{prompt}    return {result}\n```", "asserts",
            tests="assert f(2) == 4", entry_point="f", prompt=prompt,
        )  # fmt: skip

    missing, there, threads, starts = await asyncio.gather(
        ask("no_such_package"),
        ask("pydantic"),
        ask("threading"),
        ask("subprocess", "subprocess.call('exit 4', shell=True)"),
    )
    assert starts.outcome is threads.outcome is Outcome.PASS, (starts.reason, threads.reason)
    assert missing.outcome is Outcome.ERROR
    assert "`no_such_package`, which is not installed" in missing.reason
    assert (
        there.evidence["not_apart"] == "the tests use `pydantic`, whose objects cannot leave a process"
    )
