"""Shows progress: a live table or line in a terminal, plain lines elsewhere."""

import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.status import Status
from rich.text import Text

from pipeline.inspection.live_table import one_line, table
from pipeline.inspection.plain_text import visible
from pipeline.inspection.time_left import duration

if TYPE_CHECKING:
    from pipeline.progress import Snapshot
    from reward_models.training.records import Advance

_PLAIN_SECONDS = 10.0


_LABEL = " " * 11
"""What the lines of a summary that go on with the one before begin with."""
_COMMANDS = ("resume ",)
"""Labels of lines that hold a command."""


def show_lines(text: str) -> None:
    """Prints a summary; in a terminal, long lines go on under what follows their label."""
    console = Console()
    click.echo(hang(text, console.width) if console.is_terminal else text)


def hang(text: str, width: int) -> str:
    """The lines of a summary, none wider than this unless a word is. A command stays in one line, to be
    copied."""
    wrapper = textwrap.TextWrapper(
        width=max(width, 40),
        subsequent_indent=_LABEL,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(
        line if line.startswith(_COMMANDS) or len(line) <= width else wrapper.fill(line)
        for line in text.split("\n")
    )


def show_cut(line: str) -> None:
    """Prints a line; a terminal gets as much of it as fits."""
    console = Console()
    if console.is_terminal:
        console.print(Text(line), no_wrap=True, overflow="ellipsis")
    else:
        click.echo(line)


class PatientConsole(Console):
    """A console that leaves a closed pipe to its user; rich's own ends the whole program."""

    def on_broken_pipe(self) -> None:
        """Is called while a BrokenPipeError is handled, and raises it again."""
        raise BrokenPipeError


class TerminalProgress:
    """Writes to standard error, so that standard output holds only results, or to a given console."""

    def __init__(self, console: Console | None = None, plain_seconds: float = _PLAIN_SECONDS) -> None:
        """`plain_seconds` is the least time between two lines where there is no terminal."""
        self._console = console or PatientConsole(stderr=True)
        self._plain_seconds = plain_seconds
        self._live: Live | None = None
        self._next_line = 0.0
        self.is_gone = False
        """The terminal was closed: nothing is shown any more, but the run continues."""

    def message(self, text: str) -> None:
        """Prints a line."""
        with self._unless_gone():
            self._console.print(visible(text), highlight=False, markup=False, soft_wrap=True)

    def update(self, snapshot: "Snapshot") -> None:
        """Redraws the live table, or prints a plain line every ten seconds."""
        self.show(None, snapshot)

    def show(self, header: str | None, snapshot: "Snapshot | None") -> None:
        """The same under a header; without a snapshot, the header alone."""
        if self.is_gone:
            return
        with self._unless_gone():
            if self._console.is_terminal:
                self._redraw(Text(header or "") if snapshot is None else table(snapshot, header))
            elif time.monotonic() >= self._next_line:
                self._next_line = time.monotonic() + self._plain_seconds
                line = None if snapshot is None else one_line(snapshot)
                self.message("; ".join(filter(None, (header, line))))

    def close(self) -> None:
        """Leaves the last state on the screen; calling it twice is fine."""
        live, self._live = self._live, None
        if live is not None:
            with self._unless_gone():
                live.stop()

    def _redraw(self, drawn: RenderableType) -> None:
        if self._live is None:
            # Standard output is a log file during a run; rich would restore it wrongly.
            self._live = Live(
                console=self._console,
                auto_refresh=False,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        self._live.update(drawn, refresh=True)

    @contextmanager
    def _unless_gone(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            self.is_gone = True


class Bar:
    """Progress of a long task, with figures: a live line, or a plain line every ten seconds."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task(what, total=None, figures="")
        self._began = time.monotonic()
        self._next_line = 0.0
        self._first: tuple[float, int] | None = None
        """Seconds and progress at the first update: what came before tells nothing about the rest."""

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    @property
    def seconds(self) -> float:
        """Seconds since the bar was created."""
        return time.monotonic() - self._began

    def message(self, text: str) -> None:
        """Prints a line above the bar."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def advance(self, now: "Advance") -> None:
        """Shows the progress of a training run."""
        self.update(now.step, now.total, {name: f"{value:.3f}" for name, value in now.figures.items()})

    def update(self, done: int, total: int, figures: Mapping[str, str]) -> None:
        """Shows the progress, and the figures by name."""
        shown = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items())
        self._progress.update(self._task, completed=done, total=total, figures=shown)
        now = time.monotonic()
        began, first = self._first = self._first or (self.seconds, done)
        left = ""
        if done > first:
            left = f"left {duration((self.seconds - began) / (done - first) * (total - done))}"
        if not self._console.is_terminal and now >= self._next_line:
            self._next_line = now + _PLAIN_SECONDS
            self.message(", ".join(filter(None, (f"{self._what} {done}/{total}", shown, left))))


class LastLine:
    """Lines that stay, and below them what a command under way printed last; outside a terminal, the
    lines that stay alone."""

    def __init__(self) -> None:
        self._console = PatientConsole(stderr=True)
        self._status: Status | None = None

    def __enter__(self) -> "LastLine":
        if self._console.is_terminal:
            self._status = self._console.status("")
            self._status.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._status is not None:
            self._status.stop()

    def message(self, text: str) -> None:
        """Prints a line that stays."""
        self._console.print(visible(text), highlight=False, markup=False, soft_wrap=True)

    def live(self, text: str) -> None:
        """Shows a line in place of the one before, as much of it as fits."""
        if self._status is not None and text:
            shown = Text(visible(text), overflow="ellipsis", no_wrap=True)
            self._status.update(shown)


@contextmanager
def counter(what: str) -> Iterator[Callable[[], None]]:
    """Yields a function and shows the number of its calls, on a terminal only."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.completed:,} {task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=None)
        yield lambda: progress.advance(task)
