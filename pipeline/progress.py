"""The state of a run, and what shows it."""

from dataclasses import dataclass, field
from typing import Protocol

from pipeline.datasets.counts import Counts
from pipeline.engines.metered import Usage


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

    @property
    def tokens_per_second(self) -> float | None:
        """Sampled tokens per second in this process; None at the very start."""
        return self.usage.num_live_tokens / self.seconds if self.seconds > 0 else None

    @property
    def num_rollouts(self) -> int:
        """Rollouts finished so far, including those of unfinished problems."""
        return self.counts_before.rollouts + self.usage.num_rollouts

    @property
    def num_tokens(self) -> int:
        """Tokens sampled so far, including those of unfinished rollouts."""
        return self.counts_before.tokens + self.usage.num_live_tokens


class Progress(Protocol):
    """Shows the progress of a run to the user."""

    def message(self, text: str) -> None:
        """Shows a line about what the run is doing."""
        ...

    def update(self, snapshot: Snapshot) -> None:
        """Shows the run's state."""
        ...
