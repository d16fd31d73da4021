"""Pruning keeps the trajectories worth training on, and gives a reason for every decision.

Rules run in the order of `Stage`, each on the trajectories that earlier rules left. They see scored
trajectories first, best score first, then the others in the tree's order, so the better of two similar
ones stays. Each trajectory gets one decision: the rule that dropped it, or that it was kept. The same
tree and rules give the same decisions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.labels.soundness import Soundness
from pipeline.prune import quality, rules
from pipeline.prune.diversity import beyond_max
from pipeline.prune.near_duplicates import drop_near_duplicates
from pipeline.prune.quality import QualityConfig
from pipeline.prune.rules import Rule
from pipeline.records import Decision, Trajectory
from pipeline.tree import ROOT, Tree

_ADDED = ("quality", "score_by")
"""Keys that configs of earlier versions do not have."""


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
    score_by: Literal["outcome", "steps"] = "outcome"
    """What scores a response: `outcome` is the score of an outcome reward model, `steps` the lowest
    score that a process reward model, or the solver's `confidence`, gives to any of its steps."""
    max_per_problem: int | None = Field(default=None, ge=1)
    """Maximum number of responses to keep for a problem: those with the best scores, or with equal or
    no scores, the most diverse."""
    quality: QualityConfig = QualityConfig()
    """Rules about a response's text; all are off by default."""
    min_score: float | None = Field(default=None, ge=0, le=1)
    """Drop responses with a lower score; unscored ones stay."""
    min_p_prefix: float | None = Field(default=0.7, gt=0, le=1)
    """Drop branches from a prefix whose probability of being right is lower; null keeps them. Whole
    rollouts and prefixes of unknown probability stay."""
    min_p_correct: float | None = Field(default=None, gt=0, le=1)
    """Drop responses whose probability of being right at every step is lower; those of unknown
    probability stay."""

    def dump(self) -> dict[str, Any]:
        """The rules as JSON values, for hashes: without what later versions added, if it is at its
        default."""
        found, default = (one.model_dump(mode="json") for one in (self, PruneConfig()))
        added = {name for name in _ADDED if found[name] == default[name]}
        return {name: value for name, value in found.items() if name not in added}


class Pruner:
    """Applies the rules of one config."""

    def __init__(self, config: PruneConfig) -> None:
        self.config = config

    def prune(self, trajectories: Sequence[Trajectory], tree: Tree) -> tuple[Decision, ...]:
        """Returns one decision for each trajectory, in the same order."""
        scored = trajectories
        if self.config.score_by == "steps":
            scored = [replace(one, score=lowest_score(tree, one.leaf)) for one in trajectories]
        left = sorted(scored, key=lambda t: (t.score is None, -(t.score or 0.0)))
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


def lowest_score(tree: Tree, leaf: int) -> float | None:
    """The lowest score of the steps of a response; None if one of them is unscored.

    DeepConf takes the least confidence of a response likewise (Fu et al., 2025, arXiv:2508.15260).
    """
    scores = [tree.scores.get(node.id) for node in tree.path(leaf) if node.id != ROOT]
    known = [score for score in scores if score is not None]
    return min(known) if scores and len(known) == len(scores) else None


def _quality_rules(config: QualityConfig, tree: Tree) -> Iterator[Rule]:
    if config.min_words is not None:
        yield partial(quality.too_short, least=config.min_words)
    if config.max_looped is not None:
        yield partial(quality.loops, most=config.max_looped)
    if config.max_foreign is not None:
        yield partial(quality.foreign, most=config.max_foreign, prompt=tree.nodes[ROOT].text)
    if config.finished:
        yield quality.unended
