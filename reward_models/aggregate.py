"""How the scores of a response's steps become one score.

Which is best depends on what a score means. A model that has learnt from responses up to their first
wrong step says nothing of what comes behind one: `min` looks at where it was sure of a fault, `product`
is the chance that all steps are right. For one that has learnt from whole responses the last says all.

    min, product   Lightman et al., "Let's Verify Step by Step" (2023, arXiv:2305.20050), appendix F;
                   min also in Math-Shepherd (Wang et al., 2023, arXiv:2312.08935)
    last           Snell et al. (2024, arXiv:2408.03314), who found it best for labels from rollouts
    mean           a baseline, which one wrong step in a long response hardly moves
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

Aggregate = Literal["last", "min", "product", "mean"]


def last(scores: Sequence[float]) -> float:
    """The last step's score. Raises IndexError without scores."""
    return scores[-1]


def minimum(scores: Sequence[float]) -> float:
    """The worst step's score. Raises ValueError without scores."""
    return min(scores)


def product(scores: Sequence[float]) -> float:
    """All scores multiplied; 1 without scores."""
    return math.prod(scores)


def mean(scores: Sequence[float]) -> float:
    """The arithmetic mean. Raises ZeroDivisionError without scores."""
    return math.fsum(scores) / len(scores)


AGGREGATES: Mapping[Aggregate, Callable[[Sequence[float]], float]] = {
    "last": last,
    "min": minimum,
    "product": product,
    "mean": mean,
}
"""Name -> function of one score or more."""


def aggregate(how: Aggregate, scores: Sequence[float | None]) -> float | None:
    """One score of a response's steps; None without steps or if any is unscored: no guess is made."""
    known = [score for score in scores if score is not None]
    if not known or len(known) < len(scores):
        return None
    return AGGREGATES[how](known)
