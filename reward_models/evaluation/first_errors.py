"""How well scores find the first wrong step, as in ProcessBench (Zheng et al., 2024, arXiv:2412.06559).

The first step with a score below a threshold is predicted as the first wrong one; without such a step
the response is predicted to be right. `on_wrong` is the fraction of wrong responses whose first error
is found exactly, `on_right` the fraction of right responses in which no error is predicted, and F1
their harmonic mean. A model that calls everything right, or everything wrong, has an F1 of 0.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reward_models.evaluation.bootstrap import Interval, bootstrap

Array = NDArray[np.float64]
THRESHOLD = 0.5
THRESHOLDS = tuple(round(0.05 * place, 2) for place in range(1, 20))
"""Thresholds of the curve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """A response with a known first wrong step, or known to have none."""

    scores: Sequence[float]
    """One score per step."""
    first_error: int | None
    """Index of the first wrong step; None if all are right."""
    problem: Hashable = None
    """Problem of the response, for the intervals."""

    def finds(self, threshold: float) -> bool:
        """Whether the first score below the threshold is that of the first wrong step."""
        under = (index for index, score in enumerate(self.scores) if score < threshold)
        return next(under, None) == self.first_error


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstErrors:
    """Figures at one threshold."""

    threshold: float
    num_wrong: int
    num_right: int
    on_wrong: float | None
    on_right: float | None
    f1: float | None
    intervals: Mapping[str, Interval | None] = field(default_factory=dict)
    """Name of a figure -> its interval by problems; empty in curves."""


def find_first_errors(
    responses: Sequence[Marked], threshold: float = THRESHOLD, seed: int | None = None
) -> FirstErrors:
    """How often the scores find the first error; with a `seed`, also the intervals."""
    hits = np.array([one.finds(threshold) for one in responses], np.float64)
    wrong = np.array([one.first_error is not None for one in responses], np.bool_)
    alike = np.ones_like(hits)
    fractions: dict[str, Callable[[Array], float | None]] = {
        "on_wrong": lambda weights: _fraction(hits, weights * wrong),
        "on_right": lambda weights: _fraction(hits, weights * ~wrong),
        "f1": lambda weights: _f1(hits, wrong, weights),
    }
    problems = [one.problem for one in responses]
    return FirstErrors(
        threshold=threshold,
        num_wrong=int(wrong.sum()),
        num_right=int((~wrong).sum()),
        on_wrong=fractions["on_wrong"](alike),
        on_right=fractions["on_right"](alike),
        f1=fractions["f1"](alike),
        intervals={}
        if seed is None
        else {name: bootstrap(fraction, problems, seed) for name, fraction in fractions.items()},
    )


def threshold_curve(responses: Sequence[Marked]) -> list[FirstErrors]:
    """The figures at each of `THRESHOLDS`; empty without responses."""
    return [find_first_errors(responses, threshold) for threshold in THRESHOLDS] if responses else []


def _f1(hits: Array, wrong: NDArray[np.bool_], weights: Array) -> float | None:
    on_wrong, on_right = _fraction(hits, weights * wrong), _fraction(hits, weights * ~wrong)
    if on_wrong is None or on_right is None:
        return None
    both = on_wrong + on_right
    return 2 * on_wrong * on_right / both if both else 0.0


def _fraction(hits: Array, weights: Array) -> float | None:
    total = weights.sum()
    return float(hits @ weights / total) if total else None
