"""How often rollouts are right, for each domain of the problems."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.datasets.tallies.tally import Tally
from pipeline.labels.step_labels import credible_interval

_MASS = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class PassRate:
    """A pass rate with its 95% credible interval, as if rollouts were independent of each other.

    Rollouts of one problem are alike, and branches share their beginning, so for few problems the
    interval is too narrow.
    """

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, right: int, not_right: int) -> "PassRate | None":
        """The rate; None without rollouts that are known to be right or not."""
        if not (known := right + not_right):
            return None
        interval = credible_interval(right, known, _MASS)
        return cls(value=right / known, low=interval.low, high=interval.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainFigures:
    """The figures of one domain."""

    domain: str
    problems: int
    right: int
    """Right rollouts of problems with a gold answer."""
    not_right: int
    kept: int
    """Survivors."""

    @property
    def pass_rate(self) -> PassRate | None:
        """Fraction of the rollouts that are right; None if no problem has a gold answer."""
        return PassRate.of(self.right, self.not_right)


def domain_figures(tally: Tally) -> Iterator[DomainFigures]:
    """The figures of each domain, the largest first."""
    for domain, columns in sorted(tally.items(), key=lambda one: (-one[1]["problems"], one[0])):
        yield DomainFigures(
            domain=domain,
            problems=columns["problems"],
            right=columns["right"],
            not_right=columns["not_right"],
            kept=columns["kept"],
        )
