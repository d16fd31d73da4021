"""Shows a run's progress: a live line in a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from pipeline.inspection.time_left import duration

if TYPE_CHECKING:
    from pipeline.progress import Snapshot
    from reward_models.training.records import Advance

_PLAIN_SECONDS = 10.0


class TerminalProgress:
    """Writes to standard error, so that standard output holds only results."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._live: Live | None = None
        self._next_line = 0.0
        self._is_gone = False
        """The terminal was closed: nothing is shown any more, but the run continues."""

    def message(self, text: str) -> None:
        """Prints a line."""
        with self._unless_gone():
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def update(self, snapshot: "Snapshot") -> None:
        """Redraws the live line, or prints a plain one every ten seconds."""
        if self._is_gone:
            return
        with self._unless_gone():
            if self._console.is_terminal:
                self._redraw(snapshot)
            elif time.monotonic() >= self._next_line:
                self._next_line = time.monotonic() + _PLAIN_SECONDS
                self._console.print(
                    ", ".join(f"{name} {value}" for name, value in figures(snapshot).items()),
                    highlight=False,
                    soft_wrap=True,
                )

    def close(self) -> None:
        """Leaves the last state on the screen; calling it twice is fine."""
        live, self._live = self._live, None
        if live is not None:
            with self._unless_gone():
                live.stop()

    def _redraw(self, snapshot: "Snapshot") -> None:
        if self._live is None:
            # Standard output is a log file during a run; rich would restore it wrongly.
            self._live = Live(
                console=self._console,
                auto_refresh=False,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        self._live.update(_table(snapshot), refresh=True)

    @contextmanager
    def _unless_gone(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            self._is_gone = True


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

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    @property
    def seconds(self) -> float:
        """Seconds since the bar was created."""
        return time.monotonic() - self._began

    def advance(self, now: "Advance") -> None:
        """Shows the progress of a training run."""
        self.update(now.step, now.total, {name: f"{value:.3f}" for name, value in now.figures.items()})

    def update(self, done: int, total: int, figures: Mapping[str, str]) -> None:
        """Shows the progress, and the figures by name."""
        shown = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items())
        self._progress.update(self._task, completed=done, total=total, figures=shown)
        now = time.monotonic()
        if not self._console.is_terminal and now >= self._next_line:
            self._next_line = now + _PLAIN_SECONDS
            left = duration(self.seconds / max(done, 1) * (total - done))
            line = f"{self._what} {done}/{total}, {shown}{', ' if shown else ''}left {left}"
            self._console.print(line, highlight=False, soft_wrap=True)


@contextmanager
def counter(what: str) -> Iterator[Callable[[], None]]:
    """Yields a function and shows the number of its calls, on a terminal only."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.completed:,} {task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=None)
        yield lambda: progress.advance(task)


def figures(snapshot: "Snapshot") -> dict[str, str]:
    """Name -> text of each figure that is shown."""
    counts = snapshot.counts
    num_right, num_known = counts.right, counts.right + counts.not_right
    total = "" if snapshot.total is None else f"/{snapshot.total}"
    speed, eta = snapshot.tokens_per_second, snapshot.eta_seconds
    return {
        "problems": f"{counts.problems}{total}",
        "rollouts": f"{snapshot.num_rollouts}",
        "tokens": f"{snapshot.num_tokens}",
        "tokens/s": "-" if speed is None else f"{speed:.0f}",
        "pass rate": "-" if not num_known else f"{num_right / num_known:.1%}",
        "kept": f"{counts.kept}",
        "errors": f"{counts.problems_failed + counts.verdicts['error']}",
        "restarts": f"{counts.restarts}",
        "left": "-" if eta is None else duration(eta),
    }


def _table(snapshot: "Snapshot") -> Table:
    table = Table.grid(padding=(0, 2))
    for name, value in figures(snapshot).items():
        table.add_column(justify="left", no_wrap=True)
        _ = name, value
    table.add_row(*(f"[dim]{name}[/dim]" for name in figures(snapshot)))
    table.add_row(*figures(snapshot).values())
    return table
