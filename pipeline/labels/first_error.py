"""Infers the first wrong step of a trajectory from the outcomes of rollouts from its prefixes.

A trajectory of T steps is right up to its first wrong step e, one of 1..T, or right to its end.
Rollouts that start at the end of step j show on which side of e it is: from a right prefix they pass
at about the rate p(j), from a wrong one they rarely pass. The posterior over e combines all of them, so
rollouts anywhere on the trajectory are evidence about every step, and a lucky pass from a wrong prefix
is outweighed.

The model: let v(j) be the pass rate of rollouts from the right prefix of j steps, and v(0) that of the
whole problem. Pass rates are a martingale: if step j + 1 goes wrong with probability h, and wrong
prefixes rarely pass, v(j) = (1 - h) v(j + 1). So v only rises along right steps, h = 1 - v(j) / v(j +
1), and a right prefix before a hard step rarely passes. v is a Markov chain of levels, which mostly
rise slightly; rollouts from a wrong prefix pass at one low rate for each trajectory. The
forward-backward algorithm along the steps marginalises the unknown v and this rate.

This is binary search with noisy answers (Burnashev and Zigangirov, 1974) instead of OmegaPRM's exact
binary search (Luo et al., 2024, arXiv:2406.06592).
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.tree import ROOT, Finish, Node, Tree

Array = NDArray[np.float64]

_LEVELS = np.exp(-0.2 * np.arange(24.0)[::-1])
"""Possible pass rates of right prefixes, from 0.01 to 1, with a constant ratio between neighbours."""
_RISE = 0.5
"""Probability of a rise by k + 1 levels divided by that of k levels, after an ordinary step."""
_LEAP = 0.1
"""Probability of a hard step, after which all higher levels are equally likely."""
_WRONG_LEVELS = np.array([0.003, 0.02, 0.05, 0.1, 0.2, 0.4])
"""Possible pass rates of wrong prefixes, due to mistakes that cancel out or are corrected."""
_WRONG_CHANCES = np.array([0.4, 0.2, 0.15, 0.12, 0.08, 0.05])


def _rises() -> Array:
    """Weight of each next level after each level. It depends only on the rise: all steps are alike."""
    size = len(_LEVELS)
    rise = np.arange(size)[None, :] - np.arange(size)[:, None]
    ordinary = (1 - _RISE) * _RISE ** np.maximum(rise, 0.0)
    weights: Array = np.where(rise >= 0, (1 - _LEAP) * ordinary + _LEAP / size, 0.0)
    return weights


_RISES = _rises()
# A rollout from a right prefix at the highest level can still fail, for example by a slip in its form.
_LOG_LEVELS = np.log([_LEVELS, np.maximum(1 - _LEVELS, 0.005)])
_LOG_WRONG_LEVELS = np.log([_WRONG_LEVELS, 1 - _WRONG_LEVELS])

_NUMBERS = np.array([1, 2, 4, 8])
"""Numbers of rollouts from one step whose expected gain is computed."""
_FAILS = np.concatenate([np.arange(number, -1.0, -1) for number in _NUMBERS])
"""Possible outcomes of these rollouts: all outcomes for the first number, then for the next."""
_PASSES = np.repeat(_NUMBERS, _NUMBERS + 1) - _FAILS
_WAYS = np.array([math.comb(int(p + f), int(p)) for p, f in zip(_PASSES, _FAILS, strict=True)])
_STARTS = np.concatenate([[0], np.cumsum(_NUMBERS + 1)[:-1]])


@dataclass(frozen=True, slots=True)
class Trials:
    """Counts of rollouts from one prefix that passed or failed."""

    passes: int = 0
    fails: int = 0

    def and_one(self, passed: bool | None) -> "Trials":
        """The counts with one rollout more; None is not a trial."""
        if passed is None:
            return self
        return Trials(self.passes + passed, self.fails + (not passed))

    def without(self, passed: bool | None) -> "Trials":
        """The counts with one rollout less."""
        if passed is None:
            return self
        return Trials(self.passes - passed, self.fails - (not passed))


class FirstError:
    """The posterior over a trajectory's first wrong step."""

    def __init__(
        self,
        at_root: Trials,
        at_steps: Sequence[Trials],
        passed: bool | None,
        num_passed_through: Sequence[int] = (),
    ) -> None:
        """`at_root`: rollouts of the whole problem. `at_steps`: for each of the T steps, rollouts that
        start at its end. Both exclude the trajectory itself. `passed`: its own outcome.
        `num_passed_through`: for each step, the number of rollouts that took this same step midway and
        passed; all 0 by default."""
        counts = np.array([[t.passes, t.fails] for t in at_steps], dtype=np.float64)
        own = np.array([passed is True, passed is False], dtype=np.float64)
        if_right = counts @ _LOG_LEVELS
        # From each step to the end: a wrong prefix stays wrong and passes at a constant rate.
        after = counts[::-1].cumsum(axis=0)[::-1] + own
        if len(num_passed_through):
            after[:, 0] += num_passed_through
        if_wrong = after @ _LOG_WRONG_LEVELS
        if_wrong += np.log(_WRONG_CHANCES)
        steps = _transitions(len(at_steps))
        # A failed trajectory has a wrong step, at the latest its last one.
        at_end = {True: _LEVELS, False: np.zeros_like(_LEVELS), None: np.ones_like(_LEVELS)}[passed]
        if_wrong_in_all = np.logaddexp.reduce(if_wrong, axis=1)
        joint = _forward(steps, at_root, if_right)
        joint += _backward(steps, at_end, if_right, if_wrong_in_all)
        tops = joint.max(axis=1, keepdims=True)
        joint = np.exp(joint - tops)
        totals = joint.sum(axis=1)
        logs = np.log(totals) + tops[:, 0]
        right = np.minimum.accumulate(np.minimum(np.exp(logs - logs[0]), 1.0))
        if passed is False:
            right[-1] = 0.0
        self.right: list[float] = right[1:].tolist()
        """For each step, the probability that it and all earlier steps are right."""
        self.probabilities: list[float] = [*(-np.diff(right)).tolist(), self.right[-1]]
        """T + 1 probabilities: that step 1, ..., T is the first wrong one, and that none is."""
        self._if_right = (joint @ _LEVELS)[1:] / totals[1:]
        weights = np.exp(if_wrong - if_wrong.max(axis=1, keepdims=True))
        self._if_wrong = weights @ _WRONG_LEVELS / weights.sum(axis=1)

    def most_likely(self) -> tuple[int | None, float]:
        """Index of the most likely first wrong step, or None for no wrong step, and its probability."""
        best = max(range(len(self.probabilities)), key=self.probabilities.__getitem__)
        step = best if best < len(self.probabilities) - 1 else None
        return step, self.probabilities[best]

    def pass_rate(self, index: int) -> float:
        """Expected pass rate of rollouts that start at the end of step `index`."""
        right = self.right[index]
        return right * float(self._if_right[index]) + (1 - right) * float(self._if_wrong[index])

    def gain(self, index: int) -> float:
        """Expected increase in the probability of the most likely first wrong step by one more
        rollout from the end of step `index`; for several rollouts in a row, the mean per rollout.

        A single rollout often cannot change the result although two or eight can, so this is the best
        value for a few numbers of rollouts. It uses the expected pass rates after a right prefix and
        after a wrong one.
        """
        before, after = max(self.probabilities[: index + 1]), max(self.probabilities[index + 1 :])
        rates = np.array([[self._if_wrong[index]], [self._if_right[index]]])
        if_wrong, if_right = _WAYS * rates**_PASSES * (1 - rates) ** _FAILS
        best = np.maximum(before * if_wrong, after * if_right)
        each = (np.add.reduceat(best, _STARTS) - max(before, after)) / _NUMBERS
        return max(0.0, float(each.max()))


