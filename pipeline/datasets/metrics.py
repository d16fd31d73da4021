"""A line of metrics.jsonl, or the final facts of a run, written by any version of berry.

Keys differ between versions: a missing value is None, a missing count 0.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from pipeline.datasets.counts import Counts
from pipeline.files.storage import files_in, is_local, publish, read_bytes

_TAIL_BYTES = 2**18
"""Bytes to read from the end of the file; a line has about a thousand, and 60 for each worker."""
_PIECE_BYTES = 2**17
_WORKERS_PER_LINE = 128
"""Workers whose figures every line has; with more, fewer lines have them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """What is waiting and under way at each stage of a run. None is unknown."""

    problems_waiting: int | None = None
    """Problems of leased shards that are not begun."""
    problems_running: int | None = None
    sequences_waiting: int | None = None
    """Sequences that wait for room in their engine's batch."""
    sequences_running: int | None = None
    """Sequences in the engines' batches."""
    responses_unjudged: int | None = None
    """Responses that wait for a verifier's verdict."""
    shards_open: int | None = None
    """Shards that workers explore or write."""
    shards_writing: int | None = None
    """Those of them that are being written."""
    shards_committing: int | None = None
    """Shards that the driver is publishing."""

    @classmethod
    def of(cls, read: object) -> Self:
        """Reads its JSON form; what is no whole number is unknown."""
        given = read if isinstance(read, Mapping) else {}
        return cls(**{one.name: _whole(given.get(one.name)) for one in fields(cls)})


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerFigures:
    """One worker's engine. Tokens are those of this process of the run, by all actors in the seat."""

    worker: int
    """The number of its seat."""
    tokens: int
    """Sampled so far, including those of unfinished requests."""
    prompt_tokens: int
    """Prefix tokens so far, as if no prefix were shared."""
    prompt_tokens_cached: int | None
    """Those from the prefix cache; None if the engine does not say."""
    sequences_running: int | None
    sequences_waiting: int | None
    kv_used: float | None
    """Used fraction of the key-value cache."""
    problems_running: int


def worker_columns(workers: Sequence[WorkerFigures], line: int) -> dict[str, dict[str, list[Any]]]:
    """The key `workers` of a line, one list for each figure: shorter than an object for each worker.

    Empty in most lines of a run of many workers; `line` is the line's number in this process.
    """
    if not workers or line % math.ceil(len(workers) / _WORKERS_PER_LINE):
        return {}
    names = [one.name for one in fields(WorkerFigures)]
    return {"workers": {name: [getattr(one, name) for one in workers] for name in names}}


def _worker_rows(columns: object) -> tuple[WorkerFigures, ...]:
    """The workers of a line; none if any column is missing or not as long as the others."""
    names = [one.name for one in fields(WorkerFigures)]
    if not isinstance(columns, Mapping):
        return ()
    given = [columns.get(name) for name in names]
    lists = [column for column in given if isinstance(column, list) and all(map(_is_figure, column))]
    if len(lists) < len(names) or len({len(column) for column in lists}) != 1:
        return ()
    rows = (dict(zip(names, row, strict=True)) for row in zip(*lists, strict=True))
    return tuple(WorkerFigures(**row) for row in rows)


