"""The tree of one problem's rollouts, exact to the token.

A node holds the very ids that were sampled, a prefix is the walk of nodes from the root, and nothing
is ever tokenised a second time. Unknown is None: a node without trials has no value, not 0.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from pipeline.chat import Chat
from verifiers import Outcome, Verdict

ROOT = 0
"""The id of every tree's root, the node that holds the prompt."""


class Finish(StrEnum):
    """Why an engine stopped sampling."""

    STOP = "stop"
    """The model ended its response, or a stop string came: the response is complete."""
    STEP = "step"
    """A step ended and no more was asked for: the response can go on from here."""
    LENGTH = "length"
    """The token limit was reached: the response is truncated."""
    ABORT = "abort"
    """The engine gave up on the request."""
    PRUNED = "pruned"
    """A reward model's score ended it after a step: how it would have ended is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a response: a run of sampled tokens."""

    token_ids: tuple[int, ...]
    text: str
    logprob: float | None
    """Sum of the sampled tokens' log-probabilities; None where the engine gives none."""
    max_surprisal: float | None = None
    """-log p of its least likely token, in nats; None where the engine gives no log-probabilities."""


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
    max_surprisal: float | None = None
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
    truncated: int = 0
    """Rollouts that were cut off; they are no trials."""

    @property
    def value(self) -> float | None:
        """Share of trials that passed; None without a trial."""
        return self.passes / self.trials if self.trials else None


