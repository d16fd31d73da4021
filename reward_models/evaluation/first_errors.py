"""Do scores find the first wrong step? As ProcessBench asks it (Zheng et al., 2024, arXiv:2412.06559).

The first step whose score is under a threshold is taken for the first wrong one; without such a step
the response is taken to be right. `on_wrong` is the share of responses with an error whose first one is
named exactly, `on_right` the share of the others in which none is named, and F1 their harmonic mean: a
model that calls everything right, or everything wrong, has none.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reward_models.evaluation.bootstrap import Interval, bootstrap

Array = NDArray[np.float64]
THRESHOLD = 0.5
THRESHOLDS = tuple(round(0.05 * place, 2) for place in range(1, 20))
"""Those of the curve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """A response whose first wrong step is known, or that it has none."""

    scores: Sequence[float]
    """Of every step."""
    first_wrong: int | None
    """Index of the first wrong step; None if all are right."""
    problem: Hashable = None
    """Which problem it is of, for the intervals."""

    def finds(self, threshold: float) -> bool:
        """Whether the first score under the threshold is that of the first wrong step."""
        under = (index for index, score in enumerate(self.scores) if score < threshold)
        return next(under, None) == self.first_wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstErrors:
    """At one threshold."""

    threshold: float
    num_wrong: int
    num_right: int
    on_wrong: float | None
    on_right: float | None
    f1: float | None
    intervals: Mapping[str, Interval | None] = field(default_factory=dict)
    """Name of a share -> its interval by problems; none in curves."""


def find_first_errors(
    responses: Sequence[Marked], threshold: float = THRESHOLD, seed: int | None = None
) -> FirstErrors:
    """How often the scores find the first error; a `seed` asks for intervals, and is their draws'."""
    hits = np.array([one.finds(threshold) for one in responses], np.float64)
    wrong = np.array([one.first_wrong is not None for one in responses], np.bool_)
    alike = np.ones_like(hits)
    shares: dict[str, Callable[[Array], float | None]] = {
        "on_wrong": lambda weights: _share(hits, weights * wrong),
        "on_right": lambda weights: _share(hits, weights * ~wrong),
        "f1": lambda weights: _f1(hits, wrong, weights),
    }
    problems = [one.problem for one in responses]
    return FirstErrors(
        threshold=threshold,
        num_wrong=int(wrong.sum()),
        num_right=int((~wrong).sum()),
        on_wrong=shares["on_wrong"](alike),
        on_right=shares["on_right"](alike),
        f1=shares["f1"](alike),
        intervals={}
        if seed is None
        else {name: bootstrap(share, problems, seed) for name, share in shares.items()},
    )


def threshold_curve(responses: Sequence[Marked]) -> list[FirstErrors]:
    """The shares at each of `THRESHOLDS`; none without responses."""
    return [find_first_errors(responses, threshold) for threshold in THRESHOLDS] if responses else []


def _f1(hits: Array, wrong: NDArray[np.bool_], weights: Array) -> float | None:
    on_wrong, on_right = _share(hits, weights * wrong), _share(hits, weights * ~wrong)
    if on_wrong is None or on_right is None:
        return None
    both = on_wrong + on_right
    return 2 * on_wrong * on_right / both if both else 0.0


def _share(hits: Array, weights: Array) -> float | None:
    total = weights.sum()
    return float(hits @ weights / total) if total else None
