"""Runs prepared tests: as a script whose test functions are called, or with pytest itself."""

import asyncio
import contextlib
import inspect
import types
import unittest
from collections.abc import Iterator
from typing import Any

from verifiers.code.inside.peer import PeerLost
from verifiers.code.inside.programs import UnderTest
from verifiers.code.inside.report import ASSERTED, CASE, RAN, Enough, Report
from verifiers.code.inside.standins import StandIn, StandInClass, Unsupported

_END = (PeerLost, Unsupported, MemoryError, Enough)
"""Exceptions that end the run, wherever they are raised."""


def describe(error: BaseException, program: UnderTest) -> tuple[str, str]:
    """The kind of a failure, and a sentence that describes it."""
    kind = type(error).__name__
    try:
        text = str(error)
    except Exception as e:  # noqa: BLE001 - the exception's class may be the program's
        text = f"({type(e).__name__} in its message)"
    line = f"{kind}: {text}".splitlines()[0][:250]
    if program.raised(error):
        return "compile_error" if isinstance(error, SyntaxError) else "runtime_error", f"raised {line}"
    if type(error) is AssertionError:
        line = text.strip().partition("\n")[0][:250] or "it does not hold"
    return "wrong_answer", line


def place(error: BaseException) -> str:
    """The line of the tests that raised, as a prefix; "" if there is none."""
    trace, number = error.__traceback__, 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "tests.py":
            number = trace.tb_lineno
        trace = trace.tb_next
    return f"line {number} of the tests: " if number else ""


def run_plainly(
    module: types.ModuleType,
    tests: types.CodeType,
    entry_point: str,
    program: UnderTest,
    report: Report,
) -> None:
    """Runs the module, then whatever a test runner would call and the module did not."""
    ran: set[str] = set()
    _define(module, _Case(program, report), report, ran)
    unittest.main = lambda *a, **k: None  # type: ignore[assignment]  # the classes are run below
    _execute(tests, module, program)
    check = vars(module).get("check")
    if isinstance(check, types.FunctionType) and "check" not in ran:
        _finish(check(program.find(entry_point)))
    for name, one in list(vars(module).items()):
        if isinstance(one, type) and issubclass(one, unittest.TestCase):
            _run_test_case(one, program, report)
        elif isinstance(one, type) and name.startswith("Test") and not isinstance(one, StandInClass):
            for method in [m for m in vars(one) if m.startswith("test")]:
                _attempt(getattr(one(), method), program, report)
        elif isinstance(one, types.FunctionType) and name.startswith("test") and name not in ran:
            _attempt(one, program, report)


def _attempt(test: Any, program: UnderTest, report: Report) -> None:
    """Calls one test; later tests run regardless of its outcome."""
    before = report.num_cases
    try:
        _finish(test())
    except _END:
        raise
    except BaseException as e:  # noqa: BLE001 - the program and the test raise anything
        code, text = describe(e, program)
        report.fail(code, place(e) + text)
    else:
        if report.num_cases == before:
            report.passed()


def _finish(result: Any) -> None:
    """Runs the coroutine that an `async def` has returned."""
    if inspect.iscoroutine(result):
        asyncio.run(result)


def _run_test_case(cls: type[unittest.TestCase], program: UnderTest, report: Report) -> None:
    result = _Result(program, report)
    unittest.defaultTestLoader.loadTestsFromTestCase(cls).run(result)


class _Result(unittest.TestResult):
    """Reports each test as it ends."""

    def __init__(self, program: UnderTest, report: Report) -> None:
        super().__init__()
        self._program, self._report = program, report

    def addSuccess(self, test: Any) -> None:
        self._report.passed()

    def addExpectedFailure(self, test: Any, error: Any) -> None:
        self._report.passed()

    def addUnexpectedSuccess(self, test: Any) -> None:
        self._report.fail(
            "wrong_answer", f"{test.id().partition('.')[2]}: expected to fail, but did not"
        )

    def addFailure(self, test: Any, error: Any) -> None:
        self.addError(test, error)

    def addError(self, test: Any, error: Any) -> None:
        code, text = describe(error[1], self._program)
        self._report.fail(code, f"{test.id().partition('.')[2]}: {text}")

    def addSubTest(self, test: Any, subtest: Any, error: Any) -> None:
        if error is not None:
            self.addError(subtest, error)


def run_with_pytest(
    module: types.ModuleType,
    tests: types.CodeType,
    entry_point: str,
    program: UnderTest,
    report: Report,
) -> None:
    """Runs the module's tests with pytest: fixtures, parameters, marks, set-ups and skips."""

    _define(module, _Case(program, report), report, set())
    unittest.main = _nothing  # type: ignore[assignment]
    _execute(tests, module, program)
    from verifiers.code.inside.pytest_plugin import run_module

    run_module(module, program, report, describe)
    if "check" in vars(module):
        _finish(vars(module)["check"](program.find(entry_point)))


def _execute(tests: types.CodeType, module: types.ModuleType, program: UnderTest) -> None:
    try:
        exec(tests, vars(module))
    except SystemExit as e:
        # Tests may exit with their runner's status, which is 0 because their tests run elsewhere.
        if e.code not in (None, 0) or program.raised(e):
            raise


def _nothing(*args: Any, **kwargs: Any) -> int:
    return 0


# ------------------------------------------------------------------------------ what tests call


class _Case:
    """Context manager around an assert."""

    def __init__(self, program: UnderTest, report: Report) -> None:
        self._program, self._report = program, report

    @contextlib.contextmanager
    def __call__(self, number: int) -> Iterator[None]:
        returned = self._program.returned
        returned.clear()
        try:
            yield
        except _END:
            raise
        except BaseException as e:  # noqa: BLE001 - the program raises anything
            code, text = describe(e, self._program)
            if code == "wrong_answer" and returned:
                text += f"; returned: {', '.join(_shown(value) for value in returned[:3])}"
            self._report.fail(code, text, source=number)
        else:
            self._report.passed()
        finally:
            returned.clear()


def _define(module: types.ModuleType, case: _Case, report: Report, ran: set[str]) -> None:
    vars(module).update({CASE: case, ASSERTED: report.asserted, RAN: ran.add})


def _shown(value: Any) -> str:
    if isinstance(value, StandIn):
        return f"a {type(value).__name__}"
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer with too many digits, or a deep nesting
        return f"a very long {type(value).__name__}"
    return text if len(text) <= 100 else f"{text[:97]}..."
