"""Confidence intervals for a figure, over the choice of problems.

Samples of one problem are correlated, and so are the steps of one response; treating them as
independent makes intervals too narrow. So whole problems are resampled with replacement (the cluster
bootstrap; Field and Welsh, 2007).
"""

from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Interval = tuple[float, float]
"""Lower and upper bound of the middle 95% of the draws."""
NUM_RESAMPLES = 1000
_LEAST_SHARE = 0.9


def bootstrap(
    statistic: Callable[[Array], float | None], problems: Sequence[Hashable], seed: int = 0
) -> Interval | None:
    """Interval of a statistic over weighted items; an item's weight is its problem's number of draws.

    `problems` names each item's problem. None for fewer than two problems, and for a statistic that is
    unknown in more than one draw in ten. An interval of zero width means that all problems gave the
    same value, which is no certainty if they are few.
    """
    places = {problem: place for place, problem in enumerate(dict.fromkeys(problems))}
    if len(places) < 2:
        return None
    of_items = np.array([places[problem] for problem in problems])
    random = np.random.default_rng(seed)
    found = []
    for _ in range(NUM_RESAMPLES):
        drawn = random.integers(len(places), size=len(places))
        times = np.bincount(drawn, minlength=len(places)).astype(np.float64)
        if (value := statistic(times[of_items])) is not None:
            found.append(value)
    if len(found) < _LEAST_SHARE * NUM_RESAMPLES:
        return None
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def mean_of(values: Sequence[float]) -> Callable[[Array], float | None]:
    """A statistic: the weighted mean of the values."""
    array = np.asarray(values, np.float64)

    def mean(weights: Array) -> float | None:
        total = weights.sum()
        return float(weights @ array / total) if total else None

    return mean
