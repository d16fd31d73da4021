"""What a search may spend on one problem. Never exceeded, whatever comes back.

An expansion is let through only if the longest rollouts it can bring still fit, beside those of all
that is under way. When not even one fits, and nothing is under way that could come back shorter, one
rollout gets all that is left as its limit: it may be cut off, and is the last of its kind.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pydantic import BaseModel, ConfigDict, Field

from pipeline.search import Expansion, Strategy
from pipeline.tree import Finish, Tree


class BudgetConfig(BaseModel):
    """Most of each for one problem; without limit if not given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: int | None = Field(default=None, ge=1)
    """Sampled tokens; the prompt's do not count."""
    rollouts: int | None = Field(default=None, ge=1)
    nodes: int | None = Field(default=None, ge=1)
    """Nodes of the tree beside the root, which are steps of rollouts."""


@dataclass(slots=True)
class _Left:
    """What is left to spend; infinite where there is no limit."""

    tokens: float
    rollouts: float
    nodes: float

    def spend(self, num_rollouts: int, tokens: int, nodes: int) -> None:
        """Takes off so many rollouts, each of so many tokens and nodes."""
        self.rollouts -= num_rollouts
        self.tokens -= num_rollouts * tokens
        self.nodes -= num_rollouts * nodes

    def affords(self, tokens: int, nodes: int) -> float:
        """How many rollouts of so many tokens and nodes fit."""
        return min(self.rollouts, self.tokens // tokens, self.nodes // nodes)


class Budgeted:
    """A strategy within a budget."""

    def __init__(
        self, strategy: Strategy, budget: BudgetConfig, *, max_tokens: int, max_steps: int
    ) -> None:
        """`max_tokens` and `max_steps` are the longest that a whole response and a rollout can be."""
        self.strategy = strategy
        self.budget = budget
        self._max_tokens = max_tokens
        self._max_steps = max_steps

    def propose(self, tree: Tree, pending: Sequence[Expansion]) -> list[Expansion]:
        """What the strategy proposes, cut down to what is sure to fit."""
        wanted = self.strategy.propose(tree, pending)
        for expansion in wanted:
            _check(tree, expansion)
        # A response that has used up its tokens cannot go on.
        wanted = [expansion for expansion in wanted if self._longest(tree, expansion)[0] > 0]
        left = self._left(tree, pending)
        allowed = []
        for expansion in wanted:
            tokens, nodes = self._longest(tree, expansion)
            fitting = min(expansion.num_rollouts, left.affords(tokens, nodes))
            if fitting >= 1:
                allowed.append(replace(expansion, num_rollouts=int(fitting)))
                left.spend(int(fitting), tokens, nodes)
        if wanted and not allowed and not pending:
            return self._last(tree, wanted[0], left)
        return allowed

    def _last(self, tree: Tree, expansion: Expansion, left: _Left) -> list[Expansion]:
        if min(left.tokens, left.rollouts, left.nodes) < 1:
            return []
        tokens, nodes = self._longest(tree, expansion)
        return [
            replace(
                expansion,
                num_rollouts=1,
                max_tokens=int(min(tokens, left.tokens)),
                max_nodes=int(min(nodes, left.nodes)),
            )
        ]

    def _left(self, tree: Tree, pending: Iterable[Expansion]) -> _Left:
        """Beside what is spent and what the pending rollouts can come to."""
        budget = self.budget
        left = _Left(
            tokens=_or_infinite(budget.tokens) - tree.num_tokens,
            rollouts=_or_infinite(budget.rollouts) - tree.num_rollouts,
            nodes=_or_infinite(budget.nodes) - (len(tree) - 1),
        )
        for expansion in pending:
            left.spend(expansion.num_rollouts, *self._longest(tree, expansion))
        return left

    def _longest(self, tree: Tree, expansion: Expansion) -> tuple[int, int]:
        """Tokens and nodes of the longest rollout that the expansion can bring."""
        tokens = self._max_tokens - tree.num_response_tokens(expansion.parent)
        if expansion.max_tokens is not None:
            tokens = min(tokens, expansion.max_tokens)
        limits = [expansion.num_steps, expansion.max_nodes, self._max_steps, tokens]
        return tokens, min(limit for limit in limits if limit is not None)


def _check(tree: Tree, expansion: Expansion) -> None:
    """Raises ValueError for what nothing can be sampled for."""
    if not 0 <= expansion.parent < len(tree):
        raise ValueError(
            f"expected a strategy to expand one of the tree's {len(tree)} nodes, got {expansion}"
        )
    if expansion.num_rollouts < 1:
        raise ValueError(f"expected a strategy to ask for 1 rollout or more, got {expansion}")
    if tree.nodes[expansion.parent].finish not in (None, Finish.STEP):
        raise ValueError(f"expected a strategy to expand a node that can go on, got {expansion}")


def _or_infinite(limit: int | None) -> float:
    return math.inf if limit is None else limit
