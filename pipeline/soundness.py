"""How likely a response that passed is right at every step, not in its answer alone.

A trajectory is made of rollouts, each of which took up the prefix of another. A prefix that lies on a
response which failed is more doubtful than the one that passed shows by itself: it is taken at the
posterior of the failed one (`first_error.py`), which all rollouts from it inform, the one that passed
too. The rest of the trajectory is taken at its own posterior, given that the prefix is right.

Nothing is known of a tree without trials, or whose verdicts are those of a vote.
"""

from pipeline.first_error import AtPrefix, first_error, trials_at_root
from pipeline.majority import is_voted
from pipeline.tree import ROOT, Tree


class Soundness:
    """What one finished tree says of its trajectories; each is looked at once."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._is_known = tree.stats[ROOT].trials > 0 and not is_voted(tree)
        self._at_root = trials_at_root(tree)
        self._prefixes: dict[int, AtPrefix] = {}
        self._right: dict[int, list[float]] = {}

    def of_response(self, leaf: int) -> float | None:
        """Probability that every step of the trajectory is right; None where nothing is known."""
        return self._steps(leaf)[-1] if self._is_known else None

    def of_prefix(self, leaf: int) -> float | None:
        """Probability that the prefix is right from which the trajectory's last rollout started; None
        for a whole rollout, and where nothing is known."""
        num_taken_up = self._num_taken_up(leaf)
        return self._steps(leaf)[num_taken_up - 1] if self._is_known and num_taken_up else None

    def _num_taken_up(self, leaf: int) -> int:
        """Steps of the trajectory that its last rollout did not sample itself."""
        return self._tree.nodes[leaf].step - len(self._tree.rollout(leaf))

    def _steps(self, leaf: int) -> list[float]:
        """For each step the probability that it and all before it are right."""
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
    """`right` with its first steps no surer than in `prefix`, and those behind it in proportion."""
    before = right[len(prefix) - 1]
    share = min(1.0, prefix[-1] / before) if before > 0 else 1.0
    first = map(min, right[: len(prefix)], prefix)
    return [*first, *(share * chance for chance in right[len(prefix) :])]
