"""Step labels as the papers define them, each from the trees of its own search.

A label says whether a step and all before it are right; None where the method does not say. The last
step, the answer, is left out: the outcome decides it under every method.
"""

from collections.abc import Callable, Mapping

from pipeline.labels.first_error import AtPrefix, trials_at_root
from pipeline.search.epic import Epic
from pipeline.tree import Tree

Labels = list[bool | None]


def math_shepherd(tree: Tree, leaf: int) -> Labels:
    """Right if any of the completions of the step passed."""
    at_steps = [AtPrefix.count(tree, node.id).started for node in tree.path(leaf)[1:-1]]
    return [trials.passes > 0 if trials.passes + trials.fails else None for trials in at_steps]


def omega(tree: Tree, leaf: int) -> Labels:
    """Right up to the last step of which a completion passed, wrong from the first of which none did.

    What lies between, and all of a rollout that was not bisected, has no label.
    """
    known = math_shepherd(tree, leaf)
    num_right = max((place + 1 for place, label in enumerate(known) if label), default=0)
    wrong = (place for place, label in enumerate(known) if label is False and place >= num_right)
    first_error = next(wrong, len(known))
    undecided = first_error - num_right
    return [True] * num_right + [None] * undecided + [False] * (len(known) - first_error)


def epic(search: Epic) -> Callable[[Tree, int], Labels]:
    """Right if the rollout passed, or before the step at which its bisection ended.

    Nothing is said of problems without a pass.
    """

    def label(tree: Tree, leaf: int) -> Labels:
        num_steps = len(tree.path(leaf)) - 2
        whole, passed = trials_at_root(tree), tree.passed(leaf)
        if not whole.passes or passed is None:
            return [None] * num_steps
        if passed:
            return [True] * num_steps
        found = search.bisect(tree, leaf, whole)
        rest = None if found.first_error is None else False
        return [*[True] * found.num_right, *[rest] * (num_steps - found.num_right)]

    return label


def by_name(use: str, options: Mapping[str, object]) -> Callable[[Tree, int], Labels] | None:
    """The labels of a strategy with these options; None if no paper defines them."""
    if use == "epic":
        return epic(Epic(Epic.Config.model_validate(options)))
    return {"math_shepherd": math_shepherd, "omega": omega}.get(use)
