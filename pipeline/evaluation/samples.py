"""Collects a problem's samples and step scores from its tree.

`design.py` selects the samples, `pipeline/labels/outcomes.py` gives their outcomes; samples of unknown
outcome are excluded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from pipeline.dispatch.scoring import ModelScorer, steps_of
from pipeline.labels.outcomes import sample_outcome
from pipeline.labels.step_labels import LabelConfig, label_tree
from pipeline.records import Trace
from pipeline.tree import Tree
from reward_models import Steps
from reward_models.aggregate import Aggregate, aggregate
from reward_models.evaluation.choosing import Sample
from reward_models.evaluation.first_errors import Marked
from verifiers.catalog import VERIFIER
from verifiers.isolation.target_kinds import target_kinds
from verifiers.math.consensus import Consensus


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Samples of one problem."""

    problem_id: str
    known: tuple[Sample, ...]
    num_unknown: int
    can_vote: bool = True
    """Whether answers can be compared for equality."""


Against = Literal["p_correct", "soft", "hard"]
"""Labels to compare a PRM's step scores with, from `label_tree`: the probability that all is right so
far, the fraction of rollouts from there that pass, or whether any passes."""


@dataclass(slots=True)
class StepScores:
    """A process reward model's step scores with their labels."""

    against: Against
    scores: list[float] = field(default_factory=list)
    targets: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Three lists of equal length, with an entry for every scored step of known target."""
    responses: list[Marked] = field(default_factory=list)
    num_unknown: int = 0
    """Scored responses whose first wrong step, if any, is unknown. A pass does not prove that all
    steps are right."""

    def add(self, problem_id: str, tree: Tree, labels: LabelConfig) -> None:
        """Adds every scored step of the tree once, and every response."""
        seen = set[int]()
        for labelled in label_tree(tree, labels):
            path = tree.path(labelled.leaf)[1:]
            scores = [tree.scores.get(node.id) for node in path]
            for node, score, label in zip(path, scores, labelled.steps, strict=True):
                target = getattr(label, self.against)
                if score is not None and target is not None and node.id not in seen:
                    self.scores.append(score)
                    self.targets.append(float(target))
                    self.problems.append(problem_id)
                seen.add(node.id)
            known = [score for score in scores if score is not None]
            if not known or len(known) < len(scores):
                continue
            all_right = labelled.steps[-1].p_correct
            if labelled.first_error is None and (all_right is None or all_right < labels.confidence):
                self.num_unknown += 1
                continue
            self.responses.append(
                Marked(scores=known, first_error=labelled.first_error, problem=problem_id)
            )


async def score_tree(trace: Trace, prm: ModelScorer | None, orm: ModelScorer | None) -> tuple[str, ...]:
    """Replaces the tree's scores with the models'; returns warnings about missing scores."""
    tree, warnings = trace.tree, list[str]()
    if prm is not None:
        leaves = tree.leaves()
        scored = await prm.score([_steps(trace, leaf) for leaf in leaves])
        warnings += scored.warnings
        tree.scores = {
            node.id: value
            for leaf, values in zip(leaves, scored.values, strict=True)
            for node, value in zip(tree.path(leaf)[1:], values, strict=True)
            if value is not None
        }
    if orm is not None:
        leaves = tree.complete_leaves()
        scored = await orm.score([_steps(trace, leaf) for leaf in leaves])
        warnings += scored.warnings
        tree.outcome_scores = {
            leaf: values[-1]
            for leaf, values in zip(leaves, scored.values, strict=True)
            if values[-1] is not None
        }
    return tuple(warnings)


async def take_samples(
    trace: Trace, leaves: Sequence[int], consensus: Consensus, how: Aggregate
) -> Samples:
    """The samples among these leaves with a known outcome; equal answers are grouped."""
    tree = trace.tree
    outcomes = {leaf: sample_outcome(tree, leaf) for leaf in leaves}
    known = {leaf: right for leaf, right in outcomes.items() if right is not None}
    complete = [leaf for leaf in known if tree.is_complete(leaf)]
    can_vote = trace.problem.target.kind not in _without_equal_answers()
    texts = [tree.response(leaf) for leaf in complete]
    classes = await consensus.classes(trace.problem.prompt, texts) if can_vote else ()
    answers = {complete[index]: number for number, members in enumerate(classes) for index in members}
    return Samples(
        problem_id=trace.problem.id,
        known=tuple(
            _sample(tree, leaf, right, answers.get(leaf), how) for leaf, right in known.items()
        ),
        num_unknown=len(leaves) - len(known),
        can_vote=can_vote,
    )


@cache
def _without_equal_answers() -> frozenset[str]:
    """Kinds of targets whose answers are programs or proofs, which cannot be compared for equality."""
    kinds = (target_kinds(VERIFIER.find(name)) for name in ("code", "formal"))
    return frozenset(kind for of_verifier in kinds for kind in of_verifier or ())


def _sample(tree: Tree, leaf: int, right: bool, answer: int | None, how: Aggregate) -> Sample:
    is_complete = tree.is_complete(leaf)
    scores = [tree.scores.get(node.id) for node in tree.path(leaf)[1:]] if is_complete else []
    return Sample(
        right=right,
        answer=answer,
        is_complete=is_complete,
        orm=tree.outcome_scores.get(leaf),
        prm=aggregate(how, scores),
        prm_last=aggregate("last", scores),
    )


def _steps(trace: Trace, leaf: int) -> Steps:
    return steps_of(trace.problem.prompt, trace.tree, trace.tree.path(leaf)[1:])
