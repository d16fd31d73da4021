"""Step labels: what rollouts say of a step.

Of every step of every trajectory: a hard label (any rollout started at its end passed) and a soft one
(the share that did), as in Math-Shepherd (Wang et al., 2023, arXiv:2312.08935), a credible interval of
the pass rate, and the probability that the step and all before it are right.

Rollouts that only came through a step say nothing unbiased of it: a search starts more of them at
the deeper steps that it doubts, or prefers. So they are counted (`trials`, `passes`) and decide no
label. At the end of a response nothing can start: its own outcome is its last step's one trial.

ERROR and ABSTAIN verdicts are no trials, nor are rollouts that were cut off unless `truncated_fails`
says so. With `consensus` a reward model's scores can take a label away, never make one (Zhang et al.,
2025, arXiv:2501.07301). What is unknown is None: a step without trials of its own has neither label nor
interval, and without any trial in its tree no probability either.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from pydantic import BaseModel, ConfigDict, Field

from pipeline.first_error import AtPrefix, Trials, at_prefix, first_error, trials_at_root
from pipeline.majority import Majority
from pipeline.scoring import as_float32
from pipeline.tree import ROOT, Finish, Node, Stats, Tree


class LabelConfig(BaseModel):
    """How steps are labelled."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    interval: float = Field(default=0.95, gt=0, lt=1)
    """Mass of the credible interval of a step's pass rate."""
    confidence: float = Field(default=0.8, gt=0, lt=1)
    """Probability from which on the most likely first wrong step is told."""
    truncated_fails: bool = False
    """Count rollouts that were cut off as failed trials."""
    consensus: float | None = Field(default=None, ge=0, le=1)
    """Withhold the labels of steps about which a reward model and the rollouts disagree. In the model's
    view a step is right if it and all before it score this; unscored steps are withheld too."""
    majority: Majority.Config = Majority.Config()
    """Votes on problems without a gold answer."""


DEFAULT = LabelConfig()
_EVEN = 0.5
"""Probability from which on a step counts as right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A credible interval of a pass rate."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLabel:
    """What is known of one step."""

    trials: int
    """Rollouts through it that passed or failed; with `truncated_fails` those that were cut off too."""
    passes: int
    truncated: int
    """Rollouts through it that were cut off."""
    started_trials: int
    """Those of `trials` that started at the step's end; of a response's last step its own outcome."""
    started_passes: int
    interval: Interval | None
    """Of the pass rate of rollouts that start at the step's end; None without `started_trials`."""
    right: float | None
    """Probability that the step and all before it are right; None if nothing in the tree was judged.
    It rests on judged rollouts alone, whatever `truncated_fails` says."""
    withheld: bool = False
    """Whether a reward model does not say the same as the rollouts started here, or nothing: there is
    neither hard nor soft label then."""

    @property
    def hard(self) -> bool | None:
        """Whether any rollout started here passed; None without one."""
        return self.started_passes > 0 if self.has_label else None

    @property
    def soft(self) -> float | None:
        """Share of the rollouts started here that passed; None without one."""
        return self.started_passes / self.started_trials if self.has_label else None

    @property
    def has_label(self) -> bool:
        """Whether there is a hard and a soft one."""
        return self.started_trials > 0 and not self.withheld


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
    steps = tuple(
        _label_step(tree.stats[node.id], _started(tree, node.id, leaf, cache, config), chance, config)
        for node, chance in zip(path[1:], right, strict=True)
    )
    labels = TrajectoryLabels(leaf=leaf, steps=steps, first_wrong=first_wrong)
    if config.consensus is None:
        return labels
    scores = [tree.scores.get(node.id) for node in path[1:]]
    return _agreed(labels, list(_opinions(scores, config.consensus)))


def _opinions(scores: Sequence[float | None], least: float) -> Iterator[bool | None]:
    """For each step whether a reward model holds it and all before it to be right; None if it says
    nothing of one of them, and of none that it is wrong."""
    bound, opinion = as_float32(least), True
    is_known = True
    for score in scores:
        if score is None:
            is_known = False
        elif score < bound:
            opinion = False
        yield opinion if is_known or not opinion else None


def _agreed(labels: TrajectoryLabels, opinions: Sequence[bool | None]) -> TrajectoryLabels:
    """The labels without those to which the opinions do not agree."""
    steps = tuple(
        replace(
            step,
            right=None if step.right is None or (step.right >= _EVEN) is not opinion else step.right,
            withheld=(step.started_passes > 0) is not opinion,
        )
        for step, opinion in zip(labels.steps, opinions, strict=True)
    )
    first = labels.first_wrong
    agrees = first is not None and opinions[first] is False and (first == 0 or opinions[first - 1])
    return TrajectoryLabels(leaf=labels.leaf, steps=steps, first_wrong=first if agrees else None)


def _started(
    tree: Tree, node_id: int, leaf: int, cache: dict[int, AtPrefix], config: LabelConfig
) -> Trials:
    """The trials of a step's own; none where a reward model had a hand in how they ended."""
    if node_id == leaf:
        trials = Trials().and_one(tree.passed(leaf))
        num_truncated = int(tree.nodes[leaf].finish is Finish.LENGTH)
    else:
        at_step = at_prefix(tree, node_id, cache)
        if at_step.num_stopped:
            return Trials()
        trials, num_truncated = at_step.started, at_step.num_truncated
    return replace(trials, fails=trials.fails + config.truncated_fails * num_truncated)


def _find_error(
    tree: Tree, path: list[Node], at_root: Trials, cache: dict[int, AtPrefix], confidence: float
) -> tuple[list[float | None], int | None]:
    """For each step the probability that all is right up to its end, and the first wrong one."""
    if not tree.stats[ROOT].trials:
        return [None] * (len(path) - 1), None
    posterior = first_error(tree, path, at_root, cache)
    step, probability = posterior.most_likely()
    return list(posterior.right), step if probability >= confidence else None


def _label_step(stats: Stats, started: Trials, right: float | None, config: LabelConfig) -> StepLabel:
    num_started = started.passes + started.fails
    return StepLabel(
        trials=stats.trials + (stats.truncated if config.truncated_fails else 0),
        passes=stats.passes,
        truncated=stats.truncated,
        started_trials=num_started,
        started_passes=started.passes,
        interval=(
            credible_interval(started.passes, num_started, config.interval) if num_started else None
        ),
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
