"""`adaptive`: samples each rollout where it should improve the labels most, per token.

    1. sample a few rollouts of the whole problem; more, up to a limit, while none passes
    2. sample nothing more for those that pass: their steps are taken to be right
    3. for a failed rollout, keep the posterior over its first wrong step
       (`pipeline/labels/first_error.py`), and sample from the step whose next rollouts raise the
       probability of naming it correctly most, relative to their expected tokens
    4. stop with a trajectory when no rollout is worth its tokens, or its rollouts are used up;
       stop with a problem that is solved (nothing failed) or hopeless (nothing passes)

So a failed trajectory costs a noisy binary search instead of k completions of each step. Trajectories
that begin with the same tokens form a group and learn from each other's rollouts. A group decides once
all its requested rollouts are finished. Groups do not wait for each other, so unless a budget runs out,
the tree does not depend on timing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field

from pipeline.labels.first_error import AtPrefix, Trials, first_error, trials_at_root
from pipeline.search import Expansion
from pipeline.search.base import StrategyBase
from pipeline.search.memory import Memory
from pipeline.tree import ROOT, Tree


@dataclass(frozen=True, slots=True)
class _Probe:
    """The best next place to sample from on a failed trajectory."""

    node: int
    gain_per_token: float
    address: tuple[int, ...]


@dataclass(slots=True)
class _Known:
    """Cached knowledge of a tree."""

    num_whole: int = 0
    """Finished rollouts of the whole problem at the last update of the probes."""
    at_root: Trials = field(default_factory=Trials)
    """Their outcomes."""
    probes: dict[int, list[_Probe]] = field(default_factory=dict)
    """Group -> the best probes of its unsettled failed trajectories, best first. A group's key is the
    lowest id among the first nodes that its trajectories share."""


class Adaptive(StrategyBase):
    """Labels the steps of whole rollouts with as few tokens as possible."""

    class Config(BaseModel):
        """Options of `adaptive`."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        rollouts: int = Field(default=8, ge=1)
        """Rollouts of the whole problem, whose steps are labelled."""
        hopeless_after: int = Field(default=32, ge=1)
        """Whole rollouts without a pass after which the search gives the problem up."""
        siblings: int = Field(default=1, ge=1)
        """Rollouts sampled together from a step; more need fewer rounds but are less informative per
        token."""
        confidence: float = Field(default=0.99, gt=0, lt=1)
        """Probability of the first wrong step at which its trajectory is settled."""
        min_gain: float = Field(default=0.01, ge=0)
        """Least rise in the probability of the most likely first wrong step, per tokens of one
        trajectory, that justifies more rollouts. Lower values are more accurate and cost more."""
        probes: int = Field(default=24, ge=0)
        """Maximum number of rollouts from the steps of one trajectory."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._memory: Memory[_Known] = Memory(_Known)

    @property
    def fixed_rollouts(self) -> int:
        """Number of whole rollouts, sampled regardless of outcomes."""
        return self.config.rollouts

    def propose(self, tree: Tree, pending: Sequence[Expansion]) -> list[Expansion]:
        """Missing rollouts at the root, then the best probe of each trajectory without pending ones."""
        known, news = self._memory.recall(tree)
        at_root = sum(e.num_rollouts for e in pending if e.parent == ROOT)
        missing = self._missing_at_root(tree, at_root)
        if missing or at_root:
            # How much a failure says depends on the pass rate of the whole problem.
            return [Expansion(parent=ROOT, num_rollouts=missing)] if missing else []
        self._catch_up(tree, known, news)
        waiting = {_group(tree, e.parent) for e in pending}
        ready = [p for group, probes in known.probes.items() if group not in waiting for p in probes]
        ready.sort(key=lambda probe: (-probe.gain_per_token, probe.address))
        return [Expansion(parent=p.node, num_rollouts=self.config.siblings) for p in ready]

    def _missing_at_root(self, tree: Tree, at_root: int) -> int:
        """Number of whole rollouts to request; it doubles each time while none passes."""
        there = len(tree.children(ROOT))
        if there + at_root < self.config.rollouts:
            return self.config.rollouts - there - at_root
        if at_root or tree.stats[ROOT].passes:
            return 0
        return max(0, min(there, self.config.hopeless_after - there))

    def _catch_up(self, tree: Tree, known: _Known, news: Sequence[int]) -> None:
        """Updates the probes of the groups that have new leaves."""
        touched = {_group(tree, leaf) for leaf in news}
        if known.num_whole != len(tree.children(ROOT)):
            known.num_whole = len(tree.children(ROOT))
            known.at_root = trials_at_root(tree)
            touched = {tree.same_prefix(child)[0] for child in tree.children(ROOT)}
        for group in touched:
            known.probes.pop(group, None)
            if known.at_root.passes and (probes := self._probes(tree, group, known.at_root)):
                known.probes[group] = probes

    def _probes(self, tree: Tree, group: int, at_root: Trials) -> list[_Probe]:
        """The best probe of each of the group's trajectories, without duplicates of a prefix."""
        probes, cache = dict[int, _Probe](), dict[int, AtPrefix]()
        for first in tree.same_prefix(group):
            if (probe := self._probe(tree, first, at_root, cache)) is not None:
                probes.setdefault(tree.same_prefix(probe.node)[0], probe)
        return list(probes.values())

    def _probe(
        self, tree: Tree, first: int, at_root: Trials, cache: dict[int, AtPrefix]
    ) -> _Probe | None:
        """The best probe of a trajectory; None if it is settled or cannot be probed."""
        leaf = tree.leaf_of(first)
        used = tree.stats[first].visits - 1
        path = tree.path(leaf)
        if tree.passed(leaf) is not False or len(path) == 2 or used >= self.config.probes:
            return None
        if tree.nodes[first].slot >= self.config.rollouts:
            # It was sampled only because none of the first passed.
            return None
        posterior = first_error(tree, path, at_root, cache)
        _, certainty = posterior.most_likely()
        if certainty >= self.config.confidence:
            return None
        length = tree.num_response_tokens(leaf)

        def value(index: int) -> float:
            left = length - tree.num_response_tokens(path[index + 1].id)
            return posterior.gain(index) / (left + 1)

        best = max(range(len(path) - 2), key=value)
        if value(best) * length < self.config.min_gain:
            return None
        node = path[best + 1].id
        return _Probe(node=node, gain_per_token=value(best), address=tree.address(node))


def _group(tree: Tree, node_id: int) -> int:
    """The group of the trajectories through this node."""
    while (parent := tree.nodes[node_id].parent) != ROOT:
        assert parent is not None, "the root is on no trajectory"
        node_id = parent
    return tree.same_prefix(node_id)[0]
