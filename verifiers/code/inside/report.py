"""Results of a test run, written for the process that requested it."""

import time
from collections.abc import Callable
from typing import Any

_MOST_FAILURES = 10
_TOLD_ONE_BY_ONE, _TOLD_SECONDS = 10, 0.1


CASE, ASSERTED, RAN = "__case__", "__asserted__", "__ran__"
"""Names that instrumented test code calls; the code that runs it defines them."""


class BadTests(ValueError):
    """The code cannot test the function; the message says why."""


class Enough(BaseException):
    """So many tests failed that the rest is not worth the time."""


class Report:
    """Counts cases, and writes a line of JSON for the first failure and one at the end."""

    def __init__(self, write: Callable[[dict[str, Any]], object]) -> None:
        self.write = write
        self.num_cases = self.num_passed = self.num_asserted = 0
        self._num_failures = 0
        self._cut_short = False
        self._last = 0.0

    def asserted(self) -> None:
        """Counts an assertion that is not a case of its own."""
        self.num_asserted += 1

    def passed(self) -> None:
        """Counts a case that held."""
        self.num_cases += 1
        self.num_passed += 1
        # The process can end before the report does.
        if self.num_passed <= _TOLD_ONE_BY_ONE or time.monotonic() > self._last + _TOLD_SECONDS:
            self._last = time.monotonic()
            self.write({"passed": self.num_passed})

    def fail(self, code: str, text: str, source: int | None = None) -> None:
        """Counts a case that failed; `source` is the number of its assert. Raises Enough."""
        self._fail(code, text, source)
        if self._num_failures >= _MOST_FAILURES:
            self._cut_short = True
            raise Enough

    def end(self, code: str, text: str) -> None:
        """Counts a case that failed and ends the run; later cases cannot be tried."""
        self._cut_short = True
        self._fail(code, text)

    def finish(self, consulted: list[str]) -> None:
        """Ends the report; `consulted` are assertions that the program decided itself."""
        counts = {"cases": self.num_cases, "passed": self.num_passed, "cut_short": self._cut_short}
        self.write({**counts, "consulted": consulted[:3]})

    def _fail(self, code: str, text: str, source: int | None = None) -> None:
        if not self._num_failures:
            failure = {"case": self.num_cases, "code": code, "text": text[:500], "source": source}
            self.write({"failure": failure, "passed": self.num_passed})
        self.num_cases += 1
        self._num_failures += 1
