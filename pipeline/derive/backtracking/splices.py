"""Where in a tree the model can be shown to turn back: a prefix, wrong branches below it, a right one.

A wrong branch is a step with a low pass rate, and the steps after it in a response that failed. The
right branch is the rest of the response through the prefix that passed and is most likely right at
every step. Pass rates are those of the view `preferences`. Responses that only a majority vote accepted
are not used: the verifier could not accept the new end either.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.datasets.views.preferences import Branch, NextStep, branches
from pipeline.datasets.views.rules import BacktrackingOptions
from pipeline.labels.majority import is_voted
from pipeline.labels.soundness import Soundness
from pipeline.tree import Node, Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Detour:
    """The first steps of a wrong branch."""

    nodes: tuple[Node, ...]
    score: float
    """Posterior mean of the pass rate of the first step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Splice:
    """A prefix, wrong branches and a right one."""

    prefix: tuple[Node, ...]
    """From the root to the node at whose end all branches begin."""
    detours: tuple[Detour, ...]
    """The surest mistake first."""
    right: tuple[Node, ...]
    """The rest of a response that passed."""
    right_score: float
    """Posterior mean of the pass rate of its first step."""

    @property
    def step(self) -> int:
        """Number, from 1, of the first wrong step."""
        return len(self.prefix)

    @property
    def leaf(self) -> int:
        """The node at which the right branch ends."""
        return self.right[-1].id

    @property
    def margin(self) -> float:
        """Least difference between the pass rates of the right and a wrong first step."""
        return self.right_score - max(detour.score for detour in self.detours)

    @property
    def address(self) -> tuple[tuple[int, ...], ...]:
        """An identity in the tree that does not depend on timing: slots of prefix and branches."""
        ends = (self.right[:1], *(detour.nodes for detour in self.detours))
        return tuple(tuple(node.slot for node in nodes) for nodes in (self.prefix[1:], *ends))


def find_splices(tree: Tree, options: BacktrackingOptions) -> list[Splice]:
    """The splices of a finished tree, those with the largest margins first."""
    if is_voted(tree):
        return []
    responses = _Responses(tree)
    found = [
        splice
        for branch in branches(tree)
        if (splice := _splice(responses, branch, options)) is not None
    ]
    found.sort(key=lambda splice: (-splice.margin, splice.prefix[-1].id))
    return found[: options.max_per_problem]


class _Responses:
    """The judged responses of a tree."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._soundness = Soundness(tree)
        leaves = tree.complete_leaves()
        self._passed = [tree.path(leaf) for leaf in leaves if tree.passed(leaf)]
        self._failed = [tree.path(leaf) for leaf in leaves if tree.passed(leaf) is False]

    def right(self, step: NextStep) -> Sequence[Node] | None:
        """The path of the response with this step that passed and is most likely right throughout."""
        paths = self._through(self._passed, step)
        return max(paths, key=lambda path: (self._soundness_of(path), -path[-1].id), default=None)

    def wrong(self, step: NextStep) -> Sequence[Node] | None:
        """The path of the first response with this step that failed."""
        return next(self._through(self._failed, step), None)

    def _through(self, paths: Sequence[list[Node]], step: NextStep) -> Iterator[list[Node]]:
        depth = self.tree.nodes[step.node].step
        for path in paths:
            if len(path) > depth and self.tree.same_prefix(path[depth].id)[0] in step.nodes:
                yield path

    def _soundness_of(self, path: Sequence[Node]) -> float:
        return self._soundness.of_response(path[-1].id) or 0.0


def _splice(responses: _Responses, branch: Branch, options: BacktrackingOptions) -> Splice | None:
    """The splice at a branch; None if there is none by the options."""
    prefix = responses.tree.path(branch.prefix)
    if not options.min_step <= len(prefix) <= (options.max_step or len(prefix)):
        return None
    for chosen in sorted(branch.steps, key=lambda step: (-step.score, step.node)):
        if (right := responses.right(chosen)) is not None:
            break
    else:
        return None
    limit = min(options.max_wrong, chosen.score - options.min_margin)
    detours = [
        Detour(nodes=nodes, score=step.score)
        for step in sorted(branch.steps, key=lambda step: (step.score, step.node))
        if step.score <= limit and (nodes := _detour(responses, step, len(prefix), options))
    ]
    if len(detours) < options.num_detours:
        return None
    return Splice(
        prefix=tuple(prefix),
        detours=tuple(detours[: options.num_detours]),
        right=tuple(right[len(prefix) :]),
        right_score=chosen.score,
    )


def _detour(
    responses: _Responses, step: NextStep, begin: int, options: BacktrackingOptions
) -> tuple[Node, ...]:
    """The first steps of a wrong branch, without the one that ends the response: an end token, or an
    answer, in the middle of a chain would teach to go on after the end."""
    path = responses.wrong(step)
    return () if path is None else tuple(path[begin : len(path) - 1][: options.max_detour_steps])
