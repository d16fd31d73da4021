"""Labels steps from the outcomes of rollouts.

Every step of every trajectory gets a hard label (whether any rollout started at its end passed) and a
soft label (the fraction that passed), as in Math-Shepherd (Wang et al., 2023, arXiv:2312.08935), a
credible interval of the pass rate, and the probability that the step and all earlier ones are right.

Rollouts that merely pass through a step are a biased sample, because a search starts more of them at
deeper steps that it doubts or prefers. So they are counted (`trials`, `passes`) but decide no label. No
rollout can start at the end of a response: its own outcome is the only trial of its last step.

ERROR and ABSTAIN verdicts are not trials, and neither are truncated rollouts without
`truncated_fails`. With `consensus`, a reward model's scores can remove a label but never create one
(Zhang et al., 2025, arXiv:2501.07301). Unknown values are None: a step without trials of its own has
neither label nor interval, and without any trial in its tree no probability.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from pydantic import BaseModel, ConfigDict, Field

from pipeline.dispatch.scoring import as_float32
from pipeline.labels.first_error import AtPrefix, Trials, at_prefix, first_error, trials_at_root
from pipeline.labels.majority import Majority
from pipeline.tree import ROOT, Finish, Node, Stats, Tree


class LabelConfig(BaseModel):
    """How steps are labelled."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    interval: float = Field(default=0.95, gt=0, lt=1)
    """Probability mass of the credible interval of a step's pass rate."""
    confidence: float = Field(default=0.8, gt=0, lt=1)
    """Least probability at which the most likely first wrong step is reported."""
    truncated_fails: bool = False
    """Count truncated rollouts as failed trials."""
    consensus: float | None = Field(default=None, ge=0, le=1)
    """Withhold the labels of steps on which a reward model and the rollouts disagree. The model counts
    a step as right if it and all earlier steps score at least this; unscored steps are withheld too."""
    majority: Majority.Config = Majority.Config()
    """Votes on problems without a gold answer."""


DEFAULT = LabelConfig()
EVEN = 0.5
"""Least probability at which a step counts as right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A credible interval of a pass rate."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLabel:
    """Label of one step."""

    trials: int
    """Rollouts through the step that passed or failed; with `truncated_fails` also truncated ones."""
    passes: int
    truncated: int
    """Truncated rollouts through the step."""
    started_trials: int
    """The `trials` that started at the step's end; for the last step, the response's own outcome."""
    started_passes: int
    interval: Interval | None
    """Interval of the pass rate of rollouts from the step's end; None without `started_trials`."""
    p_correct: float | None
    """Probability that the step and all earlier ones are right; None if nothing in the tree was
    judged. It uses only judged rollouts, regardless of `truncated_fails`."""
    withheld: bool = False
    """Whether a reward model disagrees with the rollouts started here or has no score; the step then
    has neither a hard nor a soft label."""

    @property
    def hard(self) -> bool | None:
        """Whether any rollout started here passed; None without such rollouts."""
        return self.started_passes > 0 if self.has_label else None

    @property
    def soft(self) -> float | None:
        """Fraction of the rollouts started here that passed; None without such rollouts."""
        return self.started_passes / self.started_trials if self.has_label else None

    @property
    def has_label(self) -> bool:
        """Whether the step has a hard and a soft label."""
        return self.started_trials > 0 and not self.withheld


@dataclass(frozen=True, slots=True, kw_only=True)
class TrajectoryLabels:
    """The labels of one trajectory."""

    leaf: int
    steps: tuple[StepLabel, ...]
    """Labels of all steps, starting at the response's first."""
    first_error: int | None
    """Index of the first wrong step; None if there is none or it is unknown."""


def label_tree(tree: Tree, config: LabelConfig) -> Iterator[TrajectoryLabels]:
    """The labels of every trajectory of a finished tree, in order of leaves."""
    at_root, cache = trials_at_root(tree), dict[int, AtPrefix]()
    for leaf in tree.leaves():
        yield _label_trajectory(tree, leaf, at_root, cache, config)


def _label_trajectory(
    tree: Tree, leaf: int, at_root: Trials, cache: dict[int, AtPrefix], config: LabelConfig
) -> TrajectoryLabels:
    path = tree.path(leaf)
    right, first_error = _find_error(tree, path, at_root, cache, config.confidence)
    steps = tuple(
        _label_step(
            tree.stats[node.id], _started(tree, node.id, leaf, cache, config), probability, config
        )
        for node, probability in zip(path[1:], right, strict=True)
    )
    labels = TrajectoryLabels(leaf=leaf, steps=steps, first_error=first_error)
    if config.consensus is None:
        return labels
    scores = [tree.scores.get(node.id) for node in path[1:]]
    return _agreed(labels, list(_opinions(scores, config.consensus)))


def _opinions(scores: Sequence[float | None], least: float) -> Iterator[bool | None]:
    """For each step, whether a reward model accepts it and all earlier steps; None if some of these
    are unscored and none is rejected."""
    bound, opinion = as_float32(least), True
    is_known = True
    for score in scores:
        if score is None:
            is_known = False
        elif score < bound:
            opinion = False
        yield opinion if is_known or not opinion else None


def _agreed(labels: TrajectoryLabels, opinions: Sequence[bool | None]) -> TrajectoryLabels:
    """The labels, with those withheld that the opinions contradict."""
    steps = tuple(
        replace(
            step,
            p_correct=None
            if step.p_correct is None or (step.p_correct >= EVEN) is not opinion
            else step.p_correct,
            withheld=(step.started_passes > 0) is not opinion,
        )
        for step, opinion in zip(labels.steps, opinions, strict=True)
    )
    first = labels.first_error
    agrees = first is not None and opinions[first] is False and (first == 0 or opinions[first - 1])
    return TrajectoryLabels(leaf=labels.leaf, steps=steps, first_error=first if agrees else None)


def _started(
    tree: Tree, node_id: int, leaf: int, cache: dict[int, AtPrefix], config: LabelConfig
) -> Trials:
    """Trials that start at the step's end; none if a reward model influenced their outcomes."""
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
    """For each step, the probability that all is right up to its end; and the first wrong step."""
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
        p_correct=right,
    )


@lru_cache(maxsize=65536)
def credible_interval(passes: int, trials: int, mass: float) -> Interval:
    """Equal-tailed credible interval of a pass rate, from the Jeffreys prior Beta(1/2, 1/2).

    Brown, Cai and DasGupta, "Interval Estimation for a Binomial Proportion" (2001), with their
    modification at the ends: without a pass `low` is 0, without a fail `high` is 1, because a step that
    decides the outcome has exactly this pass rate.
    """
    # Imported here: it takes 0.2 seconds, which other commands should not spend.
    from scipy.special import betaincinv

    a, b = passes + 0.5, trials - passes + 0.5
    tail = (1 - mass) / 2
    low, high = betaincinv(a, b, [tail, 1 - tail])
    return Interval(low=float(low) if passes else 0.0, high=float(high) if passes < trials else 1.0)