@lru_cache(maxsize=256)
def _transitions(num_steps: int) -> list[tuple[Array, Array]]:
    """For each step: P(next level, and the step is right | level), and P(the step is wrong | level).

    The chain is conditioned on reaching the highest level at the end, where no step is left.
    """
    ends_well = np.zeros_like(_LEVELS)
    ends_well[-1] = 1.0
    steps = []
    for _ in range(num_steps):
        following = _RISES * ends_well
        ends_well = following.sum(axis=1)
        following /= ends_well[:, None]
        right = following * _LEVELS[:, None] / _LEVELS[None, :]
        steps.append((right, 1 - right.sum(axis=1)))
    return steps[::-1]


def _forward(steps: Sequence[tuple[Array, Array]], at_root: Trials, if_right: Array) -> Array:
    """For the problem and each step: log P(level, data so far, all right so far)."""
    # The prior of the problem's pass rate is uniform, so a level's weight is its width.
    rows = [np.log(_LEVELS) + np.array([at_root.passes, at_root.fails]) @ _LOG_LEVELS]
    for (next_right, _), likelihoods in zip(steps, if_right, strict=True):
        top = rows[-1].max()
        rows.append(_log(np.exp(rows[-1] - top) @ next_right) + top + likelihoods)
    return np.array(rows)


