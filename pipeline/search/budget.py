"""Limits the cost of the search on one problem; the limits are never exceeded.

An expansion is allowed only if its longest possible rollouts fit, in addition to all pending ones.
When not even one fits, and no pending rollout could turn out shorter, one last rollout gets the entire
remaining budget as its limit and may be truncated.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pydantic import BaseModel, ConfigDict, Field

from pipeline.search import Expansion, Strategy
from pipeline.tree import Tree


class BudgetConfig(BaseModel):
    """Limits for one problem."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: int | None = Field(default=None, ge=1)
    """Maximum number of sampled tokens, without the prompt's."""
    rollouts: int | None = Field(default=None, ge=1)
    """Maximum number of rollouts."""
    nodes: int | None = Field(default=None, ge=1)
    """Maximum number of tree nodes besides the root; each is a step of a rollout."""


@dataclass(slots=True)
class _Left:
    """Remaining budget; infinite without a limit."""

    tokens: float
    rollouts: float
    nodes: float

    def spend(self, num_rollouts: int, tokens: int, nodes: int) -> None:
        """Subtracts `num_rollouts` rollouts of `tokens` and `nodes` each."""
        self.rollouts -= num_rollouts
        self.tokens -= num_rollouts * tokens
        self.nodes -= num_rollouts * nodes

    def affords(self, tokens: int, nodes: int) -> float:
        """Number of rollouts of this many tokens and nodes that fit."""
        return min(self.rollouts, self.tokens // tokens, self.nodes // nodes)


class Budgeted:
    """A strategy with a budget."""

    def __init__(
        self, strategy: Strategy, budget: BudgetConfig, *, max_tokens: int, max_steps: int
    ) -> None:
        """`max_tokens` limits a whole response, `max_steps` a rollout."""
        self.strategy = strategy
        self.budget = budget
        self._max_tokens = max_tokens
        self._max_steps = max_steps

    def propose(self, tree: Tree, pending: Sequence[Expansion]) -> list[Expansion]:
        """The strategy's expansions, reduced to those that are certain to fit."""
        wanted = self.strategy.propose(tree, pending)
        for expansion in wanted:
            _check(tree, expansion)
        # A response that has used up its tokens cannot continue.
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
        """The budget minus spent tokens and the most that pending rollouts can use."""
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
        """Tokens and nodes of the longest possible rollout of the expansion."""
        tokens = self._max_tokens - tree.num_response_tokens(expansion.parent)
        if expansion.max_tokens is not None:
            tokens = min(tokens, expansion.max_tokens)
        limits = [expansion.num_steps, expansion.max_nodes, self._max_steps, tokens]
        return tokens, min(limit for limit in limits if limit is not None)


def _check(tree: Tree, expansion: Expansion) -> None:
    """Raises ValueError for an invalid expansion."""
    if not 0 <= expansion.parent < len(tree):
        raise ValueError(
            f"expected a strategy to expand one of the tree's {len(tree)} nodes, got {expansion}"
        )
    if expansion.num_rollouts < 1:
        raise ValueError(f"expected a strategy to ask for 1 rollout or more, got {expansion}")
    if not tree.can_go_on(expansion.parent):
        raise ValueError(f"expected a strategy to expand a node that can continue, got {expansion}")


def _or_infinite(limit: int | None) -> float:
    return math.inf if limit is None else limit
