"""What accuracies count: rollouts from a problem's start, each right, not right or unknown.

These are not the trials of Monte-Carlo counts: those are PASS and FAIL alone (`Tree.passed`), since a
response without an answer says nothing of the steps that led up to it.
"""

from pipeline.majority import is_voted
from pipeline.records import Trace
from pipeline.tree import ROOT, Finish, Tree
from verifiers import Outcome


def sample_outcome(tree: Tree, leaf: int) -> bool | None:
    """Whether a rollout is right, as published accuracies count it.

    Right is what passed. What failed, was cut off by the limit of tokens or gives no answer is not.
    None where that is unknown: the verifier broke or cannot tell, the rollout was ended mid-way, or
    the engine gave it up.
    """
    finish, verdict = tree.nodes[leaf].finish, tree.verdicts.get(leaf)
    if finish is Finish.LENGTH:
        return False
    if finish is Finish.STOP and verdict is not None and verdict.outcome is Outcome.ABSTAIN:
        return False if verdict.no_answer else None
    return tree.passed(leaf)


def has_gold(trace: Trace) -> bool:
    """Whether the problem says what is right, or a verifier that needs nothing said it; no vote does.

    It is a matter of the problem: one whose responses all went wrong in some way counts too.
    """
    target = trace.problem.target
    known = bool((target.value or "").strip() or target.tests)
    return not is_voted(trace.tree) and (known or bool(trace.tree.stats[ROOT].trials))