def _backward(
    steps: Sequence[tuple[Array, Array]], at_end: Array, if_right: Array, if_wrong: Array
) -> Array:
    """For the problem and each step: log P(data to come | level, right so far)."""
    rows = [_log(at_end)]
    for (next_right, next_wrong), likelihoods, wrong in zip(
        reversed(steps), if_right[::-1], if_wrong[::-1], strict=True
    ):
        going_on = likelihoods + rows[-1]
        top = going_on.max()
        going_on = _log(next_right @ np.exp(going_on - top)) + top
        rows.append(np.logaddexp(going_on, _log(next_wrong) + wrong))
    return np.array(rows[::-1])


def _log(probabilities: Array) -> Array:
    """The logarithm, bounded for probabilities that underflow to 0."""
    logs: Array = np.log(np.maximum(probabilities, 1e-300))
    return logs


def first_error(
    tree: Tree, path: Sequence[Node], at_root: Trials, cache: dict[int, "AtPrefix"] | None = None
) -> FirstError:
    """The posterior for the trajectory along the path, from all rollouts of its prefixes.

    A rollout is a trial of the prefix at which it starts, no matter how it continues. Counting it at
    the point where it leaves the path would be biased: after a right prefix, rollouts that take
    another step fail more often. If a rollout passes after taking steps of the path, these steps are
    right. The time is proportional to the path's length, plus the nodes of its prefixes and their
    children that are not in `cache`. The cache is valid for trajectories of the same tree until the
    tree grows.
    """
    cache = {} if cache is None else cache
    own = tree.leaf_of(path[-1].id)
    passed = tree.passed(own)
    started, through = [], []
    for node, following in zip(path[1:], [*path[2:], None], strict=True):
        counts = at_prefix(tree, node.id, cache)
        is_own = tree.leaf_of(node.id) == own
        starts_own = not is_own and following is not None and tree.leaf_of(following.id) == own
        started.append(counts.started.without(passed) if starts_own else counts.started)
        through.append(counts.num_passed_through - (is_own and passed is True))
    if tree.leaf_of(path[1].id) == own:
        at_root = at_root.without(passed)
    return _posterior(at_root, tuple(started), passed, tuple(through))


@dataclass(frozen=True, slots=True, kw_only=True)
class AtPrefix:
    """Outcomes of the rollouts of one prefix."""

    started: Trials
    """Trials of rollouts that start from it."""
    num_truncated: int
    """Rollouts that start from it and were truncated."""
    num_stopped: int
    """Rollouts that start from it and paused or ended because of a reward model's score."""
    num_passed_through: int
    """Rollouts that took its last step midway and passed."""

    @classmethod
    def count(cls, tree: Tree, node_id: int) -> "AtPrefix":
        """Counts over all nodes of the same prefix."""
        started, num_passed, finishes = Trials(), 0, Counter[Finish | None]()
        for twin in tree.same_prefix(node_id):
            rollout = tree.leaf_of(twin)
            num_passed += tree.passed(rollout) is True
            for child in tree.children(twin):
                leaf = tree.leaf_of(child)
                if leaf != rollout:
                    started = started.and_one(tree.passed(leaf))
                    finishes[tree.nodes[leaf].finish] += 1
        return cls(
            started=started,
            num_truncated=finishes[Finish.LENGTH],
            num_stopped=finishes[Finish.STEP] + finishes[Finish.PRUNED],
            num_passed_through=num_passed,
        )


def at_prefix(tree: Tree, node_id: int, cache: dict[int, AtPrefix]) -> AtPrefix:
    """Outcomes of the rollouts of a node's prefix, from the `cache` or added to it."""
    prefix = tree.same_prefix(node_id)[0]
    if prefix not in cache:
        cache[prefix] = AtPrefix.count(tree, node_id)
    return cache[prefix]


@lru_cache(maxsize=4096)
def _posterior(
    at_root: Trials, at_steps: tuple[Trials, ...], passed: bool | None, through: tuple[int, ...]
) -> FirstError:
    """Cached, because many trajectories have the same counts, for example on an unbranched problem."""
    return FirstError(at_root, at_steps, passed, through)


def trials_at_root(tree: Tree) -> Trials:
    """Trials of rollouts of the whole problem."""
    trials = Trials()
    for child in tree.children(ROOT):
        trials = trials.and_one(tree.passed(tree.leaf_of(child)))
    return trials
