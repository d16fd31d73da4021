"""Quality of scores as probabilities: ranking and calibration.

A target may be a fraction with a weight: t with weight w counts as w t positives and w (1 - t)
negatives.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reward_models.evaluation.bootstrap import Interval, bootstrap, mean_of

Array = NDArray[np.float64]
NUM_BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Scores in one bin of the reliability curve."""

    low: float
    high: float
    weight: float
    """Total weight of the scores in the bin."""
    mean_score: float
    share_right: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Figures for scores against the truth."""

    number: int
    auc: float | None
    """Area under the ROC curve: the probability that a right item has a higher score than a wrong one,
    ties counting half. None if either class is empty."""
    auc_within: float | None = None
    """Mean of the AUC within each problem, over problems with both classes: how well scores choose
    among responses to one problem, regardless of its difficulty. None if problems are unknown."""
    average_precision: float | None
    loss: float | None
    """Cross-entropy, in nats."""
    brier: float | None
    """Mean squared difference between score and truth."""
    calibration_error: float | None
    """Mean absolute difference between score and fraction of right ones in `NUM_BINS` bins of equal
    width, by weight (expected calibration error, Guo et al., 2017, arXiv:1706.04599)."""
    reliability: tuple[Bin, ...]
    """Bins that contain at least one score."""
    intervals: Mapping[str, Interval | None] = field(default_factory=dict)
    """Name of a figure -> its interval by problems; empty if problems are unknown."""


def measure(
    scores: Any,
    targets: Any,
    weights: Any = None,
    *,
    problems: Sequence[Hashable] | None = None,
    seed: int = 0,
) -> Quality:
    """Figures for arrays of equal length: scores and targets from 0 to 1, and weights, by default 1.

    `problems` names each item's problem; `seed` seeds the draws for the intervals.
    """
    scores, targets = (np.asarray(values, np.float64).ravel() for values in (scores, targets))
    weights = np.ones_like(scores) if weights is None else np.asarray(weights, np.float64).ravel()
    if not weights.sum():
        return Quality(
            number=0,
            auc=None,
            average_precision=None,
            loss=None,
            brier=None,
            calibration_error=None,
            reliability=(),
        )
    of_items = _Items(scores, targets)
    within = {} if problems is None else _within(scores, targets, weights, problems)
    return Quality(
        number=int((weights > 0).sum()),
        auc=of_items.auc(weights),
        auc_within=float(np.mean(list(within.values()))) if within else None,
        average_precision=_average_precision(scores, targets, weights),
        loss=of_items.loss(weights),
        brier=of_items.brier(weights),
        calibration_error=of_items.calibration_error(weights),
        reliability=tuple(of_items.bins(weights)),
        intervals={} if problems is None else _intervals(of_items, weights, within, problems, seed),
    )


class _Items:
    """Scores and targets; the figures are functions of weights, cheap enough for a thousand draws."""

    def __init__(self, scores: Array, targets: Array) -> None:
        self._targets = targets
        order = np.argsort(scores, kind="stable")
        _, self._starts = np.unique(scores[order], return_index=True)
        self._order = order
        # (s - 1)^2 for the fraction that is right, s^2 for the rest.
        self._squares = targets * (scores - 1) ** 2 + (1 - targets) * scores**2
        safe = np.clip(scores, 1e-7, 1 - 1e-7)
        self._losses = -(targets * np.log(safe) + (1 - targets) * np.log(1 - safe))
        self._scores = scores
        self._bin = np.minimum((scores * NUM_BINS).astype(int), NUM_BINS - 1)

    def auc(self, weights: Array) -> float | None:
        ordered = (weights * self._targets)[self._order], (weights * (1 - self._targets))[self._order]
        # Equal scores form one point.
        right, wrong = (np.add.reduceat(of, self._starts) for of in ordered)
        pairs = right.sum() * wrong.sum()
        if not pairs > 0:
            return None
        return float(right @ (wrong.cumsum() - wrong / 2) / pairs)

    def loss(self, weights: Array) -> float | None:
        return _mean(self._losses, weights)

    def brier(self, weights: Array) -> float | None:
        return _mean(self._squares, weights)

    def calibration_error(self, weights: Array) -> float | None:
        total = weights.sum()
        apart = np.bincount(self._bin, weights * (self._scores - self._targets), NUM_BINS)
        return float(np.abs(apart).sum() / total) if total else None

    def bins(self, weights: Array) -> Sequence[Bin]:
        sums = [
            np.bincount(self._bin, weights * of, NUM_BINS)
            for of in (np.ones_like(self._scores), self._scores, self._targets)
        ]
        return [
            Bin(
                low=index / NUM_BINS,
                high=(index + 1) / NUM_BINS,
                weight=float(weight),
                mean_score=float(score / weight),
                share_right=float(right / weight),
            )
            for index, (weight, score, right) in enumerate(zip(*sums, strict=True))
            if weight
        ]


def _mean(values: Array, weights: Array) -> float | None:
    total = weights.sum()
    return float(weights @ values / total) if total else None


def _within(
    scores: Array, targets: Array, weights: Array, problems: Sequence[Hashable]
) -> dict[Hashable, float]:
    """Problem -> AUC of its own items, for problems with both classes."""
    members: dict[Hashable, list[int]] = {}
    for place, problem in enumerate(problems):
        members.setdefault(problem, []).append(place)
    found = {}
    for problem, places in members.items():
        auc = _Items(scores[places], targets[places]).auc(weights[places])
        if auc is not None:
            found[problem] = auc
    return found


def _intervals(
    of_items: _Items,
    weights: Array,
    within: Mapping[Hashable, float],
    problems: Sequence[Hashable],
    seed: int,
) -> dict[str, Interval | None]:
    statistics = {
        "auc": of_items.auc,
        "brier": of_items.brier,
        "calibration_error": of_items.calibration_error,
    }

    def interval(of: Callable[[Array], float | None]) -> Interval | None:
        return bootstrap(lambda times: of(weights * times), problems, seed)

    found = {name: interval(of) for name, of in statistics.items()}
    return found | {"auc_within": bootstrap(mean_of(list(within.values())), list(within), seed)}


def _average_precision(scores: Array, targets: Array, weights: Array) -> float | None:
    from sklearn.metrics import average_precision_score

    labels = np.repeat([1, 0], len(scores))
    both = np.concatenate([weights * targets, weights * (1 - targets)])
    seen = both > 0
    if set(labels[seen]) != {0, 1}:
        return None
    twice = np.tile(scores, 2)
    return float(average_precision_score(labels[seen], twice[seen], sample_weight=both[seen]))
