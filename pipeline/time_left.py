"""How long a run will still take, judged by the problems that have finished.

While the first problems are under way nothing is known, so there is no estimate. Later ones are
steady: between two finished problems the estimate counts down, and it only rises where it turns out
to have been far too low.
"""

_LEAST_PROBLEMS = 3
_LEAST_SHARE = 0.05
_FAR_TOO_LOW = 2.0
_WORTH_SAYING_SECONDS = 60.0
_LEAST_REST = 0.5
"""The share of the last estimate at which the count-down stops: something is still running."""


class TimeLeft:
    """The estimate for one run; `update` is told how far it is, as often as you like."""

    def __init__(self, capacity: int) -> None:
        """`capacity` is the number of problems that are explored at once: those that finish first are
        the short ones, so that fewer than these say little."""
        self._capacity = capacity
        self._num_done = 0
        self._estimate: float | None = None
        """Seconds that were left when the last problem finished, as shown."""
        self._estimated_at = 0.0
        self._shown: float | None = None

    def update(self, seconds: float, num_done: int, num_left: int) -> float | None:
        """Seconds left; None while unknown.

        `seconds` have passed since the start; `num_done` problems finished in them, `num_left` are
        still to be finished.
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
