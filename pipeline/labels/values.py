"""Pass rates of prefixes, from the rollouts that say something about them alone."""

from pipeline.labels.first_error import Trials
from pipeline.tree import Tree


def prefix_trials(tree: Tree) -> list[Trials]:
    """For each node, the judged rollouts that sampled its last step or started at its end.

    Given the prefix, these are independent samples of what the model does next. Rollouts that started
    further below are not: a search starts them where it doubts or prefers a step. Nodes of the same
    prefix have the same counts.
    """
    counts = [Trials()] * len(tree)
    for leaf in tree.leaves():
        passed = tree.passed(leaf)
        if passed is None:
            continue
        own = tree.rollout(leaf)
        start = own[0].parent
        assert start is not None, "expected a rollout below the root"
        for prefix in {tree.same_prefix(node)[0] for node in (start, *(one.id for one in own))}:
            counts[prefix] = counts[prefix].and_one(passed)
    return [counts[tree.same_prefix(node.id)[0]] for node in tree.nodes]
