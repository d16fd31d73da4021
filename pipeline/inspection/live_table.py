"""The state of a run at a glance: a small table for a terminal, or one line for a file.

`berry run` and `berry status --watch` show the same.
"""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.datasets.metrics import Queues
from pipeline.inspection.time_left import duration
from pipeline.progress import Snapshot

_UNKNOWN = "-"


def figures(snapshot: Snapshot) -> dict[str, str]:
    """Name -> text of each figure of the line."""
    counts, queues = snapshot.counts, snapshot.queues
    shown = {
        "problems": _of_total(snapshot),
        "rollouts": f"{snapshot.num_rollouts}",
        "tokens": f"{snapshot.num_tokens}",
        "tokens/s": _speed(snapshot),
        "cached": _cached(snapshot),
        "pass rate": _pass_rate(snapshot),
        "kept": f"{counts.kept}",
        "errors": f"{counts.problems_failed + counts.verdicts['error']}",
        "restarts": f"{counts.restarts}",
        "running": _listed(
            (queues.problems_running, "problems"), (queues.sequences_running, "rollouts")
        ),
        "waiting": _listed(
            (queues.problems_waiting, "problems"),
            (queues.sequences_waiting, "rollouts"),
            (queues.responses_unjudged, "verdicts"),
        ),
        "left": _left(snapshot),
    }
    return {name: text for name, text in shown.items() if text}


def one_line(snapshot: Snapshot) -> str:
    """The state as one line of text."""
    return ", ".join(f"{name} {value}" for name, value in figures(snapshot).items())


def table(snapshot: Snapshot, header: str | None = None) -> RenderableType:
    """The state as a table of at most 80 columns, under a header if one is given."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    for _ in range(3):
        grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_row(*(Text(name, style="dim") for name in ("", "waiting", "running", "done", "")))
    for row in _rows(snapshot):
        grid.add_row(*map(Text, row))
    return Group(*([Text(header)] if header else []), grid, Text(_foot(snapshot)))


def _rows(snapshot: Snapshot) -> Iterator[Sequence[str]]:
    """Stage, waiting, running, done and a remark."""
    counts, queues = snapshot.counts, snapshot.queues
    waiting, running = _known(queues.problems_waiting), _known(queues.problems_running)
    yield "problems", waiting, running, _of_total(snapshot), f"{counts.problems_failed} failed"
    yield (
        "rollouts",
        _known(queues.sequences_waiting),
        _known(queues.sequences_running),
        f"{snapshot.num_rollouts}",
        f"{_speed(snapshot)} tokens/s, {_cached(snapshot)} from cache",
    )
    verdicts = counts.verdicts.total() + counts.votes.total()
    yield (
        "verdicts",
        _known(queues.responses_unjudged),
        "",
        f"{verdicts}",
        f"{_pass_rate(snapshot)} right, {counts.verdicts['error']} errors",
    )
    yield (
        "parts",
        "",
        _known(queues.shards_open),
        _known(snapshot.num_parts),
        ""
        if queues == Queues()
        else f"{_known(queues.shards_writing)} being written, "
        f"{_known(queues.shards_committing)} being committed",
    )


def _foot(snapshot: Snapshot) -> str:
    counts = snapshot.counts
    # No process has reported for how long it has run.
    time = "" if not snapshot.seconds else f"; {duration(snapshot.seconds)} so far"
    if snapshot.eta_seconds is not None or snapshot.queues != Queues():
        time += f", {_left(snapshot)} left"
    return (
        f"kept {counts.kept} traces; {snapshot.num_tokens:,} tokens; {counts.restarts} restarts{time}"
    )


def _of_total(snapshot: Snapshot) -> str:
    return f"{snapshot.counts.problems}{'' if snapshot.total is None else f'/{snapshot.total}'}"


def _speed(snapshot: Snapshot) -> str:
    """Tokens per second of late, or if that is unknown, on average."""
    recent = snapshot.recent_tokens_per_second
    speed = snapshot.tokens_per_second if recent is None else recent
    return _UNKNOWN if speed is None else f"{speed:.0f}"


def _cached(snapshot: Snapshot) -> str:
    """Fraction of the prefix tokens that came from the cache."""
    total, cached = snapshot.usage.num_prompt_tokens, snapshot.usage.num_cached_tokens
    return _UNKNOWN if not total or cached is None else f"{cached / total:.0%}"


def _pass_rate(snapshot: Snapshot) -> str:
    right, not_right = snapshot.counts.right, snapshot.counts.not_right
    return f"{right / (right + not_right):.1%}" if right + not_right else _UNKNOWN


def _left(snapshot: Snapshot) -> str:
    eta = snapshot.eta_seconds
    return _UNKNOWN if eta is None else duration(eta)


def _known(number: int | None) -> str:
    return _UNKNOWN if number is None else f"{number}"


def _listed(*numbers: tuple[int | None, str]) -> str:
    """The known ones of these numbers with what they count."""
    return " + ".join(f"{number} {what}" for number, what in numbers if number is not None)
