"""Probability that a response that passed is right at every step, not only in its answer.

A trajectory consists of rollouts, each of which continues a prefix of another. A prefix of a failed
response is more doubtful than the passed trajectory alone shows. Its probability is therefore the
posterior of the failed response (`first_error.py`), which uses all rollouts from the prefix, including
the passed one. The rest of the trajectory has its own posterior, given that the prefix is right. The
probability is unknown for a tree without trials, or with verdicts from a vote.
"""

from pipeline.labels.first_error import AtPrefix, first_error, trials_at_root
from pipeline.labels.majority import is_voted
from pipeline.tree import ROOT, Tree


class Soundness:
    """Probabilities of one finished tree's trajectories; each is computed once."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._is_known = tree.stats[ROOT].trials > 0 and not is_voted(tree)
        self._at_root = trials_at_root(tree)
        self._prefixes: dict[int, AtPrefix] = {}
        self._right: dict[int, list[float]] = {}

    def of_response(self, leaf: int) -> float | None:
        """Probability that every step of the trajectory is right; None if unknown."""
        return self._steps(leaf)[-1] if self._is_known else None

    def of_prefix(self, leaf: int) -> float | None:
        """Probability that the prefix from which the trajectory's last rollout started is right; None
        for a whole rollout, or if unknown."""
        num_taken_up = self._num_taken_up(leaf)
        return self._steps(leaf)[num_taken_up - 1] if self._is_known and num_taken_up else None

    def _num_taken_up(self, leaf: int) -> int:
        """Number of the trajectory's steps that its last rollout did not sample."""
        return self._tree.nodes[leaf].step - len(self._tree.rollout(leaf))

    def _steps(self, leaf: int) -> list[float]:
        """For each step, the probability that it and all earlier steps are right."""
        if leaf not in self._right:
            tree, path = self._tree, self._tree.path(leaf)
            right = first_error(tree, path, self._at_root, self._prefixes).right
            if num_taken_up := self._num_taken_up(leaf):
                donor = tree.leaf_of(path[num_taken_up].id)
                if tree.passed(donor) is False:
                    right = _no_surer(right, self._steps(donor)[:num_taken_up])
            self._right[leaf] = right
        return self._right[leaf]


def _no_surer(right: list[float], prefix: list[float]) -> list[float]:
    """Limits the first steps of `right` to `prefix`, and scales the later ones in proportion."""
    before = right[len(prefix) - 1]
    ratio = min(1.0, prefix[-1] / before) if before > 0 else 1.0
    first = map(min, right[: len(prefix)], prefix)
    return [*first, *(ratio * probability for probability in right[len(prefix) :])]
