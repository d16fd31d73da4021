"""A cache bounded by the size of its values."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

V = TypeVar("V")


class Kept(Generic[V]):
    """The most recently used values, up to `most_bytes` in all; the newest is always kept."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._values: OrderedDict[Hashable, tuple[V, int]] = OrderedDict()
        self._num_bytes = 0

    def get(self, key: Hashable) -> V | None:
        """The value, or None if it is not cached."""
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key][0]

    def put(self, key: Hashable, value: V, num_bytes: int) -> None:
        """Adds a value, and evicts the least recently used ones."""
        _, before = self._values.pop(key, (None, 0))
        self._values[key] = (value, num_bytes)
        self._num_bytes += num_bytes - before
        while self._num_bytes > self._most_bytes and len(self._values) > 1:
            _, (_, size) = self._values.popitem(last=False)
            self._num_bytes -= size
