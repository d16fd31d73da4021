"""Advantages of steps, from the outcomes of rollouts at the prefixes of a tree.

A *point* is a prefix whose pass rate is known: that of `min_trials` rollouts or more, or the outcome
itself at the end of a response. Steps between two points share one advantage, as one action: where a
rollout goes on unbranched, nothing tells which of its steps decided the outcome. Points with few trials
are noisy, so a value is shrunk to that of the point above, which counts as `prior_trials` trials more:

    V(point) = (passes + prior_trials V(point above)) / (trials + prior_trials)

The problem's own value and outcomes are not shrunk. With V(s) the value of the next point after a step
s, and, if several are possible, their mean over the rollouts that sampled them:

- `vineppo`: V(s) - V(point above), the change of the pass rate (VinePPO, Kazemnejad et al., 2024,
  arXiv:2410.01679). Along a response it adds up to outcome - V(problem).
- `siblings`: (V(s) - mean) / standard deviation among the steps sampled at the point above (GRPO's
  advantage of a group of responses, Shao et al., 2024, arXiv:2402.03300, for each branch of a tree). 0
  if all are equal.
- `math_shepherd`: the sum of the rewards of this and all later points, where a reward is a point's
  value (Math-Shepherd's step reward, Wang et al., 2023, arXiv:2312.08935) minus the mean of all points
  of the problem, divided by their standard deviation (process supervision in GRPO, arXiv:2402.03300,
  section 4.1.3). Where the tree branches it is the expectation over what was sampled.

Means and deviations count a step as often as rollouts sampled it. An advantage is None where it is
unknown: nothing was judged after the step, or there is nothing to compare it with. It is never 0 for
that.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.labels.first_error import Trials

AdvantageMethod = Literal["vineppo", "siblings", "math_shepherd"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefix:
    """A step with all before it. Lists of them begin with the prompt, parents before children."""

    parent: int
    """Index of the prefix without the last step; -1 for the prompt."""
    trials: Trials
    """Judged rollouts that sampled the last step or started at its end."""
    num_samples: int
    """Rollouts that sampled the last step; 0 for the prompt."""


def advantages(
    prefixes: Sequence[Prefix],
    method: AdvantageMethod,
    *,
    min_trials: int = 2,
    prior_trials: float = 1.0,
) -> list[float | None]:
    """For each prefix, the advantage of its last step; None where it is unknown, as for the prompt."""
    values = _Values(prefixes, min_trials, prior_trials)
    if method == "vineppo":
        return _changes(values)
    if method == "siblings":
        return _among_siblings(values)
    return _returns(values)


class _Values:
    """The points among the prefixes, their values, and what follows each prefix."""

    def __init__(self, prefixes: Sequence[Prefix], min_trials: int, prior_trials: float) -> None:
        self.prefixes = prefixes
        self.children: list[list[int]] = [[] for _ in prefixes]
        for index, one in enumerate(prefixes[1:], 1):
            self.children[one.parent].append(index)
        self.at: list[float | None] = []
        """For each prefix, its value if it is a point."""
        self.above: list[int] = []
        """For each prefix, the last point before its last step; the prompt if there is none."""
        for index, one in enumerate(prefixes):
            above = 0
            if index:
                above = one.parent if self.at[one.parent] is not None else self.above[one.parent]
            self.above.append(above)
            self.at.append(self._value(index, above, min_trials, prior_trials))
        self.next = self._next()
        """For each prefix, the expected value of the next point, itself included; None if unknown."""

    def _value(self, index: int, above: int, min_trials: int, prior_trials: float) -> float | None:
        passes, fails = self.prefixes[index].trials.passes, self.prefixes[index].trials.fails
        total = passes + fails
        prior = self.at[above] if index else None
        if index and total and not self.children[index]:
            return passes / total
        if total < min_trials:
            return None
        if prior is None:
            return passes / total
        return (passes + prior_trials * prior) / (total + prior_trials)

    def _next(self) -> list[float | None]:
        found = list(self.at)
        for index in reversed(range(len(found))):
            if found[index] is not None:
                continue
            found[index] = self.expected(index, found)
            trials = self.prefixes[index].trials
            if found[index] is None and trials.passes + trials.fails:
                found[index] = trials.passes / (trials.passes + trials.fails)
        return found

    def expected(self, index: int, of: Sequence[float | None]) -> float | None:
        """Mean over the rollouts that went on from a prefix, of those known; None if none is."""
        known = [
            (self.prefixes[child].num_samples, value)
            for child in self.children[index]
            if (value := of[child]) is not None
        ]
        total = sum(number for number, _ in known)
        return sum(number * value for number, value in known) / total if total else None


def _changes(values: _Values) -> list[float | None]:
    found: list[float | None] = [None]
    for index in range(1, len(values.prefixes)):
        before, after = values.at[values.above[index]], values.next[index]
        found.append(None if before is None or after is None else after - before)
    return found


def _among_siblings(values: _Values) -> list[float | None]:
    moments = {
        point: _moments(values, values.children[point], values.next) for point in set(values.above)
    }
    return [None, *(_scaled(values.next[i], moments[values.above[i]]) for i in _steps(values))]


def _returns(values: _Values) -> list[float | None]:
    moments = _moments(values, _steps(values), values.at)
    found: list[float | None] = [None] * len(values.prefixes)
    for index in reversed(_steps(values)):
        if moments is None or values.next[index] is None:
            continue
        reward = _scaled(values.at[index], moments)
        found[index] = (reward or 0.0) + (values.expected(index, found) or 0.0)
    return found


def _steps(values: _Values) -> range:
    """Indices of all prefixes but the prompt."""
    return range(1, len(values.prefixes))


def _moments(
    values: _Values, group: Sequence[int], of: Sequence[float | None]
) -> tuple[float, float] | None:
    """Mean and standard deviation over the samples of a group; None with less than two."""
    known = [(values.prefixes[i].num_samples, value) for i in group if (value := of[i]) is not None]
    total = sum(number for number, _ in known)
    if total < 2:
        return None
    mean = sum(number * value for number, value in known) / total
    variance = sum(number * (value - mean) ** 2 for number, value in known) / total
    return mean, math.sqrt(variance)


def _scaled(value: float | None, moments: tuple[float, float] | None) -> float | None:
    if value is None or moments is None:
        return None
    mean, deviation = moments
    # Equal values differ by less than this when their mean is rounded.
    return (value - mean) / deviation if deviation > 1e-9 else 0.0
