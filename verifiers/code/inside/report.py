"""What held, for whoever asked for the tests to be run."""

import time
from collections.abc import Callable
from typing import Any

_MOST_FAILURES = 10
_TOLD_ONE_BY_ONE, _TOLD_SECONDS = 10, 0.1


CASE, ASSERTED, RAN = "__case__", "__asserted__", "__ran__"
"""What instrumented test code calls; whoever runs it defines them."""


class BadTests(ValueError):
    """The text cannot test the function; the message says why."""


class Enough(BaseException):
    """So much has failed that the rest is not worth its time."""


class Report:
    """Counts cases, and writes a line of JSON for the first failure and one at the end."""

    def __init__(self, write: Callable[[dict[str, Any]], object]) -> None:
        self.write = write
        self.num_cases = self.num_passed = self.num_asserted = 0
        self._num_failures = 0
        self._cut_short = False
        self._last = 0.0

    def asserted(self) -> None:
        """One more assertion ran that is no case of its own."""
        self.num_asserted += 1

    def passed(self) -> None:
        """One more case held."""
        self.num_cases += 1
        self.num_passed += 1
        # The process can end before the report does.
        if self.num_passed <= _TOLD_ONE_BY_ONE or time.monotonic() > self._last + _TOLD_SECONDS:
            self._last = time.monotonic()
            self.write({"passed": self.num_passed})

    def fail(self, code: str, text: str, source: int | None = None) -> None:
        """One more case failed; `source` is the number of its assert. Raises Enough."""
        self._fail(code, text, source)
        if self._num_failures >= _MOST_FAILURES:
            self._cut_short = True
            raise Enough

    def end(self, code: str, text: str) -> None:
        """A case failed, and what is behind it cannot be tried."""
        self._cut_short = True
        self._fail(code, text)

    def finish(self, consulted: list[str]) -> None:
        """`consulted`: what the program was asked to judge itself."""
        counts = {"cases": self.num_cases, "passed": self.num_passed, "cut_short": self._cut_short}
        self.write({**counts, "consulted": consulted[:3]})

    def _fail(self, code: str, text: str, source: int | None = None) -> None:
        if not self._num_failures:
            failure = {"case": self.num_cases, "code": code, "text": text[:500], "source": source}
            self.write({"failure": failure, "passed": self.num_passed})
        self.num_cases += 1
        self._num_failures += 1
