"""Values that two processes share: both sides always see the same, as in one process."""

import collections
import copy
import json
import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from verifiers.code.inside.carrying import Carrier
from verifiers.code.inside.standin_registry import StandIns

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**60)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(max_size=5)
    | st.fractions()
    | st.decimals(allow_nan=False)
    | st.datetimes()
    | st.timedeltas()
    | st.complex_numbers(allow_nan=False)
)
KEYS = st.integers() | st.text(max_size=3) | st.tuples(st.integers(), st.text(max_size=2))
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.sets(KEYS, max_size=4)
        | st.frozensets(KEYS, max_size=4)
        | st.tuples(inner, inner)
        | st.lists(inner, max_size=3).map(collections.deque)
        | st.dictionaries(KEYS, inner, max_size=3).map(collections.OrderedDict)
        | st.lists(KEYS, max_size=4).map(collections.Counter)
    ),
    max_leaves=12,
)


class Side:
    """One of two carriers, and the values that it holds."""

    def __init__(self, number: int) -> None:
        self.carrier = Carrier(number, StandIns(None))
        self.held: list[Any] = []

    def send(self, value: Any, other: "Side") -> Any:
        """The other side's copy of a value."""
        encoded = self.carrier.encode(value)
        del value
        message = json.loads(json.dumps([encoded, *self.carrier.changes()]))
        other.carrier.apply(message[1])
        received = other.carrier.decode(message[0])
        other.carrier.drop(message[2])
        return received


def same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and repr(one) == repr(other)


@given(VALUES)
def test_a_value_arrives_as_it_was(value: Any) -> None:
    here, there = Side(0), Side(1)
    received = here.send(value, there)
    assert same(received, value) or received == value
    assert type(received) is type(value)


@given(st.lists(VALUES, max_size=5))
def test_what_nobody_holds_is_not_kept(values: list[Any]) -> None:
    here, there = Side(0), Side(1)
    for value in values:
        here.send([copy.deepcopy(value)], there)
    for _ in range(3):
        there.send(None, here)
        here.send(None, there)
    assert (here.carrier._shared, there.carrier._shared) == ({}, {})
    assert (here.carrier._keys, there.carrier._keys) == ({}, {})


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["append", "pop", "clear", "nest", "replace", "send"]),
        st.integers(0, 3),
        st.booleans(),
        st.integers(0, 9),
    ),
    max_size=25,
)


@given(CHANGES)
def test_both_sides_see_each_others_changes(changes: list[tuple[str, int, bool, int]]) -> None:
    """Compares with lists that are changed within one process."""
    sides = (Side(0), Side(1))
    model: list[list[Any]] = [[] for _ in range(4)]
    lists: tuple[list[Any], ...] = ([[] for _ in range(4)], [])
    lists[1].extend(sides[0].send(lists[0], sides[1]))
    for what, which, at_one, number in changes:
        side, other = (1, 0) if at_one else (0, 1)
        for target in (model, lists[side]):
            change(target, what, which, number)
        # The other side sees it once it gets control.
        sides[side].send(None, sides[other])
        assert repr(lists[other]) == repr(model)
        assert repr(lists[side]) == repr(model)


def change(lists: list[Any], what: str, which: int, number: int) -> None:
    one = lists[which]
    if what == "append":
        one.append(number)
    elif what == "pop" and one:
        one.pop()
    elif what == "clear":
        one.clear()
    elif what == "nest" and which != number % 4 and number % 4 > which:
        # Only one way, or they would contain themselves.
        one.append(lists[number % 4])
    elif what == "replace":
        one[:] = [[number], *one[:2]]


@given(st.floats())
def test_every_float_arrives(value: float) -> None:
    received = Side(0).send(value, Side(1))
    assert received == value or (math.isnan(received) and math.isnan(value))
