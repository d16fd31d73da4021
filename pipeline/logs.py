"""Logging: a standard logger for each module; each line names its process and problem.

Importing berry configures nothing. The command line shows warnings on standard error; `--log-level`
shows more. A run also writes its lines to `OUT/logs`: `berry.log` has the driver's, and each actor has
a file with its own lines and the output of vLLM and Ray.
"""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

LEVELS = ("debug", "info", "warning", "error")
_PACKAGES = ("pipeline", "verifiers", "reward_models", "sandbox")
_LINE = "%(asctime)s %(levelname)s %(name)s%(about)s: %(message)s"
_problem: ContextVar[str | None] = ContextVar("problem", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorLog:
    """Log settings that the driver sends to a new actor."""

    process: str
    """The actor's name in each line, such as `worker-0`."""
    level: int
    file: str | None
    """Path of the log file; None leaves the lines in Ray's own logs."""

    def open(self) -> None:
        """Redirects all output of this process and its children, including logging, to the file."""
        if self.file is not None:
            _redirect_output(Path(self.file))
        for stream in (sys.stdout, sys.stderr):
            # Ray's streams raise for half a character, which an error's text may hold. They are
            # wrappers that look like the streams below them.
            with contextlib.suppress(AttributeError):
                stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        configure(min(self.level, logging.INFO), process=self.process)


@contextmanager
def about_problem(problem_id: str) -> Iterator[None]:
    """Adds the problem's id to every line logged inside, including by tasks started there."""
    token = _problem.set(problem_id)
    try:
        yield
    finally:
        _problem.reset(token)


def configure(level: int | str, *, process: str | None = None) -> None:
    """Shows lines of berry's packages of this level and above on standard error.

    A call replaces an earlier one. Without a `process` name the lines are for a person at a terminal:
    if only warnings are shown, they omit time and module.
    """
    number = logging.getLevelName(level.upper()) if isinstance(level, str) else level
    handler = logging.StreamHandler(sys.stderr)
    is_plain = process is None and number >= logging.WARNING
    handler.setFormatter(_Plain() if is_plain else logging.Formatter(_LINE))
    handler.addFilter(_About(process))
    handler.setLevel(number)
    for name in _PACKAGES:
        logger = logging.getLogger(name)
        # `also_to` may write more lines to a file than are shown.
        logger.setLevel(min(number, logging.INFO))
        logger.handlers = [handler]
        logger.propagate = False


def current_level() -> int:
    """The lowest level that is shown."""
    handlers = logging.getLogger(_PACKAGES[0]).handlers
    return handlers[0].level if handlers else logging.WARNING


@contextmanager
def also_to(path: Path) -> Iterator[None]:
    """Also writes lines to a file: INFO and above, or the level shown if that is lower."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter(_LINE))
    handler.addFilter(_About())
    loggers = [logging.getLogger(name) for name in _PACKAGES]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
        handler.close()


@contextmanager
def output_to(file: Path) -> Iterator[None]:
    """Appends to a file what is written inside; processes that start inside write there to the end."""
    sys.stdout.flush()
    sys.stderr.flush()
    shown = [os.dup(number) for number in (1, 2)]
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for number in (1, 2):
        os.dup2(descriptor, number)
    os.close(descriptor)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, before in zip((1, 2), shown, strict=True):
            os.dup2(before, number)
            os.close(before)


class _Plain(logging.Formatter):
    """Formats a line for a terminal: `berry: warning: ...`."""

    def format(self, record: logging.LogRecord) -> str:
        text = " ".join(record.getMessage().split())
        return f"berry: {record.levelname.lower()}: {text}{record.about}"  # type: ignore[attr-defined]


class _About(logging.Filter):
    """Adds the process, and the problem if any, to each record."""

    def __init__(self, process: str | None = None) -> None:
        super().__init__()
        self._process = process

    def filter(self, record: logging.LogRecord) -> bool:
        known = {"process": self._process, "problem": _problem.get()}
        record.about = "".join(f" {name}={value}" for name, value in known.items() if value is not None)
        return True


def _redirect_output(log_file: Path) -> None:
    """Redirects the output of this process and its children to a file, if the folder is reachable."""
    try:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError:
        # On another node without the run folder's file system, Ray keeps the output in its own logs.
        return
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    # Imported here: the command line needs this module, and `berry doctor` works without pydantic.
    from verifiers.isolation.border import TRACEBACKS

    # The verifier's processes inherit this.
    os.environ.setdefault(TRACEBACKS, "1")
