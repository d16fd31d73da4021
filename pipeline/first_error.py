"""Where a trajectory first went wrong, by what rollouts from its prefixes came to.

A trajectory of T steps is right up to its first wrong step e, one of 1..T, or right to its end.
Rollouts that start at the end of step j tell which side of e it lies on: from a right prefix they pass
at about the rate p(j), from a wrong one they hardly ever do. The posterior over e joins all of that, so
that rollouts anywhere on the trajectory say something about every step of it, and a lucky pass from a
wrong prefix is outvoted.

The model: steps go wrong independently at one rate, so that of a problem whose whole rollouts pass at
rate m, those from a right prefix of j steps pass at m^((T-j)/T) on average. Pass rates of right and of
wrong prefixes are Beta distributed around their means; trials are exchangeable, so counts are
beta-binomial. It is binary search with noisy answers (Burnashev and Zigangirov, 1974) in place of
OmegaPRM's exact one (Luo et al., 2024, arXiv:2406.06592).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from pipeline.tree import ROOT, Node, Tree

_RIGHT_STRENGTH = 4.0
"""Trials' worth of belief in a right prefix's mean pass rate."""
_WRONG_MEAN, _WRONG_STRENGTH = 0.05, 6.0
"""Of the pass rate of a wrong prefix, by later mistakes that cancel out or are noticed."""
_MISJUDGED = 0.02
"""Chance that a trajectory without a wrong step fails, by a slip in its form for example."""


@dataclass(frozen=True, slots=True)
class Trials:
    """Rollouts of one prefix that passed or failed."""

    passes: int = 0
    fails: int = 0

    def and_one(self, passed: bool | None) -> "Trials":
        """With one rollout more; None is no trial."""
        if passed is None:
            return self
        return Trials(self.passes + passed, self.fails + (not passed))


@dataclass(frozen=True, slots=True)
class _Belief:
    """About a pass rate: Beta(a, b)."""

    a: float
    b: float

    @classmethod
    def around(cls, mean: float, strength: float) -> "_Belief":
        mean = min(max(mean, 0.02), 0.98)
        return cls(mean * strength, (1 - mean) * strength)

    def mean(self, trials: Trials) -> float:
        """Of the pass rate, the trials counted in."""
        total = self.a + self.b + trials.passes + trials.fails
        return (self.a + trials.passes) / total

    def log_likelihood(self, trials: Trials) -> float:
        return _log_beta(self.a + trials.passes, self.b + trials.fails) - _log_beta(self.a, self.b)


_WRONG = _Belief.around(_WRONG_MEAN, _WRONG_STRENGTH)


class FirstError:
    """The posterior over a trajectory's first wrong step."""

    def __init__(self, at_root: Trials, at_steps: Sequence[Trials], passed: bool | None) -> None:
        """`at_root`: rollouts of the whole problem. `at_steps`: T counts, of rollouts that start at
        each step's end, the trajectory itself left out. `passed`: its own outcome."""
        self._trials = at_steps
        num_steps = len(at_steps)
        rate = (at_root.passes + 1) / (at_root.passes + at_root.fails + 2)
        self._right = [_right_belief(rate, num_steps - j, num_steps) for j in range(1, num_steps + 1)]
        self.probabilities = self._posterior(rate, passed)
        """T + 1 of them: that step 1, ..., T is the first wrong one, and that none is."""
        self.right = [max(0.0, 1 - wrong) for wrong in accumulate(self.probabilities[:-1])]
        """For each step the probability that it and all before it are right."""

    def most_likely(self) -> tuple[int | None, float]:
        """Index of the most likely first wrong step, None for none, and how likely it is."""
        best = max(range(len(self.probabilities)), key=self.probabilities.__getitem__)
        step = best if best < len(self.probabilities) - 1 else None
        return step, self.probabilities[best]

    def pass_rate(self, index: int) -> float:
        """Expected, of rollouts that start at the end of step `index`."""
        right, trials = self.right[index], self._trials[index]
        return right * self._right[index].mean(trials) + (1 - right) * _WRONG.mean(trials)

    def gain(self, index: int) -> float:
        """What one more rollout from the end of step `index` is expected to tell, in nats: the mutual
        information between its outcome and whether the prefix is right."""
        right, trials = self.right[index], self._trials[index]
        if_right, if_wrong = self._right[index].mean(trials), _WRONG.mean(trials)
        either = right * if_right + (1 - right) * if_wrong
        return _entropy(either) - right * _entropy(if_right) - (1 - right) * _entropy(if_wrong)

    def _posterior(self, rate: float, passed: bool | None) -> list[float]:
        num_steps = len(self._trials)
        slip = 1 - rate ** (1 / num_steps)
        if_right = [b.log_likelihood(t) for b, t in zip(self._right, self._trials, strict=True)]
        if_wrong = [_WRONG.log_likelihood(trials) for trials in self._trials]
        logs, before, after = [], 0.0, sum(if_wrong)
        for index in range(num_steps):
            prior = index * math.log1p(-slip) + math.log(slip)
            outcome = _outcome(passed, _WRONG_MEAN)
            logs.append(prior + outcome + before + after)
            before += if_right[index]
            after -= if_wrong[index]
        logs.append(num_steps * math.log1p(-slip) + _outcome(passed, 1 - _MISJUDGED) + before)
        top = max(logs)
        weights = [math.exp(log - top) for log in logs]
        total = sum(weights)
        return [weight / total for weight in weights]


def first_error(tree: Tree, path: Sequence[Node], at_root: Trials) -> FirstError:
    """The posterior for the trajectory that is the path, from all rollouts that leave it.

    A rollout that starts on the path, or begins with the same tokens, is one trial of the last prefix
    that it shares with the path. Rollouts that branch off from those are not: they start from prefixes
    that somebody chose. Takes time by the path's length, and by its nodes' twins and children.
    """
    at_steps = []
    for node, following in zip(path[1:], [*path[2:], None], strict=True):
        trials = Trials()
        shared = () if following is None else tree.twins(following.id)
        for twin in tree.twins(node.id):
            for child in tree.children(twin):
                if tree.twins(child) is not shared:
                    trials = trials.and_one(tree.passed(tree.leaf_of(child)))
        at_steps.append(trials)
    return FirstError(at_root, at_steps, tree.passed(path[-1].id))


def trials_at_root(tree: Tree) -> Trials:
    """Of rollouts of the whole problem."""
    trials = Trials()
    for child in tree.children(ROOT):
        trials = trials.and_one(tree.passed(tree.leaf_of(child)))
    return trials


@lru_cache(maxsize=4096)
def _right_belief(rate: float, steps_left: int, num_steps: int) -> _Belief:
    return _Belief.around(rate ** (steps_left / num_steps), _RIGHT_STRENGTH)


def _outcome(passed: bool | None, chance: float) -> float:
    """Log-likelihood of the trajectory's own outcome."""
    if passed is None:
        return 0.0
    return math.log(chance if passed else 1 - chance)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _entropy(chance: float) -> float:
    """Of a yes-or-no event, in nats."""
    if not 0 < chance < 1:
        return 0.0
    return -chance * math.log(chance) - (1 - chance) * math.log1p(-chance)
