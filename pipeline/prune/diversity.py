"""The rule `max_per_problem`: keeps the best and most diverse responses of a problem.

Responses are selected one by one, the best score first; unscored responses come last. In a tie, the
response with the smallest overlap with any selected response wins, then the first in the tree's order.

The overlap of two responses is the fraction of the shorter response's tokens in the steps with which
both begin. Two steps are the same if they are the same node or have the same token ids, so rollouts
sampled separately overlap too if they begin alike.
"""

from collections.abc import Iterator, Sequence

from pipeline.prune.rules import drop
from pipeline.records import Decision, Stage, Trajectory
from pipeline.tree import Tree


def beyond_max(candidates: Sequence[Trajectory], *, number: int, tree: Tree) -> Iterator[Decision]:
    """Drops all but `number` responses."""
    if len(candidates) <= number:
        return
    chosen = {trajectory.leaf for trajectory in choose(candidates, number, tree)}
    for trajectory in candidates:
        if trajectory.leaf not in chosen:
            which = "most diverse" if trajectory.score is None else "best"
            reason = f"beyond the {which} {number}"
            yield drop(trajectory, Stage.BEYOND_MAX, reason, trajectory.score)


def choose(candidates: Sequence[Trajectory], number: int, tree: Tree) -> list[Trajectory]:
    """Selects `number` of the tree's trajectories, in order of selection."""
    prefixes = {one.leaf: _prefixes(tree, one.leaf) for one in candidates}
    overlaps = dict.fromkeys(prefixes, 0.0)
    left, chosen = list(candidates), list[Trajectory]()
    while left and len(chosen) < number:
        best = min(left, key=lambda one: (one.score is None, -(one.score or 0.0), overlaps[one.leaf]))
        left.remove(best)
        chosen.append(best)
        for one in left:
            shared = _overlap(prefixes[best.leaf], prefixes[one.leaf])
            overlaps[one.leaf] = max(overlaps[one.leaf], shared)
    return chosen


def overlap(tree: Tree, leaf: int, other: int) -> float:
    """Fraction of the shorter response's tokens, 0 to 1, with which both responses begin."""
    return _overlap(_prefixes(tree, leaf), _prefixes(tree, other))


def _prefixes(tree: Tree, leaf: int) -> list[tuple[int, int]]:
    """For each step, the first node of the same prefix, and the response's tokens up to its end."""
    nodes = tree.path(leaf)[1:]
    return [(tree.same_prefix(node.id)[0], tree.num_response_tokens(node.id)) for node in nodes]


def _overlap(one: Sequence[tuple[int, int]], other: Sequence[tuple[int, int]]) -> float:
    shared = 0
    for (prefix, num_tokens), (twin, _) in zip(one, other, strict=False):
        if prefix != twin:
            break
        shared = num_tokens
    shorter = min(one[-1][1], other[-1][1])
    return shared / shorter if shorter else 0.0
