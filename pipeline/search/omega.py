"""`omega`: bisects wrong rollouts to find their first wrong step.

    1. sample k rollouts of the whole problem
    2. select a wrong rollout r from a state s (a prefix with rollouts of its own, of which some pass
       and some do not) by Q(s, r) + U(s)
    3. bisect it: sample k rollouts from the middle step; if any passes, the mistake is later, else
       earlier
    4. add the states visited by the bisection, and their rollouts, to the pool; go to 2

    Q(s, r) = alpha^(1 - MC(s)) * beta^(len(r) / L)          MC: pass rate of the state's rollouts
    U(s)    = c_puct * sqrt(sum of N) / (1 + N(s))           N: searches of rollouts from the state

OmegaPRM (Luo et al., 2024, arXiv:2406.06592), with its defaults.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from pydantic import BaseModel, ConfigDict, Field

from pipeline.search import Expansion
from pipeline.search.base import StrategyBase
from pipeline.search.memory import Memory
from pipeline.tree import ROOT, Tree


@dataclass(slots=True)
class _State:
    """A prefix with rollouts of its own."""

    node: int
    passes: int = 0
    trials: int = 0
    num_searches: int = 0
    wrong: list[tuple[int, tuple[int, ...], int]] = field(default_factory=list)
    """Heap of the wrong rollouts not searched yet: tokens, address, leaf."""

    @property
    def is_mixed(self) -> bool:
        """Whether some of its rollouts pass and some do not."""
        return 0 < self.passes < self.trials


@dataclass(slots=True)
class _Pool:
    """State of a tree's searches."""

    states: dict[int, _State] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)
    """Leaves already counted."""
    num_searches: int = 0
    searching: int | None = None
    """Leaf of the rollout that is being bisected."""
    best: dict[int, list[tuple[float, tuple[int, ...], int]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """N -> heap of the states with N searches: -Q of the best rollout, its address, the state's node.
    U is the same for a whole heap. Stale entries are dropped when they reach the top."""


class Omega(StrategyBase):
    """Monte-Carlo tree search for first wrong steps."""

    class Config(BaseModel):
        """The paper's parameters."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        rollouts: int = Field(default=8, ge=1)
        """k: rollouts of each state."""
        searches: int = Field(default=100, ge=0)
        """Maximum number of bisected rollouts."""
        alpha: float = Field(default=0.5, gt=0, le=1)
        """Preference for states whose rollouts mostly pass; lower is stronger."""
        beta: float = Field(default=0.9, gt=0, le=1)
        """Preference for short rollouts; lower is stronger."""
        length: float = Field(default=500, gt=0)
        """L: tokens in one unit of a rollout's length."""
        c_puct: float = Field(default=0.125, ge=0)
        """Weight of rarely searched states."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._memory: Memory[_Pool] = Memory(_Pool)

    @property
    def fixed_rollouts(self) -> int:
        """Number of whole rollouts, sampled regardless of outcomes."""
        return self.config.rollouts

    def propose(self, tree: Tree, pending: Sequence[Expansion]) -> list[Expansion]:
        """The next step of the current bisection, or the first step of a new one."""
        at_root = sum(e.num_rollouts for e in pending if e.parent == ROOT)
        missing = self.config.rollouts - len(tree.children(ROOT)) - at_root
        if missing > 0:
            return [Expansion(parent=ROOT, num_rollouts=missing)]
        if pending:
            return []
        pool, news = self._memory.recall(tree)
        self._count(tree, pool, news)
        while True:
            if pool.searching is None and not self._select(tree, pool):
                return []
            assert pool.searching is not None
            middle = self._middle(tree, pool, pool.searching)
            if middle is not None:
                # One child is the rollout itself; a budget may have allowed only some of the k.
                there = len(tree.children(middle)) - 1
                return [Expansion(parent=middle, num_rollouts=self.config.rollouts - there)]
            pool.searching = None

    def _count(self, tree: Tree, pool: _Pool, news: Sequence[int]) -> None:
        """Adds new rollouts to their states; in a stored tree, some were searched already."""
        touched, searched = set(), list[int]()
        for leaf in news:
            passed = tree.passed(leaf)
            if leaf in pool.seen or passed is None:
                continue
            pool.seen.add(leaf)
            own = tree.rollout(leaf)
            parent = own[0].parent
            assert parent is not None
            state = pool.states.setdefault(parent, _State(parent))
            state.trials += 1
            state.passes += passed
            if not passed and any(len(tree.children(node.id)) > 1 for node in own[:-1]):
                pool.num_searches += 1
                state.num_searches += 1
                searched.append(leaf)
            elif not passed and len(own) > 1:
                length = sum(len(node.token_ids) for node in own)
                heappush(state.wrong, (length, tree.address(leaf), leaf))
            touched.add(parent)
        for node in touched:
            self._offer(pool, pool.states[node])
        for leaf in searched:
            if self._middle(tree, pool, leaf) is not None:
                pool.searching = leaf

    def _offer(self, pool: _Pool, state: _State) -> None:
        """Makes the state's best rollout available for selection."""
        if state.is_mixed and state.wrong:
            quality, address = self._quality(state)
            heappush(pool.best[state.num_searches], (-quality, address, state.node))

    def _select(self, tree: Tree, pool: _Pool) -> bool:
        """Starts the search of the best rollout; False if there is none or no search is left."""
        if pool.num_searches >= self.config.searches:
            return False
        best: tuple[float, int] | None = None
        for num_searches, heap in pool.best.items():
            while heap and not self._holds(pool, num_searches, heap[0]):
                heappop(heap)
            if heap:
                bonus = self.config.c_puct * math.sqrt(pool.num_searches) / (1 + num_searches)
                best = max(best or (-math.inf, 0), (bonus - heap[0][0], num_searches))
        if best is None:
            return False
        _, _, node = heappop(pool.best[best[1]])
        state = pool.states[node]
        _, _, pool.searching = heappop(state.wrong)
        state.num_searches += 1
        pool.num_searches += 1
        self._offer(pool, state)
        return True

    def _holds(self, pool: _Pool, num_searches: int, entry: tuple[float, tuple[int, ...], int]) -> bool:
        state = pool.states[entry[2]]
        if state.num_searches != num_searches or not state.is_mixed or not state.wrong:
            return False
        quality, address = self._quality(state)
        return (-quality, address) == entry[:2]

    def _quality(self, state: _State) -> tuple[float, tuple[int, ...]]:
        """Q of the state's best rollout, and its address."""
        length, address, _ = state.wrong[0]
        rate = state.passes / state.trials
        config = self.config
        return config.alpha ** (1 - rate) * config.beta ** (length / config.length), address

    def _middle(self, tree: Tree, pool: _Pool, leaf: int) -> int | None:
        """The step to sample from next; None once the mistake is between two neighbours."""
        own = tree.rollout(leaf)
        right, wrong = -1, len(own) - 1
        while wrong - right > 1:
            middle = (right + wrong) // 2
            node = own[middle].id
            if len(tree.children(node)) - 1 < self.config.rollouts:
                return node
            state = pool.states.get(node)
            if state is None:
                # No rollout could be judged: this step stays unknown.
                return None
            if state.passes:
                right = middle
            else:
                wrong = middle
        return None
