"""Caches a strategy's results about each tree, so that it does not have to search the whole tree again.

The cache holds nothing that does not follow from the tree: without it, a strategy makes the same
proposals, only more slowly.
"""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from pipeline.tree import Tree

State = TypeVar("State")


class Memory(Generic[State]):
    """One state for each live tree; `make` creates the state of a new tree."""

    def __init__(self, make: Callable[[], State]) -> None:
        self._make = make
        self._states: WeakKeyDictionary[Tree, tuple[State, int]] = WeakKeyDictionary()

    def recall(self, tree: Tree) -> tuple[State, Sequence[int]]:
        """The tree's state, and the leaves added or judged since the last call."""
        state, seen = self._states.get(tree) or (self._make(), 0)
        self._states[tree] = state, len(tree.events)
        return state, tree.events[seen:]
