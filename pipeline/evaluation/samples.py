"""A problem's samples, and what is known of its steps' scores, from its tree.

A sample is a whole rollout from the problem's start: those are independent of each other, whatever the
search did below them. One that was cut off gives no answer; one whose verdict is ABSTAIN or ERROR, or
that was ended mid-way, is not known, and left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.labels import LabelConfig, label_tree
from pipeline.majority import is_voted
from pipeline.records import Trace
from pipeline.scoring import ModelScorer
from pipeline.tree import ROOT, Finish, Tree
from reward_models import Steps
from reward_models.aggregate import Aggregate, aggregate
from reward_models.evaluation.choosing import Sample
from verifiers import Outcome
from verifiers.consensus import Consensus


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Of one problem."""

    problem_id: str
    known: tuple[Sample, ...]
    num_unknown: int


@dataclass(slots=True)
class StepScores:
    """A process reward model's scores up to each step, beside what rollouts through it came to; lists
    of one length."""

    scores: list[float] = field(default_factory=list)
    pass_rates: list[float] = field(default_factory=list)
    trials: list[int] = field(default_factory=list)
    responses: list[tuple[Sequence[float], int | None]] = field(default_factory=list)
    """Of responses whose first wrong step is known, or that are right: scores and that step."""

    def add(self, tree: Tree, labels: LabelConfig, how: Aggregate) -> None:
        """Every scored step of the tree, once."""
        for node in tree.scores:
            stats, score = tree.stats[node], _prefix_score(tree, node, how)
            if stats.value is not None and score is not None:
                self.scores.append(score)
                self.pass_rates.append(stats.value)
                self.trials.append(stats.trials)
        for labelled in label_tree(tree, labels):
            passed = tree.passed(labelled.leaf)
            scores = [tree.scores.get(node.id) for node in tree.path(labelled.leaf)[1:]]
            known = [score for score in scores if score is not None]
            told = labelled.first_wrong is None if passed else labelled.first_wrong is not None
            if passed is not None and told and len(known) == len(scores):
                self.responses.append((known, labelled.first_wrong))


def has_gold(trace: Trace) -> bool:
    """Whether the problem says what is right, or a verifier does; a vote does not.

    It is a matter of the problem: one whose responses all went wrong in some way counts too.
    """
    target = trace.problem.target
    known = target.value is not None or bool(target.tests)
    return not is_voted(trace.tree) and (known or bool(trace.tree.stats[ROOT].trials))


async def score_tree(trace: Trace, prm: ModelScorer | None, orm: ModelScorer | None) -> tuple[str, ...]:
    """Puts the models' scores into the tree in place of those there are; why any is missing."""
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
        leaves = [leaf for leaf in tree.leaves() if tree.nodes[leaf].finish is Finish.STOP]
        scored = await orm.score([_steps(trace, leaf) for leaf in leaves])
        warnings += scored.warnings
        tree.outcome_scores = {
            leaf: values[-1]
            for leaf, values in zip(leaves, scored.values, strict=True)
            if values[-1] is not None
        }
    return tuple(warnings)


async def take_samples(trace: Trace, consensus: Consensus, how: Aggregate) -> Samples:
    """The whole rollouts from the start, in order of their slots.

    Right is what passed. What failed, was cut off or has no verdict but an abstention is not right.
    What the verifier broke on, what was pruned mid-way and what the engine gave up is unknown.
    """
    tree = trace.tree
    starts = sorted(tree.children(ROOT), key=lambda child: tree.nodes[child].slot)
    leaves = [tree.leaf_of(start) for start in starts]
    known = [leaf for leaf in leaves if _is_known(tree, leaf)]
    complete = [leaf for leaf in known if tree.nodes[leaf].finish is Finish.STOP]
    classes = await consensus.classes(trace.problem.prompt, [tree.response(leaf) for leaf in complete])
    answers = {complete[index]: number for number, members in enumerate(classes) for index in members}
    return Samples(
        problem_id=trace.problem.id,
        known=tuple(
            Sample(
                right=tree.passed(leaf) is True,
                answer=answers.get(leaf),
                is_complete=tree.nodes[leaf].finish is Finish.STOP,
                is_judged=tree.nodes[leaf].finish is Finish.LENGTH or tree.passed(leaf) is not None,
                orm=tree.outcome_scores.get(leaf),
                prm=_prefix_score(tree, leaf, how) if tree.nodes[leaf].finish is Finish.STOP else None,
            )
            for leaf in known
        ),
        num_unknown=len(leaves) - len(known),
    )


def _is_known(tree: Tree, leaf: int) -> bool:
    """Whether the rollout is right or is not; False where something of ours broke or ended it."""
    if tree.nodes[leaf].finish is Finish.LENGTH:
        return True
    verdict = tree.verdicts.get(leaf)
    judged = (Outcome.PASS, Outcome.FAIL, Outcome.ABSTAIN)
    return tree.nodes[leaf].finish is Finish.STOP and verdict is not None and verdict.outcome in judged


def _prefix_score(tree: Tree, node_id: int, how: Aggregate) -> float | None:
    scores = [tree.scores.get(node.id) for node in tree.path(node_id)[1:]]
    return aggregate(how, scores[-1:] if how == "last" else scores)


def _steps(trace: Trace, leaf: int) -> Steps:
    root, *path = trace.tree.path(leaf)
    return Steps(
        prompt=trace.problem.prompt,
        prompt_token_ids=root.token_ids,
        texts=tuple(node.text for node in path),
        token_ids=tuple(node.token_ids for node in path),
    )
