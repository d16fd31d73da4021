"""A line of metrics.jsonl, or the final facts of a run, whichever version of berry wrote it.

Keys come and go between versions: what a line does not have is None, or counts as nothing.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

_TAIL_BYTES = 2**16
"""A line has some hundred bytes, so the end of the file is enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Where a run stood. What begins with `new_` is of the process that wrote it."""

    time: str | None = None
    seconds: float | None = None
    """Since the engines were ready."""
    load_seconds: float | None = None
    tokens_per_second: float | None = None
    total: int | None = None
    """Problems in all."""
    new_problems: int | None = None
    new_rollouts: int | None = None
    """Those of problems under way included."""
    new_tokens: int | None = None
    """In rollouts that ended."""
    new_live_tokens: int | None = None
    """Those of rollouts under way included."""
    new_prompt_tokens: int | None = None
    new_prompt_tokens_cached: int | None = None
    duplicates: int | None = None
    bad_rows: int | None = None
    doubtful_golds: int | None = None
    conflicts: int | None = None
    """Problems that ask the same as another and have another gold answer."""
    counts: Counter[str] = field(default_factory=Counter)
    """Of every explored problem, committed or not; keys as in `views.count`, and `restarts`."""

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Self:
        """Of a line that was read from JSON; one of another type or not finite is missing."""
        numbers = {
            key: value
            for key, value in line.items()
            if isinstance(value, int | float)
            and not isinstance(value, bool)
            # Nobody can count with infinities, with NaN, or with what no counter can have reached.
            and abs(value) < 2**63
        }
        named = {one.name for one in fields(cls)} - {"time", "counts"}
        known: dict[str, Any] = {key: value for key, value in numbers.items() if key in named}
        time = line.get("time")
        return cls(
            time=time if isinstance(time, str) else None,
            counts=Counter({key: int(value) for key, value in numbers.items() if key not in named}),
            **known,
        )

    @classmethod
    def last(cls, path: Path) -> Self | None:
        """The newest whole line of a metrics.jsonl; None before the first. Raises OSError.

        A crash, or a process that is writing at this moment, can leave half a line at the end.
        """
        try:
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
                lines = file.read().split(b"\n")
        except FileNotFoundError:
            return None
        for line in reversed(lines):
            try:
                read = json.loads(line)
            except ValueError:
                continue
            if isinstance(read, dict):
                return cls.of(read)
        return None
