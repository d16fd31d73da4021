"""How well chances rank and fit labels, of which each may be a share with a weight.

A target t of weight w is w t positives and w (1 - t) negatives: with targets of 0 and 1 these are the
usual figures.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def measure(chances: Any, targets: Any, weights: Any) -> dict[str, float | None]:
    """`auc`, `average_precision` and `loss` (cross-entropy in nats) of arrays of one length.

    None for the first two without positives or without negatives, and for all without any weight.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    chances, targets, weights = (np.asarray(a, np.float64).ravel() for a in (chances, targets, weights))
    total = weights.sum()
    if not total:
        return {"auc": None, "average_precision": None, "loss": None}
    safe = np.clip(chances, 1e-7, 1 - 1e-7)
    losses = -(targets * np.log(safe) + (1 - targets) * np.log(1 - safe))
    loss = float((weights * losses).sum() / total)
    labels = np.repeat([1, 0], len(chances))
    both = np.concatenate([weights * targets, weights * (1 - targets)])
    if not both[labels == 1].sum() or not both[labels == 0].sum():
        return {"auc": None, "average_precision": None, "loss": loss}
    twice, seen = np.tile(chances, 2), both > 0
    arguments = labels[seen], twice[seen]
    return {
        "auc": float(roc_auc_score(*arguments, sample_weight=both[seen])),
        "average_precision": float(average_precision_score(*arguments, sample_weight=both[seen])),
        "loss": loss,
    }
