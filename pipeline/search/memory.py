"""What a strategy has worked out about each tree, so that it need not look at all of a tree again.

It holds nothing that the tree does not say: a strategy without its memory proposes the same, later.
"""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from pipeline.tree import Tree

State = TypeVar("State")


class Memory(Generic[State]):
    """One state for each tree that is alive, made by `make` for a tree not seen before."""

    def __init__(self, make: Callable[[], State]) -> None:
        self._make = make
        self._states: WeakKeyDictionary[Tree, tuple[State, int]] = WeakKeyDictionary()

    def recall(self, tree: Tree) -> tuple[State, Sequence[int]]:
        """The tree's state, and the leaves that were added or judged since the last call."""
        state, seen = self._states.get(tree) or (self._make(), 0)
        self._states[tree] = state, len(tree.events)
        return state, tree.events[seen:]
