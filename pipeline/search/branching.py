"""`branching`: Monte-Carlo rollouts from prefixes of rollouts, the search of Berry training.

n0 rollouts start at the problem. Along each of them branch points are chosen, and k more rollouts start
at every one; these are branched in turn, to depth d. With m points a problem gets
n0 * (1 + mk + (mk)^2 + ... + (mk)^d) rollouts, fewer where a rollout has under m + 1 steps.

A point is the end of a step, the rollout's last one left out. Which are chosen:

    even       m points, evenly spaced
    steps      every one
    tokens     the first at or after every c-th token (with `steps.at: tokens` exactly every c-th)
    entropy    the m that the most uncertain steps follow, by the surprisal of their sampled tokens: the
               mean over a step (`unit: step`), which estimates the entropy of the distribution they
               are sampled from without bias, or that of its least likely token (`unit: token`), since
               few tokens decide which way a solution takes (Wang et al., 2025, arXiv:2506.01939)
    variance   the m with the greatest p(1 - p), p being the expected pass rate from there, by how the
               whole rollouts ended and this one: where the outcome is least decided
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.first_error import FirstError, Trials, trials_at_root
from pipeline.search import Expansion
from pipeline.search.memory import Memory
from pipeline.tree import ROOT, Node, Tree


@dataclass(slots=True)
class _Demand:
    """What a tree still lacks."""

    points: dict[int, int] = field(default_factory=dict)
    """Branch point -> children that it is to have, while it has fewer."""
    waiting: list[int] = field(default_factory=list)
    """Leaves whose points are still to be chosen."""
    seen: set[int] = field(default_factory=set)
    """Leaves that are waiting or done."""


class Branching:
    """Branches along every rollout."""

    class Config(BaseModel):
        """The shape of the tree; the letters are those of the module's formula."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        rollouts: int = Field(default=4, ge=1)
        """n0: rollouts of the whole problem."""
        where: Literal["even", "steps", "tokens", "entropy", "variance"] = "even"
        """How branch points are chosen."""
        unit: Literal["step", "token"] = "step"
        """What is to be uncertain, for `entropy`: a step on average, or one token of it."""
        points: int = Field(default=2, ge=0)
        """m: branch points along each rollout, for `even`, `entropy` and `variance`."""
        every_tokens: int = Field(default=64, ge=1)
        """c: tokens between branch points, for `tokens`."""
        branches: int = Field(default=2, ge=1)
        """k: rollouts more from each branch point."""
        depth: int = Field(default=1, ge=0)
        """d: how many times a trajectory may have branched; 0 is best_of_n."""

        @property
        def needs_logprobs(self) -> bool:
            """Whether it goes by the tokens' log-probabilities."""
            return self.where == "entropy"

    def __init__(self, config: Config) -> None:
        self.config = config
        self._memory: Memory[_Demand] = Memory(_Demand)

    @property
    def fixed_rollouts(self) -> int:
        """Whole rollouts that are sampled whatever comes back."""
        return self.config.rollouts

    def propose(self, tree: Tree, pending: Sequence[Expansion]) -> list[Expansion]:
        """What is missing at the root and at the branch points of the rollouts that are back."""
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
        """Chooses the branch points of the rollouts that are waiting for it."""
        for leaf in demand.waiting:
            path = tree.path(leaf)
            if _num_branchings(path) < self.config.depth:
                for point in self._points(tree, path, len(tree.rollout(leaf))):
                    # Each point has one child already, the rollout that it lies on.
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
    """-log p in nats, the mean over the node's tokens or the greatest."""
    surprisal = node.max_surprisal
    if unit == "step" and node.logprob is not None:
        surprisal = -node.logprob / len(node.token_ids)
    if surprisal is None:
        raise ValueError(
            "strategy.where=entropy: expected an engine that gives log-probabilities, got one that "
            "does not; choose another, or `engine.logprobs=true`"
        )
    return surprisal


def _variances(tree: Tree, path: Sequence[Node]) -> list[float]:
    """Of the outcome of a rollout from each step's end, the root left out."""
    passed = tree.passed(path[-1].id)
    others = trials_at_root(tree)
    if tree.leaf_of(path[1].id) == path[-1].id:
        others = others.without(passed)
    posterior = FirstError(others, [Trials()] * (len(path) - 1), passed)
    rates = map(posterior.pass_rate, range(len(path) - 1))
    return [rate * (1 - rate) for rate in rates]


def _num_branchings(path: Sequence[Node]) -> int:
    """How many of the path's rollouts start within another one."""
    return sum(node.slot > 0 and node.parent != ROOT for node in path)
