"""`branching`: Monte-Carlo rollouts from prefixes of rollouts, the search of Berry training.

n0 rollouts start at the problem. At branch points along each of them, k more rollouts start; these
branch in turn, up to depth d. With m points, a problem gets n0 * (1 + mk + (mk)^2 + ... + (mk)^d)
rollouts, fewer if a rollout has less than m + 1 steps.

A point is the end of any step except a rollout's last. `where` selects the points:

    even       m points, evenly spaced
    steps      every point
    tokens     the first point at or after every c-th token (with `steps.at: tokens`, exactly there)
    entropy    the m points before the most uncertain steps, by the surprisal of the sampled tokens:
               the mean over a step (`unit: step`), an unbiased estimate of the entropy of the
               sampling distribution, or the greatest of a step (`unit: token`), because few tokens
               decide the course of a solution (Wang et al., 2025, arXiv:2506.01939)
    variance   the m points with the greatest p(1 - p), where p is the expected pass rate from there,
               given the outcomes of the whole rollouts and this one: the least decided points
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from pipeline.labels.first_error import FirstError, Trials, trials_at_root
from pipeline.search import Expansion
from pipeline.search.base import StrategyBase, StrategyConfig
from pipeline.search.memory import Memory
from pipeline.tree import ROOT, Node, Tree


@dataclass(slots=True)
class _Demand:
    """Rollouts that a tree still lacks."""

    points: dict[int, int] = field(default_factory=dict)
    """Branch point -> its final number of children, while it has fewer."""
    waiting: list[int] = field(default_factory=list)
    """Leaves whose branch points are not selected yet."""
    seen: set[int] = field(default_factory=set)
    """Leaves that are waiting or done."""


class Branching(StrategyBase):
    """Branches along every rollout."""

    class Config(StrategyConfig):
        """Options of `branching`; the letters refer to the module's formula."""

        rollouts: int = Field(default=4, ge=1)
        """n0: rollouts of the whole problem."""
        where: Literal["even", "steps", "tokens", "entropy", "variance"] = "even"
        """Rule that selects branch points."""
        unit: Literal["step", "token"] = "step"
        """Uncertainty measure of `entropy`: a step's mean over its tokens, or its most uncertain
        token."""
        points: int = Field(default=2, ge=0)
        """m: branch points along each rollout, for `even`, `entropy` and `variance`."""
        every_tokens: int = Field(default=64, ge=1)
        """c: tokens between branch points, for `tokens`."""
        branches: int = Field(default=2, ge=1)
        """k: additional rollouts from each branch point."""
        depth: int = Field(default=1, ge=0)
        """d: maximum number of branchings along a trajectory; 0 is the same as best_of_n."""

        @property
        def needs_logprobs(self) -> bool:
            """Whether `where` uses the tokens' log-probabilities."""
            return self.where == "entropy"

    def __init__(self, config: Config) -> None:
        self.config = config
        self._memory: Memory[_Demand] = Memory(_Demand)

    @property
    def fixed_rollouts(self) -> int:
        """Number of whole rollouts, sampled regardless of outcomes."""
        return self.config.rollouts

    def propose(self, tree: Tree, pending: Sequence[Expansion]) -> list[Expansion]:
        """Missing rollouts at the root and at the branch points of finished rollouts."""
        under_way: Counter[int] = Counter()
        for expansion in pending:
            under_way[expansion.parent] += expansion.num_rollouts
        demand, news = self._memory.recall(tree)
        demand.waiting += [leaf for leaf in dict.fromkeys(news) if leaf not in demand.seen]
        demand.seen.update(news)
        if self.config.where != "variance" or len(tree.children(ROOT)) >= self.config.rollouts:
            self._branch(tree, demand)
        missing = {ROOT: self.config.rollouts - len(tree.children(ROOT))}
        for point, wanted in list(demand.points.items()):
            missing[point] = wanted - len(tree.children(point))
            if missing[point] <= 0:
                del demand.points[point]
        return [
            Expansion(parent=node, num_rollouts=n - under_way[node])
            for node, n in missing.items()
            if n > under_way[node]
        ]

    def _branch(self, tree: Tree, demand: _Demand) -> None:
        """Selects the branch points of the waiting rollouts."""
        for leaf in demand.waiting:
            path = tree.path(leaf)
            if _num_branchings(path) < self.config.depth:
                for point in self._points(tree, path, len(tree.rollout(leaf))):
                    # Each point already has one child, from the rollout it is on.
                    demand.points[point.id] = 1 + self.config.branches
        demand.waiting.clear()

    def _points(self, tree: Tree, path: Sequence[Node], num_own: int) -> Sequence[Node]:
        """The branch points of the rollout that sampled the last `num_own` nodes of the path."""
        start = len(path) - num_own
        ends = path[start:-1]
        match self.config.where:
            case "even":
                count = min(self.config.points, len(ends))
                return [ends[(2 * i + 1) * len(ends) // (2 * count)] for i in range(count)]
            case "steps":
                return ends
            case "tokens":
                return _every(ends, self.config.every_tokens)
            case "entropy":
                weights = [_surprisal(node, self.config.unit) for node in path[start + 1 :]]
            case "variance":
                weights = _variances(tree, path)[start - 1 : -1]
        order = sorted(range(len(ends)), key=lambda index: (-weights[index], index))
        return [ends[index] for index in sorted(order[: self.config.points])]


def _every(ends: Sequence[Node], num_tokens: int) -> list[Node]:
    """The first node that ends at or after each multiple of `num_tokens`."""
    chosen, length, due = [], 0, num_tokens
    for node in ends:
        length += len(node.token_ids)
        if length >= due:
            chosen.append(node)
            due = (length // num_tokens + 1) * num_tokens
    return chosen


def _surprisal(node: Node, unit: Literal["step", "token"]) -> float:
    """-log p in nats: the mean or the greatest over the node's tokens."""
    surprisal = node.max_surprisal
    if unit == "step" and node.logprob is not None:
        surprisal = -node.logprob / len(node.token_ids)
    if surprisal is None:
        raise ValueError(
            "strategy.where=entropy: expected an engine that gives log-probabilities, got one that "
            "does not; choose another engine, or set `engine.logprobs=true`"
        )
    return surprisal


def _variances(tree: Tree, path: Sequence[Node]) -> list[float]:
    """Variance of the outcome of a rollout from each step's end, without the root."""
    passed = tree.passed(path[-1].id)
    others = trials_at_root(tree)
    if tree.leaf_of(path[1].id) == path[-1].id:
        others = others.without(passed)
    posterior = FirstError(others, [Trials()] * (len(path) - 1), passed)
    rates = map(posterior.pass_rate, range(len(path) - 1))
    return [rate * (1 - rate) for rate in rates]


def _num_branchings(path: Sequence[Node]) -> int:
    """Number of the path's rollouts that start within another rollout."""
    return sum(node.slot > 0 and node.parent != ROOT for node in path)
