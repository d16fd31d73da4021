"""Outcomes for accuracies: each rollout of a whole problem is right, not right or unknown.

Monte-Carlo trials differ: they count only PASS and FAIL (`Tree.passed`), because a response without an
answer is no evidence about its steps.
"""

from pipeline.labels.majority import is_voted
from pipeline.records import Trace
from pipeline.tree import ROOT, Finish, Tree
from verifiers import Outcome


def sample_outcome(tree: Tree, leaf: int) -> bool | None:
    """Whether a rollout is right, as published accuracies count it.

    A rollout that passed is right; one that failed, reached the token limit or gives no answer is not.
    None if unknown: the verifier failed or abstained, the rollout was ended midway, or the engine
    aborted it.
    """
    finish, verdict = tree.nodes[leaf].finish, tree.verdicts.get(leaf)
    if finish is Finish.LENGTH:
        return False
    if finish is Finish.STOP and verdict is not None and verdict.outcome is Outcome.ABSTAIN:
        return False if verdict.no_answer else None
    return tree.passed(leaf)


def has_gold(trace: Trace) -> bool:
    """Whether the problem has a gold answer, or a verifier judged without one; a vote does not count.

    This depends on the problem only: it holds even if none of its responses could be judged.
    """
    target = trace.problem.target
    known = bool((target.value or "").strip() or target.tests)
    return not is_voted(trace.tree) and (known or bool(trace.tree.stats[ROOT].trials))
