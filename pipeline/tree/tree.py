"""The tree of one problem's rollouts, with their counts, verdicts and scores."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from pipeline.chat import Chat
from pipeline.tree.nodes import ROOT, Finish, Node, Rollout, Stats
from pipeline.tree.paths import Paths
from verifiers import Outcome, Verdict


class Tree(Paths):
    """All rollouts of one problem, as nodes that share prefixes, with their counts.

    Nodes are only ever added. Ids follow the order of arrival, so they depend on timing; `sorted()`
    renumbers a finished tree by its structure, which does not.
    """

    def __init__(
        self,
        prompt_token_ids: Sequence[int],
        prompt_text: str,
        seed: int = 0,
        chat: Chat | None = None,
    ) -> None:
        self.seed = seed
        """Seed of every random choice that a strategy makes in this tree."""
        self.chat = chat
        """The turns of the prompt; None if unknown."""
        root = Node(
            id=ROOT,
            parent=None,
            slot=0,
            step=0,
            token_ids=tuple(prompt_token_ids),
            text=prompt_text,
        )
        super().__init__(root)
        self.stats: list[Stats] = [Stats()]
        self.verdicts: dict[int, Verdict] = {}
        """Leaf id -> verdict on the trajectory that ends there."""
        self.scores: dict[int, float] = {}
        """Node id -> a process reward model's score of the prefix; unscored nodes are missing."""
        self.outcome_scores: dict[int, float] = {}
        """Leaf id -> an outcome reward model's score of the complete response that ends there."""
        self.cut_scores: dict[int, float] = {}
        """Node id -> the score that ended a rollout there. If the node's finish is not PRUNED, the
        rollout continued anyway, to measure what pruning loses."""
        self.scored_by: set[str] = set()
        """Reward models that have given scores."""
        self.warnings: set[str] = set()
        """Why scores are missing."""
        self.events: list[int] = []
        """Leaf ids, appended when a rollout is added and again when it is judged, so that a strategy
        can process only what is new."""
        self.num_rollouts = 0
        self.num_tokens = 0
        """Number of sampled tokens, without the prompt's."""
        self._next_slot: list[int] = [0]
        self._gaps: dict[int, list[range]] = {}
        """Node id -> slots without a child below the next slot, left by expansions that never ended."""

    def passed(self, leaf_id: int) -> bool | None:
        """Whether the trajectory passed, as a trial; None if it is not a trial."""
        verdict = self.verdicts.get(leaf_id)
        if verdict is None or not verdict.outcome.is_trial:
            return None
        if not self.is_complete(leaf_id):
            return None
        return verdict.outcome is Outcome.PASS

    def explored(self) -> list[int]:
        """Ids of the nodes at which a rollout continued although its score would have ended it."""
        return [node for node in self.cut_scores if self.nodes[node].finish is not Finish.PRUNED]

    def reserve(self, parent_id: int, num_rollouts: int) -> int:
        """Reserves `num_rollouts` slots among the children; returns the first slot.

        In a restored tree, slots of expansions that never ended come first, if they are a multiple of
        `num_rollouts`: an expansion of the same size then gets the same seed, and samples the same.
        """
        # Neighbours of one size that never ended left one gap.
        gaps = [gap for gap in self._gaps.get(parent_id, ()) if not len(gap) % num_rollouts]
        if gaps:
            gap = min(gaps, key=len)
            place = self._gaps[parent_id].index(gap)
            rest = gap[num_rollouts:]
            self._gaps[parent_id][place : place + 1] = [rest] if rest else []
            return gap.start
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
                    logprobs=step.logprobs,
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
        """Records a leaf's verdict and counts it once for every prefix of the trajectory.

        ABSTAIN and ERROR do not count, and neither do truncated responses.
        """
        if leaf_id in self.verdicts:
            raise ValueError(f"leaf {leaf_id} already has a verdict")
        self.verdicts[leaf_id] = verdict
        self.events.append(leaf_id)
        passed = self.passed(leaf_id)
        if passed is None:
            return
        for node in self._up(leaf_id):
            self.stats[node].trials += 1
            self.stats[node].passes += passed

    def withdraw(self, leaf_id: int) -> None:
        """Removes a leaf's verdict and its trial, if any, so that the leaf can be judged again."""
        passed = self.passed(leaf_id)
        self.verdicts.pop(leaf_id, None)
        if passed is None:
            return
        for node in self._up(leaf_id):
            self.stats[node].trials -= 1
            self.stats[node].passes -= passed

    def sorted(self) -> "Tree":
        """The same tree with nodes renumbered depth-first by slot, regardless of order of arrival."""
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
        """Builds a tree from nodes in order of their ids, parents first; it can be grown further.

        Raises ValueError for nodes in another order.
        """
        tree = cls(nodes[ROOT].token_ids, nodes[ROOT].text, seed, chat)
        tree.stats[ROOT] = stats[ROOT]
        for node, counts in zip(nodes[1:], stats[1:], strict=True):
            if node.id != len(tree) or node.parent is None or not 0 <= node.parent < node.id:
                raise ValueError(f"expected node {len(tree)} below an earlier one, got {node}")
            tree._append(node, counts, node.id)
            tree._next_slot[node.parent] = max(tree._next_slot[node.parent], node.slot + 1)
        tree._find_gaps()
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

    def copy(self) -> "Tree":
        """A copy that does not change when this tree grows; quick, because nodes never change."""
        tree = Tree.restore(
            self.nodes,
            [replace(stats) for stats in self.stats],
            self.verdicts,
            self.scores,
            self.seed,
            outcome_scores=self.outcome_scores,
            cut_scores=self.cut_scores,
            chat=self.chat,
        )
        tree.scored_by, tree.warnings = set(self.scored_by), set(self.warnings)
        return tree

    def _find_gaps(self) -> None:
        taken: dict[int, set[int]] = {}
        for node in self.nodes[1:]:
            assert node.parent is not None
            taken.setdefault(node.parent, set()).add(node.slot)
        for parent, slots in taken.items():
            bounds = [-1, *sorted(slots)]
            gaps = [range(a + 1, b) for a, b in pairwise(bounds) if b - a > 1]
            if gaps:
                self._gaps[parent] = gaps

    def _append(self, node: Node, stats: Stats, leaf: int) -> int:
        assert node.parent is not None
        self._link(node, leaf)
        self.stats.append(stats)
        self._next_slot.append(0)
        self.num_tokens += len(node.token_ids)
        return node.id


def _renumber(node: Node, new_id: Mapping[int, int]) -> Node:
    parent = None if node.parent is None else new_id[node.parent]
    return replace(node, id=new_id[node.id], parent=parent)
