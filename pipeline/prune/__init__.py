"""Pruning keeps the trajectories worth training on; every decision has its reason.

Rules run in a fixed order, that of `Stage`, each on what the ones before it left over. They see the
trajectories that an outcome reward model has scored first, the best ones foremost, then the others in
the tree's order: of two that are alike the better one stays. Each trajectory gets one decision: that of
the rule that dropped it, or that it was kept. The same tree and rules give the same decisions.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from pydantic import BaseModel, ConfigDict, Field

from pipeline.prune import rules
from pipeline.prune.diversity import beyond_max
from pipeline.prune.near_duplicates import drop_near_duplicates
from pipeline.prune.rules import Rule
from pipeline.records import Decision, Trajectory
from pipeline.soundness import Soundness
from pipeline.tree import Tree


class PruneConfig(BaseModel):
    """What is kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep_majority: bool = False
    """Keep responses that only a majority vote passed, where a problem has no gold answer."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Drop responses with more sampled tokens than this."""
    drop_duplicates: bool = True
    """Drop a response whose text, white space aside, an earlier one has; false keeps near-duplicates
    too."""
    near_duplicates: float | None = Field(default=0.8, gt=0, le=1)
    """Drop a response at least this similar to an earlier one, 1 being the same in other marks and
    fillers (`near_duplicates.py`); null keeps them."""
    max_per_problem: int | None = Field(default=None, ge=1)
    """Keep at most this many responses to a problem: those that an outcome reward model scores best;
    of equal or no scores the most diverse (`diversity.py`)."""
    min_score: float | None = Field(default=None, ge=0, le=1)
    """Drop responses that an outcome reward model scores under this; what is unscored stays."""
    min_p_prefix: float | None = Field(default=0.7, gt=0, le=1)
    """Drop branches from a prefix that is right with less than this probability (`soundness.py`); null
    keeps them. Whole rollouts, and what nothing is known of, stay."""
    min_p_correct: float | None = Field(default=None, gt=0, le=1)
    """Drop responses all of whose steps are right with less than this probability; what nothing is
    known of stays."""


class Pruner:
    """Applies the rules of one config."""

    def __init__(self, config: PruneConfig) -> None:
        self.config = config

    def prune(self, trajectories: Sequence[Trajectory], tree: Tree) -> tuple[Decision, ...]:
        """One decision for each of the tree's trajectories, in the same order."""
        left = sorted(trajectories, key=lambda t: (t.score is None, -(t.score or 0.0)))
        decisions: dict[int, Decision] = {}
        soundness = Soundness(tree)
        for rule in self._rules(tree, soundness):
            decisions |= {dropped.leaf: dropped for dropped in rule(left)}
            left = [trajectory for trajectory in left if trajectory.leaf not in decisions]
        for trajectory in left:
            decisions[trajectory.leaf] = Decision(
                leaf=trajectory.leaf,
                stage=None,
                reason="passed every rule",
                p_correct=soundness.of_response(trajectory.leaf),
            )
        return tuple(decisions[trajectory.leaf] for trajectory in trajectories)

    def _rules(self, tree: Tree, soundness: Soundness) -> Iterator[Rule]:
        """The rules for one problem, in order."""
        config = self.config
        yield partial(rules.not_verified, keep_majority=config.keep_majority)
        if config.max_tokens is not None:
            yield partial(rules.longer_than, max_tokens=config.max_tokens)
        if config.min_score is not None:
            yield partial(rules.scored_under, least=config.min_score)
        if (prefix := config.min_p_prefix) is not None:
            yield partial(rules.grown_from_doubt, least=prefix, soundness=soundness)
        if (least := config.min_p_correct) is not None:
            yield partial(rules.doubtful, least=least, soundness=soundness)
        if config.drop_duplicates:
            yield rules.duplicates
            if config.near_duplicates is not None:
                yield partial(drop_near_duplicates, least=config.near_duplicates)
        if config.max_per_problem is not None:
            yield partial(beyond_max, number=config.max_per_problem, tree=tree)
