"""Runs berry's own commands, one after the other, each in a process of its own.

So no stage's memory or GPU is in the way of the next one, and an interrupted stage goes on as its
command does. A command ends with the loop: an interrupt is passed on to it, and if the loop is killed,
it is interrupted likewise (on Linux). The next loop waits for what such a command still writes.
"""

import fcntl
import re
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from pipeline.children import INTERRUPT, Child, start_child, wait_for_child
from pipeline.errors import BerryError, PartlyDone, RunFailure, UserMistake
from pipeline.files.locks import has_writer

_ERRORS: Mapping[int, type[BerryError]] = {1: PartlyDone, 2: UserMistake, 3: RunFailure}
_PREFIX = "berry: "
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_POLL_SECONDS = 0.2
_TAIL_BYTES = 65_536
_MOST_WAIT_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command that has started."""

    process: Child
    start: int
    """Size of its log before it, in bytes."""


class Background:
    """Commands that go on while others run, by their logs."""

    def __init__(self) -> None:
        self._running: dict[Path, Command] = {}

    def begin(self, log: Path, command: Command) -> None:
        """Adds a command."""
        self._running[log] = command

    def take(self, log: Path) -> Command | None:
        """The command with this log, which is the caller's from now on; None if there is none."""
        return self._running.pop(log, None)

    def has(self, log: Path) -> bool:
        """Whether there is a command with this log."""
        return log in self._running

    def is_running(self, log: Path) -> bool:
        """Whether the command with this log has not ended."""
        return self.has(log) and self._running[log].process.poll() is None

    def close(self) -> None:
        """Interrupts all commands and waits for them; calling it twice is fine."""
        for command in self._running.values():
            command.process.send_signal(INTERRUPT)
        for command in self._running.values():
            command.process.wait()
        self._running.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """Runs commands with an environment."""

    show: Callable[[str], None] = lambda line: None
    """Gets each line that a command prints, for a live display."""
    announce: Callable[[Path], None] = lambda log: None
    """Is called with the log of each command that starts or is waited for."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that commands get besides those of this process."""
    background: Background = field(default_factory=Background)

    def berry(
        self,
        arguments: Sequence[str],
        log: Path,
        launcher: Sequence[str] = (),
        fine: Sequence[int] = (0,),
    ) -> None:
        """Runs `berry ARGUMENTS`, or waits for the one in the background with this log.

        What it prints is appended to the log. `launcher` starts it instead of Python, as `accelerate
        launch` does. Raises the error of its exit status with its line, unless the status is `fine`.
        """
        self.announce(log)
        command = self.background.take(log)
        if command is None:
            command = self._start(arguments, log, launcher)
        status = self._follow(command, log)
        if status in fine:
            return
        why = _last_line(log, command.start)
        if status < 0:
            why = f"killed by {signal.Signals(-status).name}; repeat the command to go on"
        raise _ERRORS.get(status, RunFailure)(f"{why} (log: {log})")

    def begin(self, arguments: Sequence[str], log: Path) -> None:
        """Starts `berry ARGUMENTS` in the background, if it is not there yet."""
        if not self.background.has(log):
            self.background.begin(log, self._start(arguments, log))

    def _start(self, arguments: Sequence[str], log: Path, launcher: Sequence[str] = ()) -> Command:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            self._wait_for_earlier(file, log)
            start = log.stat().st_size
            process = start_child(arguments, file, launcher=launcher, environment=self.environment)
        return Command(process=process, start=start)

    def _wait_for_earlier(self, file: BinaryIO, log: Path) -> None:
        """Locks the log for the command, which keeps the lock until it ends: so a command that a killed
        loop has left, and that still stores its work, never writes beside the next one.

        Raises RunFailure if that takes too long.
        """
        began = time.monotonic()
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as e:
                if time.monotonic() - began > _MOST_WAIT_SECONDS:
                    raise RunFailure(f"{log}: the command of an earlier loop has not ended") from e
                self.show("waiting for the command of an earlier loop to end")
                time.sleep(_POLL_SECONDS)
            except OSError:
                return  # A file system without locks.
            else:
                return

    def _follow(self, command: Command, log: Path) -> int:
        """Shows what a command prints until it ends; passes an interrupt on, and raises it then."""
        with log.open("rb") as file:
            file.seek(command.start)

            def show() -> None:
                for line in file:
                    self.show(_plain(line))

            return wait_for_child(command.process, show)


def _last_line(log: Path, start: int) -> str:
    """The line of the error that a command ended with, else the last that it printed.

    Its log goes from byte `start`; before that is what earlier commands printed.
    """
    with log.open("rb") as file:
        file.seek(max(start, log.stat().st_size - _TAIL_BYTES))
        lines = [text for line in file if (text := _plain(line))]
    error = next((one for one in reversed(lines) if one.startswith(_PREFIX)), None)
    return error.removeprefix(_PREFIX) if error else lines[-1] if lines else "it printed nothing"


def _plain(line: bytes) -> str:
    return _COLOURS.sub("", line.decode(errors="replace")).strip()


def wait_for_writer(folder: Path, tell: Callable[[str], None]) -> None:
    """Waits until no process writes to a run folder: one that a killed loop has left stores its work.

    Raises RunFailure if it takes too long.
    """
    began, told = time.monotonic(), False
    while has_writer(folder):
        if time.monotonic() - began > _MOST_WAIT_SECONDS:
            raise RunFailure(f"{folder}: another process has been writing to this run for minutes")
        if not told:
            tell(f"waiting for the process that writes to {folder}")
            told = True
        time.sleep(_POLL_SECONDS)
