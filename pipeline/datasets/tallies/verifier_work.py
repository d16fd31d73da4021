"""How long verifiers take and how often they fail.

Times are counted where a verdict is made, while a run explores: files hold none, so verdicts that were
read back, for example after a crash, have no time. Times fall into a few logarithmic buckets, so that
they add up over a run, and an upper quantile is known to within a bucket.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.datasets.tallies.tally import Tally
from verifiers import Outcome, Verdict

BOUNDS_MS = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000)
"""Upper bounds of the buckets, in milliseconds; the last bucket has none."""
_BUCKETS = (*(f"up_to_{bound}_ms" for bound in BOUNDS_MS), "longer")
_QUANTILE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierFigures:
    """The figures of one verifier."""

    verifier: str
    """Name and version."""
    verdicts: int
    errors: int
    abstentions: int
    mean_seconds: float | None
    """Mean time of a verdict; None if no time is known."""
    p95_seconds: float | None
    """A time within which 95% of the verdicts came: the upper bound of a bucket. None if no time is
    known, or if it is longer than the last bound."""

    @property
    def error_rate(self) -> float:
        """Fraction of the verdicts that are errors."""
        return self.errors / self.verdicts if self.verdicts else 0.0


def verdict_columns(verdict: Verdict) -> Mapping[str, int]:
    """The columns that one verdict adds to its verifier's row."""
    columns = {
        "verdicts": 1,
        "errors": int(verdict.outcome is Outcome.ERROR),
        "abstentions": int(verdict.outcome is Outcome.ABSTAIN),
    }
    if verdict.seconds is not None:
        microseconds = max(0, round(1e6 * verdict.seconds))
        columns |= {"timed": 1, "microseconds": microseconds, _bucket(microseconds): 1}
    return columns


def verifier_figures(tally: Tally) -> list[VerifierFigures]:
    """The figures of each verifier: those that fail most often first, then the slowest."""
    found = [_figures(name, columns) for name, columns in tally.items()]
    return sorted(found, key=lambda one: (-one.error_rate, -(one.mean_seconds or 0.0), one.verifier))


def worst(figures: Sequence[VerifierFigures], number: int) -> list[VerifierFigures]:
    """Up to `number` of them, in their order: half for their errors, the rest for their times."""
    flaky = [one for one in figures if one.errors][: number // 2]
    rest = [one for one in figures if one not in flaky]
    slow = sorted(rest, key=lambda one: -(one.mean_seconds or 0.0))[: number - len(flaky)]
    return [one for one in figures if one in flaky or one in slow]


def _bucket(microseconds: int) -> str:
    return next(
        (
            name
            for bound, name in zip(BOUNDS_MS, _BUCKETS, strict=False)
            if microseconds <= 1000 * bound
        ),
        _BUCKETS[-1],
    )


def _figures(name: str, columns: Mapping[str, int]) -> VerifierFigures:
    timed = columns.get("timed", 0)
    bound = _quantile_bound(columns) if timed else None
    return VerifierFigures(
        verifier=name,
        verdicts=columns.get("verdicts", 0),
        errors=columns.get("errors", 0),
        abstentions=columns.get("abstentions", 0),
        mean_seconds=columns.get("microseconds", 0) / timed / 1e6 if timed else None,
        p95_seconds=None if bound is None else bound / 1000,
    )


def _quantile_bound(columns: Mapping[str, int]) -> int | None:
    """The upper bound of the quantile's bucket in milliseconds; None if it has none."""
    needed, so_far = _QUANTILE * sum(columns.get(name, 0) for name in _BUCKETS), 0
    for bound, name in zip(BOUNDS_MS, _BUCKETS, strict=False):
        so_far += columns.get(name, 0)
        if so_far >= needed:
            return bound
    return None
