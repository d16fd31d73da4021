"""Step labels: what the rollouts below a prefix say of the step that ends there.

Of every step of every trajectory: how often a rollout through it passed, from that a hard label (any
pass) and a soft one (the share), as in Math-Shepherd (Wang et al., 2023, arXiv:2312.08935), a credible
interval of the pass rate, and the probability that the step and all before it are right.

A rollout counts once for each prefix it goes through. ERROR and ABSTAIN verdicts are no trials, nor are
rollouts that were cut off unless `truncated_fails` says so. What is unknown is None: a step without
trials has neither label nor interval, and without any trial in its tree no probability either.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from pydantic import BaseModel, ConfigDict, Field

from pipeline.first_error import AtPrefix, Trials, first_error, trials_at_root
from pipeline.majority import Majority
from pipeline.tree import ROOT, Node, Stats, Tree


class LabelConfig(BaseModel):
    """How steps are labelled."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    interval: float = Field(default=0.95, gt=0, lt=1)
    """Mass of the credible interval of a step's pass rate."""
    confidence: float = Field(default=0.8, gt=0, lt=1)
    """Probability from which on the most likely first wrong step is told."""
    truncated_fails: bool = False
    """Count rollouts that were cut off as failed trials."""
    majority: Majority.Config = Majority.Config()
    """Votes on problems without a gold answer."""


DEFAULT = LabelConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A credible interval of a pass rate."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLabel:
    """What is known of one step, by the rollouts through it."""

    trials: int
    """Rollouts that passed or failed; with `truncated_fails` also those that were cut off."""
    passes: int
    truncated: int
    """Rollouts that were cut off."""
    interval: Interval | None
    """Of the pass rate; None without trials."""
    right: float | None
    """Probability that the step and all before it are right; None if nothing in the tree was judged.
    It rests on judged rollouts alone, whatever `truncated_fails` says."""

    @property
    def hard(self) -> bool | None:
        """Whether any rollout passed; None without trials."""
        return self.passes > 0 if self.trials else None

    @property
    def soft(self) -> float | None:
        """Share of trials that passed; None without trials."""
        return self.passes / self.trials if self.trials else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrajectoryLabels:
    """The labels of one trajectory."""

    leaf: int
    steps: tuple[StepLabel, ...]
    """From the response's first step on."""
    first_wrong: int | None
    """Index of the first wrong step; None if there is none, or it cannot be told."""


def label_tree(tree: Tree, config: LabelConfig) -> Iterator[TrajectoryLabels]:
    """The labels of every trajectory of a finished tree, in order of leaves."""
    at_root, cache = trials_at_root(tree), dict[int, AtPrefix]()
    for leaf in tree.leaves():
        yield _label_trajectory(tree, leaf, at_root, cache, config)


def _label_trajectory(
    tree: Tree, leaf: int, at_root: Trials, cache: dict[int, AtPrefix], config: LabelConfig
) -> TrajectoryLabels:
    path = tree.path(leaf)
    right, first_wrong = _find_error(tree, path, at_root, cache, config.confidence)
    steps = (
        _label_step(tree.stats[node.id], chance, config)
        for node, chance in zip(path[1:], right, strict=True)
    )
    return TrajectoryLabels(leaf=leaf, steps=tuple(steps), first_wrong=first_wrong)


def _find_error(
    tree: Tree, path: list[Node], at_root: Trials, cache: dict[int, AtPrefix], confidence: float
) -> tuple[list[float | None], int | None]:
    """For each step the probability that all is right up to its end, and the first wrong one."""
    if not tree.stats[ROOT].trials:
        return [None] * (len(path) - 1), None
    posterior = first_error(tree, path, at_root, cache)
    step, probability = posterior.most_likely()
    return list(posterior.right), step if probability >= confidence else None


def _label_step(stats: Stats, right: float | None, config: LabelConfig) -> StepLabel:
    trials = stats.trials + (stats.truncated if config.truncated_fails else 0)
    return StepLabel(
        trials=trials,
        passes=stats.passes,
        truncated=stats.truncated,
        interval=credible_interval(stats.passes, trials, config.interval) if trials else None,
        right=right,
    )


@lru_cache(maxsize=65536)
def credible_interval(passes: int, trials: int, mass: float) -> Interval:
    """Equal-tailed, of a pass rate after so many trials, from the Jeffreys prior Beta(1/2, 1/2).

    Brown, Cai and DasGupta, "Interval Estimation for a Binomial Proportion" (2001), with their change
    at the ends: without a pass `low` is 0, without a fail `high` is 1, since a step after which all is
    decided has just such a rate.
    """
    # Two tenths of a second, which commands that label nothing need not wait for.
    from scipy.special import betaincinv

    a, b = passes + 0.5, trials - passes + 0.5
    tail = (1 - mass) / 2
    low, high = betaincinv(a, b, [tail, 1 - tail])
    return Interval(low=float(low) if passes else 0.0, high=float(high) if passes < trials else 1.0)
