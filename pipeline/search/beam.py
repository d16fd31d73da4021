"""`beam` and `dvts`: step by step, keeping what a reward model scores best.

    1. n continuations of the problem, one step each
    2. score them; keep the best n/M of them (M: the beam width)
    3. M continuations of each that is kept; back to 2, until all that are kept have ended

`beam` keeps the best n/M of all. `dvts` splits the first n into n/M groups of M and keeps the best one
of each, so that n/M sub-trees are searched that know nothing of each other: less greedy, more diverse.
A kept one that has ended holds its place and costs nothing more. Those that ended and were not kept are
complete responses all the same.

With a lookahead of l a continuation is sampled l steps further and goes by the score there; the search
goes on from its first step. What was sampled beyond it is one of the M continuations of the next round.

A beam's score is the last step's, or the minimum, the product or the mean of all its steps'. Ties go to
the better last step, which `min` leaves many of: continuations of one prefix share its worst step. Then
they go to the earlier slot. Where steps are unscored a beam ranks below those with fewer such. Of
continuations with the very same tokens only the best one is kept; a place that no other one can take
stays empty.

Beam search against a process reward model (Snell et al., 2024, arXiv:2408.03314); diverse verifier tree
search (Beeching, Tunstall and Rush, "Scaling test-time compute with open models", Hugging Face, 2024).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.search import Expansion
from pipeline.search.memory import Memory
from pipeline.tree import ROOT, Finish, Tree
from reward_models.aggregate import AGGREGATES, Aggregate


@dataclass(slots=True)
class _Group:
    """Beams that compete with each other, and with no others."""

    places: int
    kept: list[int]
    """The first step's node of each, at the end of the last round."""
    rounds: int = 1


@dataclass(slots=True)
class _Groups:
    """Where the search of a tree stands; empty before its first round is over."""

    all: list[_Group] = field(default_factory=list)


class Beam:
    """The best n/M over all."""

    needs_scores = True
    needs_pauses = True

    class Config(BaseModel):
        """The letters are those of the module's text."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        rollouts: int = Field(default=16, ge=1)
        """n: continuations in each round, and complete responses in the end if they end together."""
        beam_width: int = Field(default=4, ge=1)
        """M: continuations of each beam that is kept."""
        lookahead: int = Field(default=0, ge=0)
        """l: steps that a continuation is sampled further, to be scored there."""
        aggregate: Aggregate = "product"
        """How the scores of a beam's steps become one."""
        max_rounds: int = Field(default=40, ge=1)
        """Steps after which the search ends; what has not ended by then stays unfinished."""

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
        """What the kept beams lack of their continuations, once the round before is back."""
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
        """The best of the problem's continuations, in each group of them."""
        n, num_groups = self.config.rollouts, self._num_groups()
        first = _by_slot(tree, ROOT)[:n]
        size, places = n // num_groups, n // self.config.beam_width // num_groups
        return [
            _Group(places, self._best(tree, first[begin : begin + size], places))
            for begin in range(0, n, size)
        ]

    def _advance(self, tree: Tree, group: _Group) -> list[int]:
        """Goes through the rounds that are back; the beams of the one that is not."""
        while group.rounds < self.config.max_rounds:
            width = self.config.beam_width
            ended = [node for node in group.kept if not _can_go_on(tree, node)]
            going = [node for node in group.kept if _can_go_on(tree, node)]
            if not going or any(len(tree.children(node)) < width for node in going):
                return going
            candidates = [child for node in going for child in _by_slot(tree, node)[:width]]
            group.kept = ended + self._best(tree, candidates, group.places - len(ended))
            group.rounds += 1
        return []

    def _best(self, tree: Tree, nodes: Sequence[int], count: int) -> list[int]:
        order = sorted(nodes, key=lambda node: self._rank(tree, node))
        distinct: dict[int, int] = {}
        for node in order:
            distinct.setdefault(tree.twins(node)[0], node)
        return list(distinct.values())[:count]

    def _rank(self, tree: Tree, node: int) -> tuple[int, float, float, tuple[int, ...]]:
        """Sorts beams best first."""
        # The end of the rollout that sampled it: the lookahead's, or the node itself.
        path = tree.path(tree.leaf_of(node))[1:]
        last = tree.scores.get(path[-1].id, 0.0)
        if self.config.aggregate == "last":
            path = path[-1:]
        scores = [tree.scores[step.id] for step in path if step.id in tree.scores]
        value = AGGREGATES[self.config.aggregate](scores) if scores else 0.0
        return len(path) - len(scores), -value, -last, tree.address(node)


class Dvts(Beam):
    """The best one in each of n/M sub-trees."""

    def _num_groups(self) -> int:
        return self.config.rollouts // self.config.beam_width


def _by_slot(tree: Tree, node: int) -> list[int]:
    return sorted(tree.children(node), key=lambda child: tree.nodes[child].slot)


def _can_go_on(tree: Tree, node: int) -> bool:
    return tree.nodes[node].finish in (None, Finish.STEP)
