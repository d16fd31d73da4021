"""Each worker's engine over time: the key `workers` of the lines of metrics.jsonl."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.inspection.report.thinning import Thinned

_SUMS = ("tokens", "prompt_tokens", "prompt_tokens_cached")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInterval:
    """What each engine sampled in one interval."""

    end: float
    """Seconds that the run's processes had run by its end."""
    seconds: float
    tokens: Mapping[int, float]
    """Worker -> sampled tokens."""

    def joined(self, later: "EngineInterval") -> "EngineInterval":
        """Both as one."""
        workers = sorted({*self.tokens, *later.tokens})
        return EngineInterval(
            end=later.end,
            seconds=self.seconds + later.seconds,
            tokens={one: self.tokens.get(one, 0.0) + later.tokens.get(one, 0.0) for one in workers},
        )


@dataclass(slots=True, kw_only=True)
class EngineTotal:
    """One worker's engine over the whole run, as far as lines say."""

    worker: int
    tokens: float = 0.0
    prompt_tokens: float = 0.0
    cached: float | None = 0.0
    """Prompt tokens from its cache; None if it does not say."""
    seconds: float = 0.0
    """Time that the lines with its figures cover."""

    @property
    def tokens_per_second(self) -> float | None:
        """None if unknown."""
        return self.tokens / self.seconds if self.seconds else None

    @property
    def cache_rate(self) -> float | None:
        """Fraction of the prompt tokens that came from the cache; None if unknown."""
        if self.cached is None or not self.prompt_tokens:
            return None
        return self.cached / self.prompt_tokens


@dataclass(slots=True)
class EngineTimes:
    """Collects the figures of all lines, in order."""

    totals: dict[int, EngineTotal] = field(default_factory=dict)
    _intervals: Thinned[EngineInterval] = field(default_factory=Thinned)
    _before: dict[int, Mapping[str, float]] = field(default_factory=dict)
    """Worker -> its figures in the last line that had them, of the same process."""
    _seconds: float = 0.0
    """Seconds of that line."""

    def new_process(self) -> None:
        """Says that counts begin again from 0."""
        self._before, self._seconds = {}, 0.0

    def add(self, clock: float, seconds: float, columns: object) -> None:
        """Takes a line's figures. `clock` is the time of the run, `seconds` that of the process."""
        rows = _rows(columns)
        passed = seconds - self._seconds
        if not rows or passed <= 0:
            return
        tokens = {}
        for worker, now in rows.items():
            before = self._before.get(worker, {})
            new = {name: max(0.0, now[name] - before.get(name, 0.0)) for name in _SUMS if name in now}
            total = self.totals.setdefault(worker, EngineTotal(worker=worker))
            total.seconds += passed
            total.tokens += new.get("tokens", 0.0)
            total.prompt_tokens += new.get("prompt_tokens", 0.0)
            cached = new.get("prompt_tokens_cached")
            total.cached = None if cached is None or total.cached is None else total.cached + cached
            tokens[worker] = new.get("tokens", 0.0)
        self._intervals.add(EngineInterval(end=clock, seconds=passed, tokens=tokens))
        self._before, self._seconds = dict(rows), seconds

    def intervals(self) -> list[EngineInterval]:
        """The engines over time."""
        return self._intervals.items()


def _rows(columns: object) -> dict[int, Mapping[str, float]]:
    """Worker -> its known figures; none for columns of another form."""
    if not isinstance(columns, dict):
        return {}
    workers = columns.get("worker")
    if not isinstance(workers, list) or not all(isinstance(one, int) for one in workers):
        return {}
    found: dict[int, dict[str, float]] = {worker: {} for worker in workers}
    for name in _SUMS:
        column: Any = columns.get(name)
        if isinstance(column, list) and len(column) == len(workers):
            for worker, value in zip(workers, column, strict=True):
                if is_number(value):
                    found[worker][name] = float(value)
    return dict(found)


def is_number(value: Any) -> bool:
    """Whether a value from JSON is a finite number of a possible size."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**63
