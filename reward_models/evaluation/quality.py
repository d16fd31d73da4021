"""How good scores are as chances: how they rank, and how they are calibrated.

A target may be a share with a weight: t of weight w is w t positives and w (1 - t) negatives.
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
    """Scores of one bin of the reliability curve."""

    low: float
    high: float
    weight: float
    """Of what is in it."""
    mean_score: float
    share_right: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Of scores against what was right."""

    number: int
    auc: float | None
    """Area under the ROC curve: the chance that a right one is scored over a wrong one, ties half. None
    if there are none of either."""
    auc_within: float | None = None
    """Mean of the same within each problem, over the problems that have both: how scores choose among
    responses to one problem, whatever they say of hard and easy ones. None if problems are unknown."""
    average_precision: float | None
    loss: float | None
    """Cross-entropy, in nats."""
    brier: float | None
    """Mean squared distance of score and truth."""
    calibration_error: float | None
    """Mean distance of score and share of right ones in `NUM_BINS` bins of equal width, by weight
    (expected calibration error, Guo et al., 2017, arXiv:1706.04599)."""
    reliability: tuple[Bin, ...]
    """Of the bins with anything in them."""
    intervals: Mapping[str, Interval | None] = field(default_factory=dict)
    """Name of a figure -> its interval by problems; none where problems are unknown."""


def measure(
    scores: Any,
    targets: Any,
    weights: Any = None,
    *,
    problems: Sequence[Hashable] | None = None,
    seed: int = 0,
) -> Quality:
    """Of arrays of one length: scores and targets from 0 to 1, and weights, 1 each if not given.

    `problems` says which problem each is of; `seed` is that of the intervals' draws.
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
    """Scores and targets, whose figures are functions of weights: cheap to have a thousand times."""

    def __init__(self, scores: Array, targets: Array) -> None:
        self._targets = targets
        order = np.argsort(scores, kind="stable")
        _, self._starts = np.unique(scores[order], return_index=True)
        self._order = order
        # (s - 1)^2 for the share that is right, s^2 for the rest.
        self._squares = targets * (scores - 1) ** 2 + (1 - targets) * scores**2
        safe = np.clip(scores, 1e-7, 1 - 1e-7)
        self._losses = -(targets * np.log(safe) + (1 - targets) * np.log(1 - safe))
        self._scores = scores
        self._bin = np.minimum((scores * NUM_BINS).astype(int), NUM_BINS - 1)

    def auc(self, weights: Array) -> float | None:
        ordered = (weights * self._targets)[self._order], (weights * (1 - self._targets))[self._order]
        # Equal scores are one place.
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
    """Problem -> area under the ROC curve of its own items, of problems that have both sorts."""
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