def _is_figure(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


_NO_NUMBERS = {"time", "counts", "queues", "workers"}
"""Fields of `Metrics` that are no single number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """State of a run at one time. Fields that begin with `new_` cover only the writing process."""

    time: str | None = None
    seconds: float | None = None
    """Seconds since the engines were ready."""
    load_seconds: float | None = None
    tail_seconds: float | None = None
    """How long workers had free places at the end, for lack of shards."""
    tokens_per_second: float | None = None
    """The mean since the engines were ready."""
    recent_tokens_per_second: float | None = None
    """Of the last seconds."""
    eta_seconds: float | None = None
    """Estimated remaining time."""
    parts: int | None = None
    """Committed parts."""
    total: int | None = None
    """Total number of problems."""
    new_problems: int | None = None
    new_rollouts: int | None = None
    """Rollouts, including those of unfinished problems."""
    new_tokens: int | None = None
    """Tokens in finished rollouts."""
    new_live_tokens: int | None = None
    """Tokens, including those of unfinished rollouts."""
    live_rollouts: int | None = None
    """Rollouts of all processes, including those of unfinished problems."""
    live_tokens: int | None = None
    """Tokens of all processes, including those of unfinished rollouts."""
    new_prompt_tokens: int | None = None
    new_prompt_tokens_cached: int | None = None
    duplicates: int | None = None
    bad_rows: int | None = None
    doubtful_golds: int | None = None
    conflicts: int | None = None
    """Problems with the same text as another but a different gold answer."""
    queues: Queues = field(default_factory=Queues)
    workers: tuple[WorkerFigures, ...] = ()
    """Empty if the line has no figures of workers."""
    counts: Counts = field(default_factory=Counts)
    """Counts of all explored problems, committed or not."""

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Self:
        """Reads a line parsed from JSON; a value of a wrong type or not finite counts as missing."""
        numbers = {
            key: value
            for key, value in line.items()
            if isinstance(value, int | float)
            and not isinstance(value, bool)
            # Excludes infinities, NaN and impossibly large values.
            and abs(value) < 2**63
        }
        named = {one.name for one in fields(cls)} - _NO_NUMBERS
        known: dict[str, Any] = {key: value for key, value in numbers.items() if key in named}
        time = line.get("time")
        return cls(
            time=time if isinstance(time, str) else None,
            queues=Queues.of(line.get("queues")),
            workers=_worker_rows(line.get("workers")),
            counts=Counts.from_dict({k: v for k, v in numbers.items() if k not in named}),
            **known,
        )

    @classmethod
    def last(cls, run: Path) -> Self | None:
        """The last complete line of a run folder's metrics; None without one. Raises OSError.

        A crash, or a process that is still writing, can leave half a line at the end.
        """
        try:
            lines = _last_lines(run)
        except FileNotFoundError:
            return None
        return next(cls._read(reversed(lines)), None)

    @classmethod
    def all(cls, run: Path) -> Iterator[Self]:
        """The complete lines of a run folder's metrics, in order. Raises OSError."""
        return cls._read(read_lines(run, "metrics"))

    @classmethod
    def _read(cls, lines: Iterable[bytes]) -> Iterator[Self]:
        for line in lines:
            try:
                read = json.loads(line)
            except ValueError:
                continue
            if isinstance(read, dict):
                yield cls.of(read)


def append_lines(run: Path, lines: Sequence[str], name: str = "metrics") -> None:
    """Adds lines to a run folder's `metrics.jsonl`, or another such file. Raises OSError.

    An object in a store cannot be extended. There, `metrics/0000000.jsonl` and so on have up to
    `_PIECE_BYTES` each; the last of them is written again with every call.
    """
    content = "".join(f"{line}\n" for line in lines)
    if is_local(run):
        with (run / f"{name}.jsonl").open("a") as file:
            file.write(content)
        return
    pieces = _pieces(run, name)
    piece, size = pieces[-1] if pieces else (_piece(0), 0)
    if size > _PIECE_BYTES:
        piece, size = _piece(len(pieces)), 0
    before = read_bytes(run / name / piece) if size else b""
    publish(run / name / piece, before + content.encode(), durable=False)


def read_lines(run: Path, name: str) -> Iterator[bytes]:
    """Reads the lines of such a file from the start. Raises OSError."""
    if is_local(run):
        if (path := run / f"{name}.jsonl").exists():
            with path.open("rb") as file:
                yield from file
        return
    for piece, _ in _pieces(run, name):
        yield from read_bytes(run / name / piece).splitlines()


def _last_lines(run: Path) -> list[bytes]:
    if is_local(run):
        path = run / "metrics.jsonl"
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            return file.read().split(b"\n")
    pieces = _pieces(run, "metrics")
    return read_bytes(run / "metrics" / pieces[-1][0]).split(b"\n") if pieces else []


def _pieces(run: Path, name: str) -> list[tuple[str, int]]:
    return sorted(files_in(run / name).items())


def _piece(number: int) -> str:
    return f"{number:07d}.jsonl"
