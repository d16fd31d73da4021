"""How good scores are as chances: how they rank, how they are calibrated, whether they find errors.

A target may be a share with a weight: t of weight w is w t positives and w (1 - t) negatives.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
NUM_BINS = 10
_THRESHOLD = 0.5


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
    """Area under the ROC curve: the chance that a right one is scored over a wrong one. None if there
    are none of either."""
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


def measure(scores: Any, targets: Any, weights: Any = None) -> Quality:
    """Of arrays of one length: scores and targets from 0 to 1, and weights, 1 each if not given."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    scores, targets = (np.asarray(values, np.float64).ravel() for values in (scores, targets))
    weights = np.ones_like(scores) if weights is None else np.asarray(weights, np.float64).ravel()
    total = weights.sum()
    if not total:
        return Quality(
            number=0,
            auc=None,
            average_precision=None,
            loss=None,
            brier=None,
            calibration_error=None,
            reliability=(),
        )
    safe = np.clip(scores, 1e-7, 1 - 1e-7)
    losses = -(targets * np.log(safe) + (1 - targets) * np.log(1 - safe))
    # (s - 1)^2 for the share that is right, s^2 for the rest.
    squares = targets * (scores - 1) ** 2 + (1 - targets) * scores**2
    bins = tuple(_bins(scores, targets, weights))
    labels, twice, both = _as_classes(scores, targets, weights)
    has_both = set(labels) == {0, 1}
    return Quality(
        number=int((weights > 0).sum()),
        auc=float(roc_auc_score(labels, twice, sample_weight=both)) if has_both else None,
        average_precision=(
            float(average_precision_score(labels, twice, sample_weight=both)) if has_both else None
        ),
        loss=float((weights * losses).sum() / total),
        brier=float((weights * squares).sum() / total),
        calibration_error=float(
            sum(b.weight * abs(b.mean_score - b.share_right) for b in bins) / total
        ),
        reliability=bins,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstErrors:
    """How often the first step under `_THRESHOLD` is the first wrong one.

    As ProcessBench has it (Zheng et al., 2024, arXiv:2412.06559): on responses with an error the share
    whose first one is found, on right ones the share in which none is, and their harmonic mean.
    """

    num_wrong: int
    num_right: int
    on_wrong: float | None
    on_right: float | None
    f1: float | None


def find_first_errors(
    responses: Sequence[tuple[Sequence[float], int | None]], threshold: float = _THRESHOLD
) -> FirstErrors:
    """Of responses: each one's scores of steps, and the index of its first wrong step if one is."""
    hits: dict[bool, list[bool]] = {True: [], False: []}
    for scores, first_wrong in responses:
        found = next((index for index, score in enumerate(scores) if score < threshold), None)
        hits[first_wrong is None].append(found == first_wrong)
    on_right, on_wrong = (sum(of) / len(of) if of else None for of in (hits[True], hits[False]))
    f1 = None
    if on_right is not None and on_wrong is not None:
        both = on_right + on_wrong
        f1 = 2 * on_right * on_wrong / both if both else 0.0
    return FirstErrors(
        num_wrong=len(hits[False]),
        num_right=len(hits[True]),
        on_wrong=on_wrong,
        on_right=on_right,
        f1=f1,
    )


def _as_classes(scores: Array, targets: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Labels 0 and 1, a score and a weight over 0 of each."""
    labels = np.repeat([1, 0], len(scores))
    both = np.concatenate([weights * targets, weights * (1 - targets)])
    seen = both > 0
    return labels[seen], np.tile(scores, 2)[seen], both[seen]


def _bins(scores: Array, targets: Array, weights: Array) -> Sequence[Bin]:
    number = np.minimum((scores * NUM_BINS).astype(int), NUM_BINS - 1)
    found = []
    for index in range(NUM_BINS):
        inside = number == index
        weight = weights[inside].sum()
        if weight:
            found.append(
                Bin(
                    low=index / NUM_BINS,
                    high=(index + 1) / NUM_BINS,
                    weight=float(weight),
                    mean_score=float((weights * scores)[inside].sum() / weight),
                    share_right=float((weights * targets)[inside].sum() / weight),
                )
            )
    return found
