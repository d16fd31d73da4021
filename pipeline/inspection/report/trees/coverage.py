"""pass@k from counts: problems with n samples of known outcome, of which c are right."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.curves import sizes_of
from reward_models.evaluation.bootstrap import NUM_RESAMPLES
from reward_models.evaluation.choosing import pass_at_k


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """pass@k at one k."""

    k: int
    value: float
    """Mean over problems of the unbiased estimator (Chen et al., 2021)."""
    low: float | None
    high: float | None
    """The middle 95% of the means over problems drawn again with replacement; None for one problem."""
    problems: int


def coverage(samples: Mapping[tuple[int, int], int], seed: int) -> list[Coverage]:
    """The curve, on the problems with enough samples for the greatest k, as `berry eval` draws it.

    Problems with the same counts have the same value. So to draw problems again is to draw how many
    there are of each pair of counts, from a multinomial distribution: its cost does not grow with them.
    """
    ks = sizes_of({n: sum(v for (m, _), v in samples.items() if m == n) for n, _ in samples})
    if not ks:
        return []
    enough = {pair: number for pair, number in samples.items() if pair[0] >= ks[-1] and number}
    numbers = np.array(list(enough.values()), np.int64)
    total = int(numbers.sum())
    draws = np.random.default_rng(seed).multinomial(total, numbers / total, size=NUM_RESAMPLES)
    curve = []
    for k in ks:
        values = np.array([pass_at_k(n, right, k) for n, right in enough])
        low, high = np.quantile(draws @ values / total, [0.025, 0.975])
        curve.append(
            Coverage(
                k=k,
                value=float(numbers @ values / total),
                low=float(low) if total > 1 else None,
                high=float(high) if total > 1 else None,
                problems=total,
            )
        )
    return curve
