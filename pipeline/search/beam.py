"""`beam` and `dvts`: search step by step and keep the steps that a reward model scores best.

    1. sample n continuations of the problem, one step each
    2. score them; keep the best n/M of them (M: the beam width)
    3. sample M continuations of each kept beam; go to 2 until all kept beams have ended

`beam` keeps the best n/M of all. `dvts` splits the first n into n/M groups of M and keeps the best
of each group. It searches n/M independent sub-trees, which is less greedy and more diverse. A kept
beam that has ended keeps its place and costs nothing more. Beams that ended without being kept
still are complete responses.

With a lookahead of l, a continuation is sampled l more steps and ranked by its score there, but the
search continues from its first step. The steps beyond it are one of the M continuations of the next
round.

A beam's score is the last step's, or the minimum, product or mean of all its steps' scores. In a
tie the better last step wins, which is frequent with `min`, because continuations of a prefix
share its worst step; then the earlier slot wins. A beam ranks below all beams with fewer unscored
steps. Of continuations with identical tokens, only the best is kept; a place that no other
continuation can take stays empty.

Beam search against a process reward model (Snell et al., 2024, arXiv:2408.03314); diverse verifier tree
search (Beeching, Tunstall and Rush, "Scaling test-time compute with open models", Hugging Face, 2024).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.search import Expansion
from pipeline.search.base import StrategyBase
from pipeline.search.memory import Memory
from pipeline.tree import ROOT, Tree
from reward_models.aggregate import AGGREGATES, Aggregate


@dataclass(slots=True)
class _Group:
    """Beams that compete only with each other."""

    places: int
    kept: list[int]
    """First-step nodes of the beams kept in the last round."""
    rounds: int = 1


@dataclass(slots=True)
class _Groups:
    """State of a tree's search; empty before its first round is over."""

    all: list[_Group] = field(default_factory=list)


class Beam(StrategyBase):
    """Keeps the best n/M beams overall."""

    needs_scores = True
    needs_pauses = True

    class Config(BaseModel):
        """Options of `beam` and `dvts`; the letters refer to the module's docstring."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        rollouts: int = Field(default=16, ge=1)
        """n: continuations in each round, and complete responses if all beams end together."""
        beam_width: int = Field(default=4, ge=1)
        """M: continuations of each kept beam."""
        lookahead: int = Field(default=0, ge=0)
        """l: additional steps sampled to score a continuation there."""
        aggregate: Aggregate = "product"
        """How the scores of a beam's steps become its score."""
        max_rounds: int = Field(default=40, ge=1)
        """Steps after which the search ends; beams that have not ended stay unfinished."""

        @model_validator(mode="after")
        def _check_width(self) -> "Beam.Config":
            if self.rollouts % self.beam_width:
                raise ValueError(
                    f"expected `rollouts` to be a multiple of `beam_width`, got {self.rollouts} and "
                    f"{self.beam_width}"
                )
            return self

    def __init__(self, config: Config) -> None:
        self.config = config
        self._memory: Memory[_Groups] = Memory(_Groups)

    def propose(self, tree: Tree, pending: Sequence[Expansion]) -> list[Expansion]:
        """Missing continuations of the kept beams, once the previous round is finished."""
        under_way: Counter[int] = Counter()
        for expansion in pending:
            under_way[expansion.parent] += expansion.num_rollouts
        wanted = {ROOT: self.config.rollouts}
        if len(tree.children(ROOT)) >= self.config.rollouts:
            groups, _ = self._memory.recall(tree)
            groups.all = groups.all or self._first_round(tree)
            beams = [beam for group in groups.all for beam in self._advance(tree, group)]
            wanted = dict.fromkeys(beams, self.config.beam_width)
        missing = {
            node: count - len(tree.children(node)) - under_way[node] for node, count in wanted.items()
        }
        return [
            Expansion(parent=node, num_rollouts=count, num_steps=1 + self.config.lookahead)
            for node, count in missing.items()
            if count > 0
        ]

    def _num_groups(self) -> int:
        return 1

    def _first_round(self, tree: Tree) -> list[_Group]:
        """The groups, each with the best of its continuations of the problem."""
        n, num_groups = self.config.rollouts, self._num_groups()
        first = tree.children_by_slot(ROOT)[:n]
        size, places = n // num_groups, n // self.config.beam_width // num_groups
        return [
            _Group(places, self._best(tree, first[begin : begin + size], places))
            for begin in range(0, n, size)
        ]

    def _advance(self, tree: Tree, group: _Group) -> list[int]:
        """Advances through the finished rounds; returns the beams of the first unfinished one."""
        while group.rounds < self.config.max_rounds:
            width = self.config.beam_width
            ended = [node for node in group.kept if not tree.can_go_on(node)]
            going = [node for node in group.kept if tree.can_go_on(node)]
            if not going or any(len(tree.children(node)) < width for node in going):
                return going
            candidates = [child for node in going for child in tree.children_by_slot(node)[:width]]
            group.kept = ended + self._best(tree, candidates, group.places - len(ended))
            group.rounds += 1
        return []

    def _best(self, tree: Tree, nodes: Sequence[int], count: int) -> list[int]:
        order = sorted(nodes, key=lambda node: self._rank(tree, node))
        distinct: dict[int, int] = {}
        for node in order:
            distinct.setdefault(tree.same_prefix(node)[0], node)
        return list(distinct.values())[:count]

    def _rank(self, tree: Tree, node: int) -> tuple[int, float, float, tuple[int, ...]]:
        """Sort key: the best beam first."""
        # The end of the rollout that sampled it: the end of the lookahead, or the node itself.
        path = tree.path(tree.leaf_of(node))[1:]
        last = tree.scores.get(path[-1].id, 0.0)
        if self.config.aggregate == "last":
            path = path[-1:]
        scores = [tree.scores[step.id] for step in path if step.id in tree.scores]
        value = AGGREGATES[self.config.aggregate](scores) if scores else 0.0
        return len(path) - len(scores), -value, -last, tree.address(node)


class Dvts(Beam):
    """Keeps the best beam in each of n/M sub-trees."""

    def _num_groups(self) -> int:
        return self.config.rollouts // self.config.beam_width
