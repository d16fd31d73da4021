"""Estimates the remaining time of a run from its finished problems.

There is no estimate while the first problems are running. Later estimates are steady: the estimate
counts down between two finished problems, and rises only if it was far too low.
"""

_LEAST_PROBLEMS = 3
_LEAST_SHARE = 0.05
_FAR_TOO_LOW = 2.0
_WORTH_SAYING_SECONDS = 60.0
_LEAST_REST = 0.5
"""Fraction of the last estimate at which the countdown stops, because the run has not ended."""


class TimeLeft:
    """The estimate for one run; call `update` with its progress as often as you like."""

    def __init__(self, capacity: int) -> None:
        """`capacity` is the number of problems explored at the same time. Short problems finish first,
        so fewer finished problems than this give no good estimate."""
        self._capacity = capacity
        self._num_done = 0
        self._estimate: float | None = None
        """Remaining seconds shown when the last problem finished."""
        self._estimated_at = 0.0
        self._shown: float | None = None

    def update(self, seconds: float, num_done: int, num_left: int) -> float | None:
        """Remaining seconds; None while unknown.

        `seconds` is the time since the start, in which `num_done` problems finished; `num_left`
        problems are unfinished.
        """
        least = max(_LEAST_PROBLEMS, min(self._capacity, _LEAST_SHARE * (num_done + num_left)))
        if num_left == 0:
            return 0.0
        if num_done < least:
            return None
        if num_done > self._num_done:
            self._num_done = num_done
            self._estimate = self._steady(num_left * seconds / num_done)
            self._estimated_at = seconds
            self._shown = self._estimate
        elif self._estimate is not None:
            passed = seconds - self._estimated_at
            self._shown = max(_LEAST_REST * self._estimate, self._estimate - passed)
        return self._shown

    def _steady(self, found: float) -> float:
        if self._shown is None:
            return found
        is_wrong = found > _FAR_TOO_LOW * self._shown and found - self._shown > _WORTH_SAYING_SECONDS
        return found if is_wrong else min(found, self._shown)


def duration(seconds: float) -> str:
    """A duration in readable form: 42s, 3m10s, 2h05m."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
