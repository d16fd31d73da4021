"""Accuracy of an answer chosen from N samples of a problem.

All figures are expectations over draws of N from a problem's M samples, without replacement. Those of
pass@k and best-of-N are exact, and so are those of votes if there are at most `NUM_DRAWS` possible
draws; otherwise that many seeded draws are made.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from random import Random

NUM_DRAWS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One sampled response to a problem."""

    right: bool
    """Whether it is right; a truncated or unanswered sample is not."""
    answer: int | None
    """Index of its class of equal answers; None without an answer, or if truncated."""
    is_complete: bool = True
    """Whether it was not truncated."""
    orm: float | None = None
    prm: float | None = None
    """Scores of the response; None if it is unscored or was truncated."""
    prm_last: float | None = None
    """Score of its last step, which breaks ties."""


def pass_at_k(num_samples: int, num_passes: int, k: int) -> float:
    """Probability that at least one of k samples passes.

    The unbiased estimator of Codex (Chen et al., 2021, arXiv:2107.03374). Raises ValueError if k
    exceeds `num_samples`.
    """
    if k > num_samples:
        raise ValueError(f"expected k of at most {num_samples}, the number of rollouts, got {k}")
    return 1 - math.comb(num_samples - num_passes, k) / math.comb(num_samples, k)


Rank = float | tuple[float, ...]
"""A score, or several, of which later ones break ties."""


def best_of_n(scores: Sequence[Rank | None], right: Sequence[bool], n: int) -> float:
    """Probability that the best-scored of n samples is right.

    Ties are broken uniformly at random, and unscored samples rank last. If a sample and those it beats
    are k, and t more tie with it, the probability follows from the number of subsets whose best is
    among them. Raises ValueError if n exceeds the number of samples.
    """
    total = len(scores)
    if not 1 <= n <= total:
        raise ValueError(f"expected n from 1 to {total}, the number of samples, got {n}")
    ranked = sorted(
        zip(scores, right, strict=True), key=lambda one: () if one[0] is None else (one[0],)
    )
    probability, num_below = 0.0, 0
    for _, tied in groupby(ranked, key=lambda one: one[0]):
        outcomes = [passed for _, passed in tied]
        num_to_here = num_below + len(outcomes)
        best_here = math.comb(num_to_here, n) - math.comb(num_below, n)
        probability += best_here / math.comb(total, n) * sum(outcomes) / len(outcomes)
        num_below = num_to_here
    return probability


def vote(
    answers: Sequence[int | None],
    right: Sequence[bool],
    n: int,
    random: Random,
    weights: Sequence[float] | None = None,
) -> float:
    """Probability that the answer with the most votes among n samples is right; ties are split evenly.

    Each sample with an answer has one vote, or its weight. Self-consistency (Wang et al., 2022,
    arXiv:2203.11171); with weights, Li et al., "Making Large Language Models Better Reasoners" (2022,
    arXiv:2206.02336). Raises ValueError if n exceeds the number of samples.
    """
    total = len(answers)
    if not 1 <= n <= total:
        raise ValueError(f"expected n from 1 to {total}, the number of samples, got {n}")
    of_samples = [1.0] * total if weights is None else weights
    draws: Iterable[Sequence[int]]
    if (num_draws := math.comb(total, n)) <= NUM_DRAWS:
        draws = combinations(range(total), n)
    else:
        num_draws = NUM_DRAWS
        draws = (sorted(random.sample(range(total), n)) for _ in range(num_draws))
    return math.fsum(_vote_once(drawn, answers, right, of_samples) for drawn in draws) / num_draws


def _vote_once(
    drawn: Sequence[int],
    answers: Sequence[int | None],
    right: Sequence[bool],
    weights: Sequence[float],
) -> float:
    votes: dict[int, float] = {}
    passes: dict[int, list[bool]] = {}
    for index in drawn:
        answer = answers[index]
        if answer is not None:
            votes[answer] = votes.get(answer, 0.0) + weights[index]
            passes.setdefault(answer, []).append(right[index])
    if not votes:
        # Without any answer none is right: this is a known 0, not a missing figure.
        return 0.0
    most = max(votes.values())
    winners = [answer for answer, number in votes.items() if math.isclose(number, most)]
    return math.fsum(sum(passes[one]) / len(passes[one]) for one in winners) / len(winners)
