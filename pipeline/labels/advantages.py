"""Advantages of steps, from the outcomes of rollouts at the prefixes of a tree.

The value V of a prefix is that of its outcome at the end of a response, else the mean over the rollouts
that went on from it of the values of the steps they sampled. They are independent samples of what the
model does next, wherever the search started them; a mean over the outcomes of all responses below would
prefer what the search explored.

A *point* is a prefix from which two rollouts or more went on, with known values. Between two points
nothing tells which step decided the outcome: all steps up to the next point, or to the end of the
response, share one advantage, as one action. With p the last point before a step s:

- `vineppo`: V(s) - V(p), the change of the value (VinePPO, Kazemnejad et al., 2024, arXiv:2410.01679).
  Along a response it adds up to outcome - V(problem).
- `siblings`: (V(s) - V(p)) / the standard deviation of the values of the steps sampled at p (GRPO's
  advantage in a group of responses, Shao et al., 2024, arXiv:2402.03300, at each branch of a tree). 0
  if all are equal.
- `math_shepherd`: the sum of the rewards of the next point and all later ones, where a reward is the
  value of a point or outcome (Math-Shepherd's step reward, Wang et al., 2023, arXiv:2312.08935) minus
  the mean of all in the tree, divided by their standard deviation (process supervision in GRPO,
  arXiv:2402.03300, section 4.1.3). Where the tree branches it is the expectation over what was sampled.

VinePPO takes the mean outcome of rollouts from p for V(p). Here a rollout from p that was itself
continued counts with the value of what it sampled, which has less variance. So V(p) is the mean of the
values it is compared with: with the first two, the advantages of the steps sampled at a point, each as
often as rollouts sampled it, have a mean of 0.

An advantage is None where it is unknown: nothing was judged after the step, or no point lies before it.
It is never 0 for that.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.labels.first_error import Trials

AdvantageMethod = Literal["vineppo", "siblings", "math_shepherd"]
_Weighted = list[tuple[int, float]]
"""Numbers of rollouts with their value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefix:
    """A step with all before it. Lists of them begin with the prompt, parents before children."""

    parent: int
    """Index of the prefix without the last step; -1 for the prompt."""
    ended: Trials
    """Judged responses that end here."""
    num_samples: int
    """Rollouts that sampled the last step; 0 for the prompt."""


def advantages(prefixes: Sequence[Prefix], method: AdvantageMethod) -> list[float | None]:
    """For each prefix, the advantage of its last step; None where it is unknown, as for the prompt."""
    values = _Values(prefixes)
    if method == "math_shepherd":
        return _returns(values)
    found: list[float | None] = [None]
    for index in range(1, len(prefixes)):
        point, value = values.before[index], values.of[index]
        if point is None or value is None:
            found.append(None)
            continue
        mean, deviation = _moments(values.samples[point])
        found.append(value - mean if method == "vineppo" else _scaled(value, mean, deviation))
    return found


class _Values:
    """The values of prefixes, and which of them are points."""

    def __init__(self, prefixes: Sequence[Prefix]) -> None:
        self.prefixes = prefixes
        self.of: list[float | None] = [None] * len(prefixes)
        """For each prefix, its value; None if nothing was judged below it."""
        self.samples: list[_Weighted] = [
            [(number, value) for number, value in _outcomes(one) if number] for one in prefixes
        ]
        """For each prefix, the responses that end there and the steps sampled after it."""
        for index in reversed(range(len(prefixes))):
            one, samples = prefixes[index], self.samples[index]
            if not samples:
                continue
            value = self.of[index] = _moments(samples)[0]
            if index:
                self.samples[one.parent].append((one.num_samples, value))
        self.is_point = [sum(number for number, _ in one) > 1 for one in self.samples]
        self.before: list[int | None] = []
        """For each prefix, the last point before its last step."""
        for one in prefixes:
            at_parent = one.parent >= 0 and self.is_point[one.parent]
            above = self.before[one.parent] if one.parent >= 0 else None
            self.before.append(one.parent if at_parent else above)

    def has_reward(self, index: int) -> bool:
        """Whether the value of a prefix is a reward: at points, and where responses end."""
        ended = self.prefixes[index].ended
        return self.of[index] is not None and (self.is_point[index] or ended != Trials())


def _outcomes(one: Prefix) -> _Weighted:
    return [(one.ended.passes, 1.0), (one.ended.fails, 0.0)]


def _returns(values: _Values) -> list[float | None]:
    steps = range(1, len(values.prefixes))
    rewarded: _Weighted = [
        (values.prefixes[index].num_samples, value)
        for index in steps
        if values.has_reward(index) and (value := values.of[index]) is not None
    ]
    found: list[float | None] = [None] * len(values.prefixes)
    if sum(number for number, _ in rewarded) < 2:
        return found
    mean, deviation = _moments(rewarded)
    later: list[_Weighted] = [[] for _ in values.prefixes]
    """For each prefix, the returns of the steps sampled after it."""
    for index in reversed(steps):
        value, one = values.of[index], values.prefixes[index]
        if value is None:
            continue
        reward = _scaled(value, mean, deviation) if values.has_reward(index) else 0.0
        # Responses that end here have no later reward.
        ended = one.ended.passes + one.ended.fails
        ways = later[index] + ([(ended, 0.0)] if ended else [])
        found[index] = total = reward + _moments(ways)[0]
        later[one.parent].append((one.num_samples, total))
    return found


def _moments(values: Iterable[tuple[int, float]]) -> tuple[float, float]:
    """Mean and standard deviation, each value as often as its number says."""
    values = list(values)
    total = sum(number for number, _ in values)
    mean = sum(number * value for number, value in values) / total
    variance = sum(number * (value - mean) ** 2 for number, value in values) / total
    return mean, math.sqrt(variance)


def _scaled(value: float, mean: float, deviation: float) -> float:
    # Equal values differ by less than this when their mean is rounded.
    return (value - mean) / deviation if deviation > 1e-9 else 0.0