class Tree:
    """All rollouts of one problem, as nodes that share prefixes, with their counts.

    Nodes are only ever added. Ids are given in order of arrival, so they depend on timing;
    `sorted()` renumbers a finished tree by structure, which does not.
    """

    def __init__(
        self,
        prompt_token_ids: Sequence[int],
        prompt_text: str,
        seed: int = 0,
        chat: Chat | None = None,
    ) -> None:
        self.seed = seed
        """Source of every random choice a strategy makes in this tree."""
        self.chat = chat
        """The turns that the prompt was made of; None where they are unknown."""
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
        self.scores: dict[int, float] = {}
        """Node id -> a process reward model's score of the prefix; a node not in here is unscored."""
        self.outcome_scores: dict[int, float] = {}
        """Leaf id -> an outcome reward model's score of the complete response that ends there."""
        self.cut_scores: dict[int, float] = {}
        """Node id -> the score that ended a rollout there, or would have: one whose node does not
        finish as PRUNED went on all the same, so that it can be seen what is lost."""
        self.events: list[int] = []
        """Leaf ids: one whenever a rollout is added, again when it is judged. Only ever appended to,
        so that a strategy can look at what is new alone."""
        self.num_rollouts = 0
        self.num_tokens = 0
        """Sampled, the prompt's not counted."""
        self._children: list[list[int]] = [[]]
        self._next_slot: list[int] = [0]
        self._num_tokens: list[int] = [0]
        """Node id -> sampled tokens from the root to its end."""
        self._leaf: list[int | None] = [None]
        """Node id -> leaf of the rollout that sampled the node; None for the root."""
        self._twins: list[list[int]] = [[ROOT]]
        """Node id -> all nodes of the same prefix, in one list that they share."""
        self._by_prefix: dict[tuple[int, tuple[int, ...]], list[int]] = {}
        """First twin of the parent, and the ids that a node adds -> the nodes of that prefix."""

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
        """Ids of the nodes at which a trajectory ends."""
        return [node.id for node in self.nodes if self.is_leaf(node.id)]

    def is_leaf(self, node_id: int) -> bool:
        """Whether a rollout ended here and did not go on."""
        finish = self.nodes[node_id].finish
        return finish is not None and (finish is not Finish.STEP or not self._children[node_id])

    def leaf_of(self, node_id: int) -> int:
        """The leaf of the rollout that sampled this node. Raises ValueError for the root."""
        leaf = self._leaf[node_id]
        if leaf is None:
            raise ValueError("expected a node that was sampled, got the root")
        return leaf

    def rollout(self, leaf_id: int) -> list[Node]:
        """The nodes that the rollout which ends here sampled itself, in order."""
        own = []
        node = self.nodes[leaf_id]
        while self._leaf[node.id] == leaf_id and node.parent is not None:
            own.append(node)
            node = self.nodes[node.parent]
        own.reverse()
        return own

    def twins(self, node_id: int) -> Sequence[int]:
        """Ids of the nodes whose prefix is the same tokens, cut into the same steps; its own too.

        Each rollout is a chain of nodes of its own: two that begin alike have twins as far as they do.
        """
        return self._twins[node_id]

    def num_response_tokens(self, node_id: int) -> int:
        """Sampled tokens from the response's first to the node's last."""
        return self._num_tokens[node_id]

    def passed(self, leaf_id: int) -> bool | None:
        """The trajectory's outcome as a trial; None where it is none."""
        verdict = self.verdicts.get(leaf_id)
        if verdict is None or not verdict.outcome.is_trial:
            return None
        if self.nodes[leaf_id].finish is not Finish.STOP:
            return None
        return verdict.outcome is Outcome.PASS

    def explored(self) -> list[int]:
        """Ids of the nodes at which a rollout went on although its score would have ended it."""
        return [node for node in self.cut_scores if self.nodes[node].finish is not Finish.PRUNED]

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
        leaf = len(self.nodes) + last
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
                    max_surprisal=step.max_surprisal,
                    finish=rollout.finish if index == last else None,
                    model_version=rollout.model_version,
                ),
                Stats(),
                leaf,
            )
        for node in self._up(leaf):
            self.stats[node].visits += 1
            self.stats[node].truncated += rollout.finish is Finish.LENGTH
        self.num_rollouts += 1
        self.events.append(leaf)
        return leaf

    def judge(self, leaf_id: int, verdict: Verdict) -> None:
        """Records a leaf's verdict and counts it, once, for every prefix of the trajectory.

        ABSTAIN and ERROR count for nothing, and neither does a response that was cut off.
        """
        if leaf_id in self.verdicts:
            raise ValueError(f"leaf {leaf_id} has a verdict already")
        self.verdicts[leaf_id] = verdict
        self.events.append(leaf_id)
        passed = self.passed(leaf_id)
        if passed is None:
            return
        for node in self._up(leaf_id):
            self.stats[node].trials += 1
            self.stats[node].passes += passed

    def withdraw(self, leaf_id: int) -> None:
        """Takes a leaf's verdict back, if it has one, and its trial with it: it can be judged anew."""
        passed = self.passed(leaf_id)
        self.verdicts.pop(leaf_id, None)
        if passed is None:
            return
        for node in self._up(leaf_id):
            self.stats[node].trials -= 1
            self.stats[node].passes -= passed

    def sorted(self) -> "Tree":
        """The same tree with nodes renumbered depth first by slot, whatever the order of arrival."""
        order = list(self._depth_first())
        new_id = {old: new for new, old in enumerate(order)}
        return Tree.restore(
            [_renumber(self.nodes[old], new_id) for old in order],
            [self.stats[old] for old in order],
            {new_id[leaf]: verdict for leaf, verdict in self.verdicts.items()},
            {new_id[node]: score for node, score in self.scores.items()},
            self.seed,
            outcome_scores={new_id[leaf]: score for leaf, score in self.outcome_scores.items()},
            cut_scores={new_id[node]: score for node, score in self.cut_scores.items()},
            chat=self.chat,
        )

    @classmethod
    def restore(
        cls,
        nodes: Sequence[Node],
        stats: Sequence[Stats],
        verdicts: Mapping[int, Verdict],
        scores: Mapping[int, float],
        seed: int,
        *,
        outcome_scores: Mapping[int, float] | None = None,
        cut_scores: Mapping[int, float] | None = None,
        chat: Chat | None = None,
    ) -> "Tree":
        """A tree of nodes in order of their ids, parents first, to be looked at or grown further.

        Raises ValueError for nodes in another order, which are no tree.
        """
        tree = cls(nodes[ROOT].token_ids, nodes[ROOT].text, seed, chat)
        tree.stats[ROOT] = stats[ROOT]
        for node, counts in zip(nodes[1:], stats[1:], strict=True):
            if node.id != len(tree) or node.parent is None or not 0 <= node.parent < node.id:
                raise ValueError(f"expected node {len(tree)} below an earlier one, got {node}")
            tree._append(node, counts, node.id)
            tree._next_slot[node.parent] = max(tree._next_slot[node.parent], node.slot + 1)
        for node in reversed(nodes[1:]):
            if node.finish is None:
                tree._leaf[node.id] = tree._leaf[tree._own_next(node.id)]
            else:
                tree.num_rollouts += 1
                tree.events.append(node.id)
        tree.events.reverse()
        tree.verdicts = dict(sorted(verdicts.items()))
        tree.scores = dict(sorted(scores.items()))
        tree.outcome_scores = dict(sorted((outcome_scores or {}).items()))
        tree.cut_scores = dict(sorted((cut_scores or {}).items()))
        return tree

    def _own_next(self, node_id: int) -> int:
        """The next node of the same rollout."""
        for child in self._children[node_id]:
            if self.nodes[child].slot == 0:
                return child
        raise ValueError(f"node {node_id} ends no rollout, and none goes on from it")

    def _append(self, node: Node, stats: Stats, leaf: int) -> int:
        assert node.parent is not None
        self.nodes.append(node)
        self.stats.append(stats)
        self._children.append([])
        self._next_slot.append(0)
        self._num_tokens.append(self._num_tokens[node.parent] + len(node.token_ids))
        self._leaf.append(leaf)
        prefix = self._twins[node.parent][0], node.token_ids
        twins = self._by_prefix.setdefault(prefix, [])
        twins.append(node.id)
        self._twins.append(twins)
        self._children[node.parent].append(node.id)
        self.num_tokens += len(node.token_ids)
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


def _renumber(node: Node, new_id: Mapping[int, int]) -> Node:
    parent = None if node.parent is None else new_id[node.parent]
    return replace(node, id=new_id[node.id], parent=parent)
