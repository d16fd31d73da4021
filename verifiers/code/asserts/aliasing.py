"""Which values a program has in hand, so that it may change them while tests are read outside.

Outside there are copies. Python's tests see what a program does to a list that it was given, or that it
returned and kept; a copy does not change. So every mutable value has a time until which it can be used:
an argument until its call, a result or an iterator until the next call. Whoever uses one later, or
gives the same one twice, is told NotReadable.
"""

from collections.abc import ItemsView, Iterable, Iterator, KeysView, ValuesView
from dataclasses import dataclass, field
from typing import Any

from verifiers.code.asserts.operations import NotReadable

_VIEWS = (KeysView, ItemsView, ValuesView)
_MOST_PARTS = 1_000_000
"""Looked at in all, a fraction of a second's work."""


@dataclass
class Lending:
    """The values of one reading of the tests."""

    _num_calls: int = 0
    _until: dict[int, tuple[object, int]] = field(default_factory=dict)
    """By id: the value, held so that no other gets its id, and how many calls leave it as it is."""
    _num_parts: int = 0

    def give(self, args: Iterable[object]) -> None:
        """Begins a call with these arguments. Raises NotReadable if the program has one already."""
        for part in self._mutable_parts(args):
            if id(part) in self._until:
                raise NotReadable("a call is given what the program may have changed, or has twice")
            self._until[id(part)] = (part, self._num_calls)
        self._num_calls += 1

    def take(self, value: object) -> None:
        """A result of the last call, or an iterator, which looks at values while it is used."""
        for part in self._mutable_parts([value]):
            self._until[id(part)] = (part, self._num_calls)

    def check_unchanged(self, values: Iterable[object]) -> None:
        """Raises NotReadable if the program may have changed one of the values, or a part of it."""
        if not self._until:
            return
        for part in self._mutable_parts(values):
            if self._until.get(id(part), (part, self._num_calls))[1] < self._num_calls:
                raise NotReadable("a value is used that the program may have changed")

    def check_not_given(self, value: object) -> None:
        """Raises NotReadable if the program has the value itself, which a loop goes through."""
        if id(value) in self._until:
            raise NotReadable("a loop goes through what the program may have changed")

    def _mutable_parts(self, values: Iterable[Any]) -> Iterator[object]:
        waiting = list(values)
        while waiting:
            value = waiting.pop()
            self._num_parts += 1
            if self._num_parts > _MOST_PARTS:
                raise NotReadable("the tests handle too many values")
            if isinstance(value, (list, set, dict, *_VIEWS, Iterator)):
                yield value
            if isinstance(value, dict):
                waiting += [*value.keys(), *value.values()]
            elif isinstance(value, (list, tuple, set, frozenset, *_VIEWS)):
                waiting += list(value)
