"""How far a reward model's scores can be relied on: what fraction was right at each score."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.inspection.report.intervals import Rate

_FINE = 1000
"""Ranges of scores in which right and wrong are counted."""
_COARSE = 10

Floats = NDArray[np.float64]


def _zeros() -> NDArray[np.int64]:
    return np.zeros(_FINE, np.int64)


@dataclass(slots=True)
class ScoreTally:
    """Trials by score; scores are from 0 to 1."""

    trials: NDArray[np.int64] = field(default_factory=_zeros)
    passes: NDArray[np.int64] = field(default_factory=_zeros)
    squared: float = 0.0
    """Sum over trials of the squared difference between score and outcome."""
    predicted: Floats = field(default_factory=lambda: np.zeros(_COARSE))
    """For each coarse range, the sum of scores over trials."""

    def add(self, scores: Floats, trials: NDArray[np.int64], passes: NDArray[np.int64]) -> None:
        """Adds scored items with their trials and how many of these passed."""
        scores = np.clip(scores, 0.0, 1.0)
        places = np.minimum(_FINE - 1, (scores * _FINE).astype(np.int64))
        self.trials += np.bincount(places, trials, _FINE).astype(np.int64)
        self.passes += np.bincount(places, passes, _FINE).astype(np.int64)
        self.squared += float(passes @ (1 - scores) ** 2 + (trials - passes) @ scores**2)
        self.predicted += np.bincount(places * _COARSE // _FINE, trials * scores, _COARSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRange:
    """Trials whose scores are in one range."""

    low: float
    high: float
    predicted: float
    """Mean score."""
    measured: Rate
    """Fraction that was right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """How well scores agree with outcomes."""

    trials: int
    ranges: tuple[ScoreRange, ...]
    auc: float | None
    """Probability that a right trial has the higher score than a wrong one, ties counted half (scores
    that differ by under 0.001 tie); None if all are right or all are wrong."""
    error: float
    """Expected calibration error: mean distance of score and fraction right (Guo et al., 2017)."""
    brier: float
    """Mean squared difference between score and outcome."""


def reliability(tally: ScoreTally) -> Reliability | None:
    """The reliability; None without a scored trial."""
    total = int(tally.trials.sum())
    if not total:
        return None
    shape = (_COARSE, _FINE // _COARSE)
    trials, passes = (one.reshape(shape).sum(axis=1) for one in (tally.trials, tally.passes))
    ranges = tuple(
        ScoreRange(
            low=place / _COARSE,
            high=(place + 1) / _COARSE,
            predicted=float(tally.predicted[place] / trials[place]),
            measured=Rate.of(int(passes[place]), int(trials[place])),
        )
        for place in range(_COARSE)
        if trials[place]
    )
    gaps: Any = np.abs(tally.predicted - passes)
    return Reliability(
        trials=total,
        ranges=ranges,
        auc=_auc(tally),
        error=float(gaps.sum() / total),
        brier=tally.squared / total,
    )


def _auc(tally: ScoreTally) -> float | None:
    """Counts pairs of a right and a wrong trial."""
    right = tally.passes.astype(float)
    wrong = (tally.trials - tally.passes).astype(float)
    pairs = right.sum() * wrong.sum()
    if not pairs:
        return None
    below = np.cumsum(wrong) - wrong
    return float((right @ (below + wrong / 2)) / pairs)
