"""Fractions with their intervals."""

from dataclasses import dataclass

from pipeline.labels.step_labels import credible_interval

MASS = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A fraction with a 95% credible interval, as if the items were independent.

    Rollouts of one problem are alike, so for few problems the interval is too narrow.
    """

    count: int
    total: int
    value: float | None
    """None without items."""
    low: float | None
    high: float | None

    @classmethod
    def of(cls, count: int, total: int) -> "Rate":
        """`count` of `total` items."""
        if not total:
            return cls(count=0, total=0, value=None, low=None, high=None)
        found = credible_interval(count, total, MASS)
        return cls(count=count, total=total, value=count / total, low=found.low, high=found.high)
