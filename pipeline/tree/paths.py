"""Navigation in a tree: paths, prefixes, leaves, rollouts, nodes of the same prefix."""

from collections.abc import Iterator, Sequence

from pipeline.tree.nodes import ROOT, Finish, Node


class Paths:
    """The nodes of a tree and their relations."""

    def __init__(self, root: Node) -> None:
        self.nodes: list[Node] = [root]
        self._children: list[list[int]] = [[]]
        self._num_tokens: list[int] = [0]
        """Node id -> number of sampled tokens from the root to its end."""
        self._leaf: list[int | None] = [None]
        """Node id -> leaf of the rollout that sampled the node; None for the root."""
        self._same_prefix: list[list[int]] = [[ROOT]]
        """Node id -> all nodes of the same prefix, in a list shared by them."""
        self._by_prefix: dict[tuple[int, tuple[int, ...]], list[int]] = {}
        """(First node of the parent's prefix, token ids of the node) -> the nodes of that prefix."""

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
        """All token ids from the prompt's first to the node's last."""
        return [token for node in self.path(node_id) for token in node.token_ids]

    def address(self, node_id: int) -> tuple[int, ...]:
        """The slots on the path from the root: an identity that does not depend on timing."""
        return tuple(node.slot for node in self.path(node_id)[1:])

    def leaves(self) -> list[int]:
        """Ids of the nodes at which a trajectory ends."""
        return [node.id for node in self.nodes if self.is_leaf(node.id)]

    def is_leaf(self, node_id: int) -> bool:
        """Whether a rollout ended here and was not continued."""
        finish = self.nodes[node_id].finish
        return finish is not None and (finish is not Finish.STEP or not self._children[node_id])

    def is_complete(self, leaf_id: int) -> bool:
        """Whether the response that ends here is complete: neither cut off nor ended on its way."""
        return self.nodes[leaf_id].finish is Finish.STOP

    def complete_leaves(self) -> list[int]:
        """Ids of the nodes at which a complete response ends."""
        return [node.id for node in self.nodes if self.is_complete(node.id)]

    def can_go_on(self, node_id: int) -> bool:
        """Whether a rollout can start at the end of this node."""
        return self.nodes[node_id].finish in (None, Finish.STEP)

    def children_by_slot(self, node_id: int) -> list[int]:
        """Ids of the node's children, in an order that does not depend on timing."""
        return sorted(self._children[node_id], key=lambda child: self.nodes[child].slot)

    def leaf_of(self, node_id: int) -> int:
        """The leaf of the rollout that sampled this node. Raises ValueError for the root."""
        leaf = self._leaf[node_id]
        if leaf is None:
            raise ValueError("expected a node that was sampled, got the root")
        return leaf

    def rollout(self, leaf_id: int) -> list[Node]:
        """The nodes sampled by the rollout that ends here, in order."""
        own = []
        node = self.nodes[leaf_id]
        while self._leaf[node.id] == leaf_id and node.parent is not None:
            own.append(node)
            node = self.nodes[node.parent]
        own.reverse()
        return own

    def same_prefix(self, node_id: int) -> Sequence[int]:
        """Ids of the nodes whose prefix has the same tokens and steps, including the node itself.

        Each rollout has its own chain of nodes, so rollouts that begin with the same steps have several
        nodes for one prefix.
        """
        return self._same_prefix[node_id]

    def num_response_tokens(self, node_id: int) -> int:
        """Number of sampled tokens from the response's first to the node's last."""
        return self._num_tokens[node_id]

    def response(self, leaf_id: int) -> str:
        """The text of a trajectory, without the prompt."""
        return "".join(node.text for node in self.path(leaf_id)[1:])

    def _up(self, node_id: int) -> Iterator[int]:
        """Ids on the path from the node up to the root."""
        current: int | None = node_id
        while current is not None:
            yield current
            current = self.nodes[current].parent

    def _depth_first(self) -> Iterator[int]:
        stack = [ROOT]
        while stack:
            node_id = stack.pop()
            yield node_id
            stack.extend(reversed(self.children_by_slot(node_id)))

    def _own_next(self, node_id: int) -> int:
        """The next node of the same rollout."""
        for child in self._children[node_id]:
            if self.nodes[child].slot == 0:
                return child
        raise ValueError(f"expected node {node_id} to end a rollout or have a next node, got neither")

    def _link(self, node: Node, leaf: int) -> None:
        """Adds a node below its parent, as part of the rollout that ends at `leaf`."""
        assert node.parent is not None
        self.nodes.append(node)
        self._children.append([])
        self._num_tokens.append(self._num_tokens[node.parent] + len(node.token_ids))
        self._leaf.append(leaf)
        prefix = self._same_prefix[node.parent][0], node.token_ids
        nodes = self._by_prefix.setdefault(prefix, [])
        nodes.append(node.id)
        self._same_prefix.append(nodes)
        self._children[node.parent].append(node.id)
