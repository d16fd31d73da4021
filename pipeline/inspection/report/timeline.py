"""Speed, queues and cache use over time, from the lines of metrics.jsonl.

Each process of a run counts from 0 and starts its own clock. Here, time is the time that processes have
run, one after the other, without the pauses between them.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.inspection.report.engine_times import (
    EngineInterval,
    EngineTimes,
    EngineTotal,
    is_number,
)
from pipeline.inspection.report.thinning import Thinned

_SUMS = ("new_live_tokens", "new_rollouts", "new_prompt_tokens", "new_prompt_tokens_cached")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """The run between two lines, or between the first and the last of several."""

    end: float
    """Seconds that the run's processes had run by its end."""
    seconds: float
    tokens: float | None
    """Sampled tokens; None if a line does not say."""
    rollouts: float | None
    prompt_tokens: float | None
    cached: float | None
    """Prompt tokens that came from the engines' caches."""
    queues: Mapping[str, float]
    """Name of a queue -> its mean length, in lines that have it."""

    @property
    def tokens_per_second(self) -> float | None:
        """None if unknown."""
        return None if self.tokens is None or not self.seconds else self.tokens / self.seconds

    @property
    def cache_rate(self) -> float | None:
        """Fraction of the prompt tokens that came from a cache; None if unknown."""
        if self.cached is None or not self.prompt_tokens:
            return None
        return self.cached / self.prompt_tokens

    def joined(self, later: "Interval") -> "Interval":
        """Both as one."""
        seconds = self.seconds + later.seconds
        queues = {}
        for name in {*self.queues, *later.queues}:
            parts = [(one.queues[name], one.seconds) for one in (self, later) if name in one.queues]
            weight = sum(each for _, each in parts)
            queues[name] = sum(value * each for value, each in parts) / weight if weight else 0.0
        return Interval(
            end=later.end,
            seconds=seconds,
            tokens=_sum(self.tokens, later.tokens),
            rollouts=_sum(self.rollouts, later.rollouts),
            prompt_tokens=_sum(self.prompt_tokens, later.prompt_tokens),
            cached=_sum(self.cached, later.cached),
            queues=queues,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A run over time."""

    intervals: list[Interval]
    engines: list[EngineTotal]
    """By worker; empty in runs of earlier versions."""
    engine_intervals: list[EngineInterval]


def read_timeline(lines: Iterable[bytes]) -> Timeline:
    """The run in a bounded number of intervals, from the lines of metrics.jsonl.

    Lines that are cut off, or of another form, are passed over.
    """
    intervals, engines = Thinned[Interval](), EngineTimes()
    before: Mapping[str, float] = {}
    clock = 0.0
    for line in lines:
        read = _parsed(line)
        now = _numbers(read)
        if "seconds" not in now:
            continue
        if now["seconds"] < before.get("seconds", 0.0):
            before = {}
            engines.new_process()
        if (seconds := now["seconds"] - before.get("seconds", 0.0)) <= 0:
            continue
        clock += seconds
        intervals.add(_interval(clock, seconds, before, now))
        engines.add(clock, now["seconds"], read.get("workers"))
        before = now
    return Timeline(
        intervals=intervals.items(),
        engines=[engines.totals[one] for one in sorted(engines.totals)],
        engine_intervals=engines.intervals(),
    )


def _parsed(line: bytes) -> Mapping[str, Any]:
    """A line's object; empty for one that is cut off or of another form."""
    try:
        read = json.loads(line)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _numbers(read: Mapping[str, Any]) -> dict[str, float]:
    """The finite numbers of a line, queues as `queue.NAME`."""
    queues = read.get("queues")
    named = {f"queue.{name}": one for name, one in queues.items()} if isinstance(queues, dict) else {}
    known = {name: read.get(name) for name in ("seconds", *_SUMS)} | named
    # Any other value says nothing.
    return {name: float(one) for name, one in known.items() if one is not None and is_number(one)}


def _interval(
    end: float, seconds: float, before: Mapping[str, float], now: Mapping[str, float]
) -> Interval:
    # A count falls if a worker was lost with what it had not stored.
    new = {name: max(0.0, now[name] - before.get(name, 0.0)) if name in now else None for name in _SUMS}
    return Interval(
        end=end,
        seconds=seconds,
        tokens=new["new_live_tokens"],
        rollouts=new["new_rollouts"],
        prompt_tokens=new["new_prompt_tokens"],
        cached=new["new_prompt_tokens_cached"],
        queues={
            name.removeprefix("queue."): value
            for name, value in now.items()
            if name.startswith("queue.")
        },
    )


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other
