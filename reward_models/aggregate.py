"""Aggregates: functions that turn the scores of a response's steps into one score.

The best choice depends on the meaning of a score. A model trained on responses up to their first wrong
step says nothing about later steps: `min` finds the step it considers most likely wrong, `product` is
the probability that all steps are right. For a model trained on whole responses, the last score
suffices.

    min, product   Lightman et al., "Let's Verify Step by Step" (2023, arXiv:2305.20050), appendix F;
                   min also in Math-Shepherd (Wang et al., 2023, arXiv:2312.08935)
    last           Snell et al. (2024, arXiv:2408.03314), who found it best for labels from rollouts
    mean           a baseline, which one wrong step in a long response hardly changes
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

Aggregate = Literal["last", "min", "product", "mean"]


def last(scores: Sequence[float]) -> float:
    """The last step's score. Raises IndexError without scores."""
    return scores[-1]


def minimum(scores: Sequence[float]) -> float:
    """The lowest step score. Raises ValueError without scores."""
    return min(scores)


def product(scores: Sequence[float]) -> float:
    """The product of all scores; 1 without scores."""
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
"""Name -> function of one or more scores."""


def aggregate(how: Aggregate, scores: Sequence[float | None]) -> float | None:
    """One score for a response's steps; None without steps or if any step that counts is unscored.

    With `last` only the last step counts.
    """
    scores = scores[-1:] if how == "last" else scores
    known = [score for score in scores if score is not None]
    if not known or len(known) < len(scores):
        return None
    return AGGREGATES[how](known)
