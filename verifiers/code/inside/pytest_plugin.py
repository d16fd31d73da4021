"""Runs an already loaded module with pytest, and counts its tests as cases."""

import asyncio
import inspect
import os
import types
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from verifiers.code.inside.peer import PeerLost
from verifiers.code.inside.programs import UnderTest
from verifiers.code.inside.report import BadTests, Enough, Report
from verifiers.code.inside.standins import Unsupported

_FILE = Path("/tests.py")
"""pytest requires a file name; nothing is read from it, because the module is given."""
_OPTIONS = [
    "-q", "-c", os.devnull, "--rootdir=/", "--noconftest", "--capture=sys", "-p", "no:cacheprovider",
]  # fmt: skip
_run_pytest = pytest.main
"""Saved here, because tests that call it themselves get a replacement."""
_Describe = Callable[[BaseException, UnderTest], tuple[str, str]]


def run_module(
    module: types.ModuleType, program: UnderTest, report: Report, describe: _Describe
) -> None:
    """Reports each of the module's tests. Raises BadTests for a fixture that does not exist."""
    plugin = _Plugin(module, program, report, describe)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    # The program has no access to the folders that pytest creates by default.
    temporary = f"--basetemp={Path.cwd() / 'pytest'}"
    ended = _run_pytest([*_OPTIONS, temporary], plugins=[plugin])
    if plugin.stopped_by is not None:
        raise plugin.stopped_by
    if ended not in (
        pytest.ExitCode.OK,
        pytest.ExitCode.TESTS_FAILED,
        pytest.ExitCode.NO_TESTS_COLLECTED,
    ):
        # Such as KeyboardInterrupt, which the program may have raised.
        report.end("runtime_error", f"pytest was ended from within a test ({ended})")


class _Module(pytest.Module):
    """The given module, instead of a file's content."""

    given: types.ModuleType

    def _getobj(self) -> types.ModuleType:
        return self.given


class _Plugin:
    def __init__(
        self, module: types.ModuleType, program: UnderTest, report: Report, describe: _Describe
    ) -> None:
        self._module, self._program, self._report, self._describe = module, program, report, describe
        self.stopped_by: BaseException | None = None

    def pytest_collection(self, session: pytest.Session) -> bool:
        """Collects the module, instead of files."""
        collected = _Module.from_parent(session, path=_FILE)
        collected.given = self._module
        session.items = list(session.genitems(collected))
        hooks = session.config.hook
        hooks.pytest_collection_modifyitems(session=session, config=session.config, items=session.items)
        session.testscollected = len(session.items)
        return True

    def pytest_exception_interact(
        self, call: pytest.CallInfo[object], report: pytest.CollectReport | pytest.TestReport
    ) -> None:
        """Raises BadTests for tests that cannot be collected; failing tests are counted below."""
        if not isinstance(report, pytest.CollectReport) or call.excinfo is None:
            return
        error = call.excinfo.value
        if not self._program.raised(error):
            error = BadTests(f"pytest cannot collect them: {error}")
        self.stopped_by = self.stopped_by or error

    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Runs coroutine functions, which pytest leaves to plugins."""
        if not inspect.iscoroutinefunction(pyfuncitem.obj):
            return None
        names = pyfuncitem._fixtureinfo.argnames
        asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        test: pytest.TestReport = yield
        error = call.excinfo.value if call.excinfo is not None else None
        try:
            self._count(item, test, error)
        except (BadTests, Enough, PeerLost, Unsupported, MemoryError) as e:
            self.stopped_by = e
            item.session.shouldstop = "no later test can run"
        return test

    def _count(self, item: pytest.Item, test: pytest.TestReport, error: BaseException | None) -> None:
        if isinstance(error, PeerLost | Unsupported | MemoryError):
            raise error
        if type(error).__name__ == "FixtureLookupError":
            raise BadTests(f"they ask for a fixture that does not exist, in `{item.name}`")
        expected_to_fail = hasattr(test, "wasxfail")
        if test.failed:
            code, text = "wrong_answer", "expected to fail, but did not"
            if error is not None and not expected_to_fail:
                code, text = self._describe(error, self._program)
            self._report.fail(code, f"{item.name}: {text}")
        elif test.when == "call" and (test.passed or (test.skipped and expected_to_fail)):
            self._report.passed()
