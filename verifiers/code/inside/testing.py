"""The tests' process: runs test code against a program, and reports.

    1. read and instrument the tests (`instrument.py`)
    2. load the program, in its own process (`programs.py`); it becomes the module `solution`
    3. run the tests, as Python or as pytest runs them (`runners.py`)
    4. report what held (`report.py`)

Where tests only work in one process, the program is loaded here instead: then it can forge the report.
"""

import importlib
import io
import json
import os
import sys
import types
from typing import Any

from verifiers.code.inside.instrument import BadTests, Prepared, prepare
from verifiers.code.inside.peer import PeerLost
from verifiers.code.inside.programs import Apart, Here
from verifiers.code.inside.report import Enough, Report
from verifiers.code.inside.runners import describe, place, run_plainly, run_with_pytest
from verifiers.code.inside.standins import Unsupported


def run_tests(descriptor: int) -> None:
    """Standard input: {"code", "entry_point", "tests", "preamble", "apart"}. Lines of JSON."""
    request: dict[str, Any] = json.loads(sys.stdin.buffer.read())
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open("/dev/null", os.O_RDWR)
    for stream in (0, 1):
        os.dup2(nowhere, stream)
    sys.stdin = io.StringIO()

    def write(line: dict[str, Any]) -> None:
        answers.write(json.dumps(line) + "\n")
        answers.flush()

    try:
        prepared = prepare(request["tests"], request["entry_point"])
        if request["apart"] and prepared.one_process:
            raise Unsupported(prepared.one_process)
        if "numpy" in request["tests"] and ".seed(" in request["tests"]:
            importlib.import_module("numpy.random")
        program = Apart(descriptor, request["entry_point"]) if request["apart"] else Here()
        _judge(program, prepared, request, Report(write))
    except BadTests as e:
        write({"bad_tests": str(e)})
    except Unsupported as e:
        write({"unsupported": str(e)})


def _judge(program: Apart | Here, prepared: Prepared, request: dict[str, Any], report: Report) -> None:
    try:
        module = types.ModuleType("__main__")
        module.__file__ = "/tests.py"
        sys.modules["__main__"] = module
        _fill(module, program, prepared, request)
        program.begin()
        run = run_with_pytest if prepared.runner == "pytest" else run_plainly
        run(module, prepared, request["entry_point"], program, report)
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
        if not program.was_used():
            raise BadTests("they never use the program")
        if not report.num_cases and report.num_asserted:
            report.passed()
        elif not report.num_cases:
            report.end("wrong_answer", "no assertion ran")
    report.finish(program.consulted())


def _fill(
    module: types.ModuleType, program: Apart | Here, prepared: Prepared, request: dict[str, Any]
) -> None:
    """What the tests find: helpers of the prompt, and names of the program's."""
    solution, names = program.load(request["code"])
    sys.modules["solution"] = solution
    exec(compile(request["preamble"], "prompt.py", "exec"), vars(module))
    root = request["entry_point"].split(".")[0]
    for name in sorted(n for n in prepared.names & names if not n.startswith("__")):
        # A helper of the prompt is taken from there: a program's own could say what suits it.
        if isinstance(vars(module).get(name), types.FunctionType):
            continue
        value = getattr(solution, name)
        is_tested = name == root or name in prepared.given_literals
        vars(module)[name] = value if is_tested else program.borrowed(name, value)
