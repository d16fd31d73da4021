"""The state of a run, and what shows it."""

from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, Self

from pipeline.datasets.counts import Counts
from pipeline.datasets.metrics import Metrics, Queues, WorkerFigures, worker_columns
from pipeline.engines.metered import Usage

_RECENT_SECONDS = 10.0


@dataclass(slots=True)
class Snapshot:
    """State of a run, for the progress display and metrics.jsonl."""

    counts: Counts = field(default_factory=Counts)
    """Counts of all finished problems, committed or not."""
    total: int | None = None
    """Total number of problems; None if unknown."""
    seconds: float = 0.0
    """Seconds since the engines were ready, in this process."""
    usage: Usage = field(default_factory=Usage)
    """Usage of sampling in this process, including unfinished problems."""
    load_seconds: float = 0.0
    """Seconds until the engines were ready."""
    counts_before: Counts = field(default_factory=Counts)
    """Counts of the problems that earlier processes committed."""
    eta_seconds: float | None = None
    """Estimated remaining time; None while unknown."""
    new_problems: int = 0
    """Problems finished in this process."""
    recent_tokens_per_second: float | None = None
    """Sampled tokens per second of late; None at the very start."""
    num_parts: int | None = None
    """Committed parts; None if unknown."""
    queues: Queues = field(default_factory=Queues)
    """What is waiting and under way."""
    workers: tuple[WorkerFigures, ...] = ()
    """The engine of each worker."""

    @property
    def tokens_per_second(self) -> float | None:
        """Sampled tokens per second in this process; None at the very start."""
        return self.usage.num_live_tokens / self.seconds if self.seconds > 0 else None

    @property
    def num_rollouts(self) -> int:
        """Rollouts finished so far, including those of unfinished problems."""
        # Finished problems that were read from checkpoints are in the counts alone.
        sampled = self.counts_before.rollouts + self.usage.num_rollouts
        return max(self.counts.rollouts, sampled)

    @property
    def num_tokens(self) -> int:
        """Tokens sampled so far, including those of unfinished rollouts."""
        return max(self.counts.tokens, self.counts_before.tokens + self.usage.num_live_tokens)

    @classmethod
    def of(cls, line: Metrics) -> Self:
        """The state that a line of metrics.jsonl reports; what the line lacks is unknown.

        Lines of earlier versions have no figures of earlier processes: rollouts and tokens are then
        those of one process.
        """
        rollouts, tokens = line.new_rollouts or 0, line.new_live_tokens or line.new_tokens or 0
        return cls(
            counts=line.counts,
            total=line.total,
            seconds=line.seconds or 0.0,
            usage=Usage(
                num_tokens=tokens,
                num_rollouts=rollouts,
                num_prompt_tokens=line.new_prompt_tokens or 0,
                num_cached_tokens=line.new_prompt_tokens_cached,
            ),
            counts_before=Counts(
                rollouts=max(0, (line.live_rollouts or rollouts) - rollouts),
                tokens=max(0, (line.live_tokens or tokens) - tokens),
            ),
            eta_seconds=line.eta_seconds,
            new_problems=line.new_problems or 0,
            recent_tokens_per_second=line.recent_tokens_per_second,
            num_parts=line.parts,
            queues=line.queues,
            workers=line.workers,
        )

    def figures(self) -> dict[str, Any]:
        """What both metrics.jsonl and the final facts of a run hold, without the time."""
        usage = self.usage
        return {
            "seconds": round(self.seconds, 3),
            "tokens_per_second": self.tokens_per_second,
            "new_problems": self.new_problems,
            "new_tokens": usage.num_tokens,
            "new_live_tokens": usage.num_live_tokens,
            "new_rollouts": usage.num_rollouts,
            "new_prompt_tokens": usage.num_prompt_tokens,
            "new_prompt_tokens_cached": usage.num_cached_tokens,
            "live_rollouts": self.num_rollouts,
            "live_tokens": self.num_tokens,
            "total": self.total,
            **self.counts.to_dict(reasons=False),
        }

    def line(self, number: int) -> dict[str, Any]:
        """A line of metrics.jsonl without its time; `number` counts the lines of this process."""
        return {
            **self.figures(),
            "recent_tokens_per_second": self.recent_tokens_per_second,
            "eta_seconds": self.eta_seconds,
            "parts": self.num_parts,
            "queues": asdict(self.queues),
            **worker_columns(self.workers, number),
        }


class RecentRate:
    """How fast a total grows, over the last ten seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        """Seconds and total of each look, the oldest one about ten seconds ago."""

    def update(self, seconds: float, total: int) -> float | None:
        """The growth a second; None before the first one is known."""
        self._seen.append((seconds, total))
        while len(self._seen) > 2 and seconds - self._seen[1][0] >= _RECENT_SECONDS:
            self._seen.popleft()
        began, before = self._seen[0]
        return max(0, total - before) / (seconds - began) if seconds > began else None


class Progress(Protocol):
    """Shows the progress of a run to the user."""

    def message(self, text: str) -> None:
        """Shows a line about what the run is doing."""
        ...

    def update(self, snapshot: Snapshot) -> None:
        """Shows the run's state."""
        ...
