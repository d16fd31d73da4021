"""Joins neighbours in a long series, so that memory and charts stay small and no total is lost."""

import math
from typing import Generic, Protocol, Self, TypeVar

MOST = 120
"""Most items of a series."""


class Joinable(Protocol):
    """An item that can be joined with the next one."""

    def joined(self, later: Self) -> Self:
        """Both as one."""
        ...


Item = TypeVar("Item", bound=Joinable)


class Thinned(Generic[Item]):
    """A series that is joined in groups of equal size as it grows."""

    def __init__(self) -> None:
        self._found: list[Item] = []
        self._open: Item | None = None
        self._num_open = 0
        self._group = 1

    def add(self, item: Item) -> None:
        """Adds an item at the end."""
        self._open = item if self._open is None else self._open.joined(item)
        self._num_open += 1
        if self._num_open == self._group:
            self._found.append(self._open)
            self._open, self._num_open = None, 0
        if len(self._found) == 2 * MOST:
            self._found = _grouped(self._found, 2)
            self._group *= 2

    def items(self) -> list[Item]:
        """The series, of at most MOST items."""
        found = self._found if self._open is None else [*self._found, self._open]
        return _grouped(found, max(1, math.ceil(len(found) / MOST)))


def _grouped(items: list[Item], size: int) -> list[Item]:
    grouped = []
    for place in range(0, len(items), size):
        first, *rest = items[place : place + size]
        for one in rest:
            first = first.joined(one)
        grouped.append(first)
    return grouped
