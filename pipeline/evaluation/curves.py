"""Accuracy against N, by the method that chooses an answer from N samples.

Beside pass@k stands the same figure over judged samples alone: it shows how much of what is missing
are responses that a verifier could not judge, and not wrong ones.
"""

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from pipeline.evaluation.samples import Samples
from reward_models.evaluation.choosing import Sample, best_of_n, pass_at_k, vote

METHODS = ("pass@k", "majority", "orm", "prm", "oracle")
"""What `--with` can name; a reward model's scores both choose the best and weigh votes."""
JUDGED_ONLY = "pass@k of judged"
"""The row beside pass@k that leaves abstentions out."""
_LEAST_SHARE = 0.9

Measure = Callable[[Sequence[Sample], int, Random], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Accuracy of one method at one N."""

    method: str
    n: int
    accuracy: float
    stderr: float | None
    """Of the mean over problems; None for one problem."""
    num_problems: int


def sizes(found: Sequence[Samples]) -> list[int]:
    """1, 2, 4 and so on, up to what at least nine problems of ten have samples for."""
    numbers = sorted((len(one.known) for one in found), reverse=True)
    reached = numbers[math.ceil(_LEAST_SHARE * len(numbers)) - 1] if numbers else 0
    return [2**power for power in range(reached.bit_length())] if reached else []


def accuracy_curves(
    found: Sequence[Samples], methods: Sequence[str], ns: Sequence[int], seed: int
) -> list[Point]:
    """Points of every method at every N, on the problems that have samples for the greatest.

    A method that goes by scores leaves out problems with a complete sample that is unscored.
    """
    enough = [one for one in found if len(one.known) >= max(ns)]
    points = []
    for method, measure, scored_by in _measures(methods):
        of_method = [one for one in enough if scored_by is None or _is_scored(one, scored_by)]
        for n in ns if of_method else ():
            values = [measure(p.known, n, Random(f"{seed} {p.problem_id} {n}")) for p in of_method]
            points.append(_point(method, n, values))
        if method == "pass@k":
            points += _judged_only(enough, ns)
    return points


def _judged_only(found: Sequence[Samples], ns: Sequence[int]) -> Iterator[Point]:
    """pass@k of problems that have so many judged samples; no point where none has."""
    judged = [[sample for sample in one.known if sample.is_judged] for one in found]
    for n in ns:
        values = [
            pass_at_k(len(samples), sum(sample.right for sample in samples), n)
            for samples in judged
            if len(samples) >= n
        ]
        if values:
            yield _point(JUDGED_ONLY, n, values)


def _measures(methods: Sequence[str]) -> list[tuple[str, Measure, str | None]]:
    """Name, function, and whose scores it goes by."""
    found: list[tuple[str, Measure, str | None]] = []
    for method in METHODS:
        if method not in methods:
            continue
        if method in ("pass@k", "oracle"):
            found.append((method, _any_right, None))
        elif method == "majority":
            found.append((method, _majority, None))
        else:
            found.append((f"best by {method}", _best_by(method), method))
            found.append((f"vote by {method}", _vote_by(method), method))
    return found


def _any_right(samples: Sequence[Sample], n: int, random: Random) -> float:
    return pass_at_k(len(samples), sum(sample.right for sample in samples), n)


def _majority(samples: Sequence[Sample], n: int, random: Random) -> float:
    return vote([s.answer for s in samples], [s.right for s in samples], n, random)


def _best_by(model: str) -> Measure:
    def measure(samples: Sequence[Sample], n: int, random: Random) -> float:
        return best_of_n([_score(s, model) for s in samples], [s.right for s in samples], n)

    return measure


def _vote_by(model: str) -> Measure:
    def measure(samples: Sequence[Sample], n: int, random: Random) -> float:
        weights = [_score(sample, model) or 0.0 for sample in samples]
        return vote([s.answer for s in samples], [s.right for s in samples], n, random, weights)

    return measure


def _score(sample: Sample, model: str) -> float | None:
    return sample.orm if model == "orm" else sample.prm


def _is_scored(one: Samples, model: str) -> bool:
    return all(_score(s, model) is not None for s in one.known if s.is_complete)


def _point(method: str, n: int, values: Sequence[float]) -> Point:
    stderr = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
    return Point(
        method=method,
        n=n,
        accuracy=statistics.fmean(values),
        stderr=stderr,
        num_problems=len(values),
    )
