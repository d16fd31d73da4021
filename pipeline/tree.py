"""The tree of one problem's rollouts, exact to the token.

A node holds the very ids that were sampled, a prefix is the walk of nodes from the root, and nothing
is ever tokenised a second time. Unknown is None: a node without trials has no value, not 0.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from verifiers import Outcome, Verdict

ROOT = 0
"""The id of every tree's root, the node that holds the prompt."""


class Finish(StrEnum):
    """Why an engine stopped sampling."""

    STOP = "stop"
    """The model ended its response, or a stop string came: the response is complete."""
    LENGTH = "length"
    """The token limit was reached: the response is truncated."""
    ABORT = "abort"
    """The engine gave up on the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a response: a run of sampled tokens."""

    token_ids: tuple[int, ...]
    text: str
    logprob: float | None
    """Sum of the sampled tokens' log-probabilities; None where the engine gives none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One sampled continuation, cut into steps."""

    steps: tuple[Step, ...]
    finish: Finish
    model_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A step in a tree. The prefix it stands for is the walk from the root to it."""

    id: int
    parent: int | None
    """None for the root alone."""
    slot: int
    """Place among the parent's children, fixed when the rollout was proposed, not when it came."""
    step: int
    """Distance from the root, whose step 0 is the prompt."""
    token_ids: tuple[int, ...]
    """Only the ids that this node adds to its parent's prefix."""
    text: str
    logprob: float | None = None
    finish: Finish | None = None
    """Set on the last node of a rollout, None on every other."""
    model_version: str | None = None
    """Of the model that sampled it; None for the prompt."""


@dataclass(slots=True)
class Stats:
    """Monte-Carlo counts of one node, over every rollout that passes through it."""

    visits: int = 0
    trials: int = 0
    """Completed rollouts whose verdict was PASS or FAIL."""
    passes: int = 0

    @property
    def value(self) -> float | None:
        """Share of trials that passed; None without a trial."""
        return self.passes / self.trials if self.trials else None


class Tree:
    """All rollouts of one problem, as nodes that share prefixes, with their counts.

    Nodes are only ever added. Ids are given in order of arrival, so they depend on timing;
    `sorted()` renumbers a finished tree by structure, which does not.
    """

    def __init__(self, prompt_token_ids: Sequence[int], prompt_text: str, seed: int = 0) -> None:
        self.seed = seed
        """Source of every random choice a strategy makes in this tree."""
        root = Node(
            id=ROOT,
            parent=None,
            slot=0,
            step=0,
            token_ids=tuple(prompt_token_ids),
            text=prompt_text,
        )
        self.nodes: list[Node] = [root]
        self.stats: list[Stats] = [Stats()]
        self.verdicts: dict[int, Verdict] = {}
        """Leaf id -> verdict on the trajectory that ends there."""
        self._children: list[list[int]] = [[]]
        self._next_slot: list[int] = [0]

    def __len__(self) -> int:
        return len(self.nodes)

    def children(self, node_id: int) -> Sequence[int]:
        """Ids of the node's children, in order of arrival."""
        return self._children[node_id]

    def path(self, node_id: int) -> list[Node]:
        """Nodes from the root to `node_id`, both included."""
        walk = [self.nodes[node_id]]
        while (parent := walk[-1].parent) is not None:
            walk.append(self.nodes[parent])
        walk.reverse()
        return walk

    def prefix_token_ids(self, node_id: int) -> list[int]:
        """The exact ids from the prompt's first to the node's last."""
        return [token for node in self.path(node_id) for token in node.token_ids]

    def address(self, node_id: int) -> tuple[int, ...]:
        """The node's slots from the root down: an identity that does not depend on timing."""
        return tuple(node.slot for node in self.path(node_id)[1:])

    def leaves(self) -> list[int]:
        """Ids of the nodes at which a rollout ended."""
        return [node.id for node in self.nodes if node.finish is not None]

    def response(self, leaf_id: int) -> str:
        """The text of a trajectory, without the prompt."""
        return "".join(node.text for node in self.path(leaf_id)[1:])

    def reserve(self, parent_id: int, num_rollouts: int) -> int:
        """Takes `num_rollouts` places among the children; returns the first one's slot."""
        slot = self._next_slot[parent_id]
        self._next_slot[parent_id] += num_rollouts
        return slot

    def add(self, parent_id: int, slot: int, rollout: Rollout) -> int:
        """Adds a rollout below `parent_id` as a chain of nodes; returns the id of its leaf."""
        if not rollout.steps:
            raise ValueError("expected a rollout of at least one step, got none")
        node_id = parent_id
        last = len(rollout.steps) - 1
        for index, step in enumerate(rollout.steps):
            node_id = self._append(
                Node(
                    id=len(self.nodes),
                    parent=node_id,
                    slot=slot if index == 0 else self.reserve(node_id, 1),
                    step=self.nodes[node_id].step + 1,
                    token_ids=step.token_ids,
                    text=step.text,
                    logprob=step.logprob,
                    finish=rollout.finish if index == last else None,
                    model_version=rollout.model_version,
                )
            )
        for node in self._up(node_id):
            self.stats[node].visits += 1
        return node_id

    def judge(self, leaf_id: int, verdict: Verdict) -> None:
        """Records a leaf's verdict and counts it, once, for every prefix of the trajectory.

        ABSTAIN and ERROR count for nothing, and neither does a response that was cut off.
        """
        if leaf_id in self.verdicts:
            raise ValueError(f"leaf {leaf_id} has a verdict already")
        self.verdicts[leaf_id] = verdict
        if not verdict.outcome.is_trial or self.nodes[leaf_id].finish is not Finish.STOP:
            return
        for node in self._up(leaf_id):
            self.stats[node].trials += 1
            self.stats[node].passes += verdict.outcome is Outcome.PASS

    def sorted(self) -> "Tree":
        """The same tree with nodes renumbered depth first by slot, whatever the order of arrival."""
        root = self.nodes[ROOT]
        ordered = Tree(root.token_ids, root.text, self.seed)
        ordered.stats[ROOT] = self.stats[ROOT]
        new_id = {ROOT: ROOT}
        for old in self._depth_first():
            node = self.nodes[old]
            if node.parent is not None:
                new_id[old] = ordered._append(
                    replace(node, id=len(ordered.nodes), parent=new_id[node.parent])
                )
                ordered.stats[new_id[old]] = self.stats[old]
            ordered._next_slot[new_id[old]] = self._next_slot[old]
        ordered.verdicts = {new_id[leaf]: self.verdicts[leaf] for leaf in self.verdicts}
        ordered.verdicts = dict(sorted(ordered.verdicts.items()))
        return ordered

    def _append(self, node: Node) -> int:
        assert node.parent is not None
        self.nodes.append(node)
        self.stats.append(Stats())
        self._children.append([])
        self._next_slot.append(0)
        self._children[node.parent].append(node.id)
        return node.id

    def _up(self, node_id: int) -> Iterator[int]:
        """Ids from the node to the root."""
        current: int | None = node_id
        while current is not None:
            yield current
            current = self.nodes[current].parent

    def _depth_first(self) -> Iterator[int]:
        stack = [ROOT]
        while stack:
            node_id = stack.pop()
            yield node_id
            by_slot = sorted(self._children[node_id], key=lambda child: self.nodes[child].slot)
            stack.extend(reversed(by_slot))
