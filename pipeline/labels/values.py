"""Pass rates of prefixes, from the rollouts that say something about them alone."""

from collections.abc import Iterator

from pipeline.labels.first_error import Trials
from pipeline.tree import Finish, Tree


def outcome(tree: Tree, leaf: int, *, truncated_fails: bool = False) -> bool | None:
    """Whether a rollout passed, as a trial; None if it is not one. A truncated rollout is none, or
    with `truncated_fails` one that failed."""
    if truncated_fails and tree.nodes[leaf].finish is Finish.LENGTH:
        return False
    return tree.passed(leaf)


def judged_after(tree: Tree, *, truncated_fails: bool = False) -> Iterator[tuple[int, bool]]:
    """For each judged rollout, in order of leaves, the prefixes that it is a sample of.

    Yields the first node of a prefix, and whether the rollout passed. These are the rollouts that
    sampled the prefix's last step or started at its end: given the prefix, they are independent samples
    of what the model does next. Rollouts that started further below are not: a search starts them where
    it doubts or prefers a step.
    """
    for leaf in tree.leaves():
        passed = outcome(tree, leaf, truncated_fails=truncated_fails)
        if passed is None:
            continue
        own = tree.rollout(leaf)
        start = own[0].parent
        assert start is not None, "expected a rollout below the root"
        yield tree.same_prefix(start)[0], passed
        for node in own:
            yield tree.same_prefix(node.id)[0], passed


def prefix_trials(tree: Tree, *, truncated_fails: bool = False) -> list[Trials]:
    """For each node, the rollouts of `judged_after`; nodes of one prefix have the same counts."""
    counts = [Trials()] * len(tree)
    for prefix, passed in judged_after(tree, truncated_fails=truncated_fails):
        counts[prefix] = counts[prefix].and_one(passed)
    return [counts[tree.same_prefix(node.id)[0]] for node in tree.nodes]
