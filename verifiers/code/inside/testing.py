"""The tests' process: runs test code against a program, and reports the results.

    1. load the program, in its own process (`programs.py`); it becomes the module `solution`
    2. run the tests, as Python or as pytest runs them (`runners.py`)
    3. report the cases that held (`report.py`)

If tests only work in one process, the program is loaded here instead and could forge the report.
"""

import base64
import importlib
import io
import json
import marshal
import os
import sys
import types
from typing import Any

from verifiers.code.inside.peer import PeerLost
from verifiers.code.inside.programs import Apart, Here
from verifiers.code.inside.report import BadTests, Enough, Report
from verifiers.code.inside.runners import describe, place, run_plainly, run_with_pytest
from verifiers.code.inside.shared_files import share_files
from verifiers.code.inside.standins import Unsupported


def run_tests(descriptor: int) -> None:
    """Reads a request of `asserts/checking.py` from standard input; writes lines of JSON."""
    request: dict[str, Any] = json.loads(sys.stdin.buffer.read())
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open("/dev/null", os.O_RDWR)
    for stream in (0, 1):
        os.dup2(nowhere, stream)
    sys.stdin = io.StringIO()

    def write(line: dict[str, Any]) -> None:
        answers.write(json.dumps(line) + "\n")
        answers.flush()

    if request["seeds_numpy"]:
        importlib.import_module("numpy.random")
    share_files()
    program = Apart(descriptor, request["entry_point"]) if request["apart"] else Here()
    try:
        _judge(program, request, Report(write))
    except BadTests as e:
        write({"bad_tests": str(e)})
    except Unsupported as e:
        write({"unsupported": str(e)})


def _judge(program: Apart | Here, request: dict[str, Any], report: Report) -> None:
    try:
        module = types.ModuleType("__main__")
        module.__file__ = "/tests.py"
        sys.modules["__main__"] = module
        _fill(module, program, request)
        run = run_with_pytest if request["needs_pytest"] else run_plainly
        tests = marshal.loads(base64.b64decode(request["tests"]))
        run(module, tests, request["entry_point"], program, report)
    except (Unsupported, BadTests, MemoryError):
        raise
    except Enough:
        pass
    except PeerLost as e:
        report.end("forged" if e.forged else "runtime_error", str(e))
    except BaseException as e:
        if isinstance(e, ModuleNotFoundError) and e.name != "solution" and not program.raised(e):
            raise BadTests(f"they need a module that is not installed: {e}") from e
        code, text = describe(e, program)
        report.end(code, place(e) + text)
    else:
        if not program.was_used() and report.num_passed == report.num_cases:
            raise BadTests("they never use the program")
        if not report.num_cases and report.num_asserted:
            report.passed()
        elif not report.num_cases:
            report.end("wrong_answer", "no assertion ran")
    report.finish(program.consulted())


def _fill(module: types.ModuleType, program: Apart | Here, request: dict[str, Any]) -> None:
    """Defines the names that the tests need: the prompt's helpers and the program's names."""
    solution, names = program.load(request["code"], request["names"])
    sys.modules["solution"] = solution
    exec(compile(request["preamble"], "prompt.py", "exec"), vars(module))
    for name, value in names.items():
        own = vars(module).get(name)
        is_own_class = isinstance(own, type) and own.__module__ == "__main__"
        # The prompt's definitions take precedence, because a program's own could be biased. A class
        # that the prompt defines is taken from the program, which makes objects of it.
        if name not in vars(module) or (is_own_class and isinstance(value, type)):
            literals = name in request["given_literals"]
            vars(module)[name] = program.borrowed(name, value, given_literals=literals)
