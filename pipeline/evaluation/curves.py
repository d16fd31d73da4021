"""Accuracy as a function of N, for each method that selects an answer from N samples."""

import math
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from pipeline.evaluation.samples import Samples
from reward_models.evaluation.bootstrap import Interval, bootstrap, mean_of
from reward_models.evaluation.choosing import Rank, Sample, best_of_n, pass_at_k, vote

METHODS = ("pass@k", "majority", "orm", "prm", "oracle")
"""Values of `--with`; a reward model's scores both select the best sample and weight votes."""
_LEAST_SHARE = 0.9

Measure = Callable[[Sequence[Sample], int, Random], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Accuracy of one method at one N."""

    method: str
    n: int
    accuracy: float | None
    """Mean over problems; None if no problem has the data that the method needs."""
    interval: Interval | None
    """Confidence interval over problems; None for one problem."""
    num_problems: int


def sizes(found: Sequence[Samples]) -> list[int]:
    """Powers of two, up to the number of samples that at least 90% of the problems have."""
    return sizes_of(Counter(len(one.known) for one in found))


def sizes_of(problems: Mapping[int, int]) -> list[int]:
    """The same, from the number of problems for each number of samples."""
    least, reached, so_far = math.ceil(_LEAST_SHARE * sum(problems.values())), 0, 0
    for number in sorted(problems, reverse=True):
        so_far += problems[number]
        if so_far >= least > 0:
            reached = number
            break
    return [2**power for power in range(reached.bit_length())] if reached else []


def accuracy_curves(
    found: Sequence[Samples], methods: Sequence[str], ns: Sequence[int], seed: int
) -> list[Point]:
    """Points for every method and N, on the problems with enough samples for the greatest N.

    A method that uses scores excludes problems with an unscored complete sample. A method that votes
    excludes problems whose answers cannot be compared.
    """
    enough = [one for one in found if len(one.known) >= max(ns)]
    return [
        _point(way, n, [one for one in enough if way.fits(one)], seed)
        for way in _ways(methods)
        for n in ns
    ]


@dataclass(frozen=True, slots=True)
class _Way:
    """A way to select an answer."""

    name: str
    measure: Measure
    scored_by: str | None = None
    votes: bool = False

    def fits(self, one: Samples) -> bool:
        """Whether the problem's samples have the data it needs."""
        if self.votes and not one.can_vote:
            return False
        return self.scored_by is None or all(
            _score(sample, self.scored_by) is not None for sample in one.known if sample.is_complete
        )


def _ways(methods: Sequence[str]) -> list[_Way]:
    found = []
    for method in METHODS:
        if method not in methods:
            continue
        if method in ("pass@k", "oracle"):
            found.append(_Way(method, _any_right))
        elif method == "majority":
            found.append(_Way(method, _majority, votes=True))
        else:
            found.append(_Way(f"best by {method}", _best_by(method), method))
            found.append(_Way(f"vote by {method}", _vote_by(method), method, votes=True))
    return found


def _any_right(samples: Sequence[Sample], n: int, random: Random) -> float:
    return pass_at_k(len(samples), sum(sample.right for sample in samples), n)


def _majority(samples: Sequence[Sample], n: int, random: Random) -> float:
    return vote([s.answer for s in samples], [s.right for s in samples], n, random)


def _best_by(model: str) -> Measure:
    def measure(samples: Sequence[Sample], n: int, random: Random) -> float:
        return best_of_n([_rank(s, model) for s in samples], [s.right for s in samples], n)

    return measure


def _vote_by(model: str) -> Measure:
    def measure(samples: Sequence[Sample], n: int, random: Random) -> float:
        weights = [_score(sample, model) or 0.0 for sample in samples]
        return vote([s.answer for s in samples], [s.right for s in samples], n, random, weights)

    return measure


def _score(sample: Sample, model: str) -> float | None:
    return sample.orm if model == "orm" else sample.prm


def _rank(sample: Sample, model: str) -> Rank | None:
    if model == "orm" or sample.prm is None or sample.prm_last is None:
        return _score(sample, model)
    return sample.prm, sample.prm_last


def _point(way: _Way, n: int, problems: Sequence[Samples], seed: int) -> Point:
    values = [way.measure(one.known, n, Random(f"{seed} {one.problem_id} {n}")) for one in problems]
    return Point(
        method=way.name,
        n=n,
        accuracy=statistics.fmean(values) if values else None,
        interval=bootstrap(mean_of(values), [one.problem_id for one in problems], seed),
        num_problems=len(values),
    )
