"""Pruning keeps the trajectories worth training on, and gives a reason for every decision.

Rules run in the order of `Stage`, each on the trajectories that earlier rules left. They see
trajectories scored by an outcome reward model first, best score first, then the others in the tree's
order, so the better of two similar ones stays. Each trajectory gets one decision: the rule that dropped
it, or that it was kept. The same tree and rules give the same decisions.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from pydantic import BaseModel, ConfigDict, Field

from pipeline.labels.soundness import Soundness
from pipeline.prune import quality, rules
from pipeline.prune.diversity import beyond_max
from pipeline.prune.near_duplicates import drop_near_duplicates
from pipeline.prune.quality import QualityConfig
from pipeline.prune.rules import Rule
from pipeline.records import Decision, Trajectory
from pipeline.tree import ROOT, Tree


class PruneConfig(BaseModel):
    """Rules that select the survivors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep_majority: bool = False
    """Keep responses that only a majority vote accepted, if the problem has no gold answer."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Drop responses with more sampled tokens than this."""
    drop_duplicates: bool = True
    """Drop a response with the same text as an earlier one, except for white space; false also keeps
    near-duplicates."""
    max_similarity: float | None = Field(default=0.8, gt=0, le=1)
    """Drop a response at least this similar to an earlier one; 1 means the same text apart from marks
    and filler words; null keeps near-duplicates."""
    max_per_problem: int | None = Field(default=None, ge=1)
    """Maximum number of responses to keep for a problem: those with the best outcome reward scores, or
    with equal or no scores, the most diverse."""
    quality: QualityConfig = QualityConfig()
    """Rules about a response's text; all are off by default."""
    min_score: float | None = Field(default=None, ge=0, le=1)
    """Drop responses with a lower outcome reward score; unscored ones stay."""
    min_p_prefix: float | None = Field(default=0.7, gt=0, le=1)
    """Drop branches from a prefix whose probability of being right is lower; null keeps them. Whole
    rollouts and prefixes of unknown probability stay."""
    min_p_correct: float | None = Field(default=None, gt=0, le=1)
    """Drop responses whose probability of being right at every step is lower; those of unknown
    probability stay."""


class Pruner:
    """Applies the rules of one config."""

    def __init__(self, config: PruneConfig) -> None:
        self.config = config

    def prune(self, trajectories: Sequence[Trajectory], tree: Tree) -> tuple[Decision, ...]:
        """Returns one decision for each trajectory, in the same order."""
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
        yield from _quality_rules(config.quality, tree)
        if config.min_score is not None:
            yield partial(rules.scored_under, least=config.min_score)
        if (prefix := config.min_p_prefix) is not None:
            yield partial(rules.grown_from_doubt, least=prefix, soundness=soundness)
        if (least := config.min_p_correct) is not None:
            yield partial(rules.doubtful, least=least, soundness=soundness)
        if config.drop_duplicates:
            yield rules.duplicates
            if config.max_similarity is not None:
                yield partial(drop_near_duplicates, least=config.max_similarity)
        if config.max_per_problem is not None:
            yield partial(beyond_max, number=config.max_per_problem, tree=tree)


def _quality_rules(config: QualityConfig, tree: Tree) -> Iterator[Rule]:
    if config.min_words is not None:
        yield partial(quality.too_short, least=config.min_words)
    if config.max_looped is not None:
        yield partial(quality.loops, most=config.max_looped)
    if config.max_foreign is not None:
        yield partial(quality.foreign, most=config.max_foreign, prompt=tree.nodes[ROOT].text)
    if config.finished:
        yield quality.unended
