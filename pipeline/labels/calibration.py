"""Calibration of pass rates: do rollouts that are held out pass as often as the others predict?

The judged rollouts after a prefix (`judged_after`) are split in two by their order: the first, third
and so on predict, the others are held out. The prediction is the posterior mean of the pass rate under
the Jeffreys prior, (passes + 1/2) / (trials + 1). Prefixes with fewer than two such rollouts, and whole
responses, predict nothing.

The counts are flat integers that add up over trees: for each range of predictions the held-out rollouts
(`3.held_out`), those that passed (`3.passes`) and the sum of their predictions (`3.predicted`); and the
sum of squared errors (`squared`). The two sums are in thousandths.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.labels.values import judged_after
from pipeline.tree import Tree

BINS = 10
"""Ranges of predictions, each a tenth wide."""
_KEYS = ("held_out", "passes", "predicted")
_SQUARED = "squared"


def calibration_counts(tree: Tree) -> Counter[str]:
    """The counts of one tree."""
    seen: dict[int, list[int]] = {}
    for prefix, passed in judged_after(tree):
        found = seen.get(prefix)
        if found is None:
            seen[prefix] = [1, passed, 0]
            continue
        # Rollouts so far; passes of those that predict, and of those held out.
        found[1 + found[0] % 2] += passed
        found[0] += 1
    places: dict[int, list[int]] = {}
    squared = 0
    for prefix, (number, passes, held_passes) in seen.items():
        if number < 2 or tree.is_complete(prefix):
            continue
        held = number // 2
        trials = number - held
        predicted = (passes + 0.5) / (trials + 1)
        # In integers, so that no rounding moves a prediction over the end of its range.
        of_place = places.setdefault((2 * passes + 1) * BINS // (2 * (trials + 1)), [0, 0, 0])
        of_place[0] += held
        of_place[1] += held_passes
        of_place[2] += round(1000 * held * predicted)
        squared += round(1000 * (held * predicted**2 + held_passes * (1 - 2 * predicted)))
    counts = Counter(
        {
            f"{place}.{key}": n
            for place, found in places.items()
            for key, n in zip(_KEYS, found, strict=True)
        }
    )
    if places:
        counts[_SQUARED] = squared
    return counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Held-out rollouts whose predictions are in one range."""

    low: float
    high: float
    held_out: int
    passes: int
    predicted: float
    """Mean prediction."""

    @property
    def measured(self) -> float:
        """Fraction that passed."""
        return self.passes / self.held_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How well pass rates predict held-out rollouts."""

    ranges: tuple[Range, ...]
    """Only those with a rollout, at least one."""
    brier: float
    """Mean squared difference between a prediction and an outcome of 0 or 1 (Brier, 1950)."""

    @property
    def held_out(self) -> int:
        """Held-out rollouts; a rollout counts once for each of its prefixes."""
        return sum(one.held_out for one in self.ranges)

    @property
    def error(self) -> float:
        """Expected calibration error: the mean distance between predicted and measured pass rates
        (Guo et al., 2017, arXiv:1706.04599)."""
        gaps = (one.held_out * abs(one.predicted - one.measured) for one in self.ranges)
        return sum(gaps) / self.held_out


def read_calibration(counts: Mapping[str, int]) -> Calibration | None:
    """The calibration of summed counts; None without a held-out rollout."""
    ranges = tuple(
        Range(
            low=place / BINS,
            high=(place + 1) / BINS,
            held_out=held,
            passes=counts.get(f"{place}.passes", 0),
            predicted=counts.get(f"{place}.predicted", 0) / 1000 / held,
        )
        for place in range(BINS)
        if (held := counts.get(f"{place}.held_out", 0)) > 0
    )
    if not ranges:
        return None
    total = sum(one.held_out for one in ranges)
    return Calibration(ranges=ranges, brier=counts.get(_SQUARED, 0) / 1000 / total)
