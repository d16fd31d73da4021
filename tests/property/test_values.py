"""Values come back from the sandbox unchanged, including their types."""

import json
import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.patience import processor_time
from verifiers.code.inside.values import NoValue, decode, encode, same

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**300, max_value=10**400),
    st.floats(),
    st.text(st.characters()),
    st.binary(),
    st.complex_numbers(allow_nan=False),
    st.fractions(),
)
HASHABLE = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.tuples(inner, inner), st.frozensets(inner, max_size=3)),
    max_leaves=5,
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.sets(HASHABLE, max_size=4),
        st.dictionaries(HASHABLE, inner, max_size=4),
        st.dictionaries(st.sampled_from(["a", "$tuple", "$int", "$"]), inner, max_size=2),
    ),
    max_leaves=20,
)


def alike(left: Any, right: Any) -> bool:
    """Equal and of the same types at every depth; nan equals nan, and -0.0 differs from 0.0."""
    return type(left) is type(right) and repr(sorted_(left)) == repr(sorted_(right))


def sorted_(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return (type(value), sorted(repr(sorted_(item)) for item in value))
    if isinstance(value, dict):
        return sorted((repr(sorted_(k)), repr(sorted_(v))) for k, v in value.items())
    if isinstance(value, list | tuple):
        return type(value)(sorted_(item) for item in value)
    return value


@given(VALUES)
def test_a_value_survives_the_way_out(value: Any) -> None:
    assert alike(decode(json.loads(json.dumps(encode(value)))), value)


@given(VALUES)
def test_every_value_is_the_same_as_itself(value: Any) -> None:
    assert same(value, decode(encode(value)))


@given(st.recursive(st.none() | st.integers() | st.floats() | st.text(), lambda x: st.lists(x)))
def test_plain_json_stands_for_itself(value: Any) -> None:
    assert alike(decode(value), value)


@pytest.mark.parametrize(
    ("left", "right", "tolerance", "expected"),
    [
        (1, 1.0, 0.0, True),
        (True, 1, 0.0, True),
        (0.1 + 0.2, 0.3, 0.0, False),
        (0.1 + 0.2, 0.3, 1e-9, True),
        ([0.1 + 0.2], [0.3], 1e-9, True),
        ({"a": 0.1 + 0.2}, {"a": 0.3}, 1e-9, True),
        (1e300, 1.0000001e300, 1e-6, True),
        (math.nan, math.nan, 0.0, True),
        (math.inf, math.inf, 0.0, True),
        (math.inf, -math.inf, 1.0, False),
        (math.inf, 1e308, 1e-6, False),
        (math.nan, 1.0, 1e9, False),
        (10**400, 1.0, 1e-6, False),
        ([1, 2], (1, 2), 0.0, False),
        ([1], [1, 1], 0.0, False),
        ({1}, [1], 0.0, False),
        ("1", 1, 0.0, False),
        (None, 0, 0.0, False),
        (b"a", "a", 0.0, False),
        (0.5, "0.5", 1.0, False),
        (10**10 * (10**10 + 1) / 2, 10**10 * (10**10 + 1) // 2, 0.0, False),
        (2.0**53, 2**53 + 1, 0.0, False),
        (2.0**53, 2**53 + 1, 1e-9, True),
        (1e300, 10**300, 0.0, False),
        (1e300, 10**300, 1e-15, True),
        (10**400, 1e308, 1e9, True),
        (1.5, 2, 0.25, True),
        (1.5, 2, 0.2499999999999999, False),
        (True, 1.0000001, 0.0, False),
        (True, 1.0000001, 1e-6, True),
        (complex(2**53, 0), 2**53 + 1, 0.0, False),
        (1 + 1e-9j, 1 + 0j, 1e-6, True),
        (1 + 1e-9j, 1, 1e-6, True),
        (1 + 1e-3j, 1, 1e-6, False),
        (complex(math.nan, 1), complex(math.nan, 1), 0.0, True),
        (complex(math.inf, 1), complex(math.inf, 2), 9.0, False),
        (math.inf, 10**400, 1.0, False),
    ],
)
def test_same(left: Any, right: Any, tolerance: float, expected: bool) -> None:
    assert same(left, right, tolerance) is expected
    assert same(right, left, tolerance) is expected


@given(
    st.floats(allow_nan=False) | st.integers() | st.integers(min_value=2**53),
    st.floats(allow_nan=False),
)
def test_without_tolerance_numbers_are_equal_as_in_python(left: float, right: float) -> None:
    assert same(left, right) is (left == right)
    if abs(right) < math.inf:
        assert same(int(right) + 1, right) is (int(right) + 1 == right)


def test_a_huge_integer_does_not_hold_up_the_comparison() -> None:
    huge = 1 << 16_000_000
    with processor_time(most=10):
        for other in (0.5, 1 + 1j, 1e300):
            assert not same(huge, other, 1e-6)


def test_types_of_libraries_become_plain_values() -> None:
    from collections import Counter, OrderedDict, deque, namedtuple
    from decimal import Decimal
    from enum import IntEnum

    import numpy as np

    pair = namedtuple("pair", "a b")
    colour = IntEnum("colour", ["RED"])
    for value, plain in (
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.array([[1, 2]]), [[1, 2]]),
        (np.bool_(True), True),
        (deque([1]), [1]),
        (Counter("aa"), {"a": 2}),
        (OrderedDict(a=1), {"a": 1}),
        (pair(1, 2), (1, 2)),
        (colour.RED, 1),
        (Decimal("0.10"), Decimal("0.10")),
        (bytearray(b"x"), b"x"),
        ({"a": 1}.keys(), {"a": 1}.keys()),
        (OrderedDict(a=1).keys(), {"a": 1}.keys()),
        ({1: [2]}.items(), {1: [2]}.items()),
    ):
        assert alike(decode(encode(value)), plain), value


def test_views_of_dicts_are_views() -> None:
    content = {1: "a", (2,): ["b"]}
    assert decode(encode(content.keys())) == {1, (2,)}
    assert decode(encode(content.items())) == content.items()
    assert list(decode(encode(content.values()))) == ["a", ["b"]]
    assert decode(encode({1: 2}.items())) == {(1, 2)}


@pytest.mark.parametrize("value", [object(), int, len, open], ids=["object", "int", "len", "open"])
def test_what_is_no_value_is_refused(value: object) -> None:
    with pytest.raises(NoValue, match="cannot be compared"):
        encode(value)


@pytest.mark.parametrize(
    "encoded",
    [
        {"$int": "x"},
        {"$float": []},
        {"$set": [[1]]},
        {"$tuple": 1},
        {"$dict": [1]},
        {"$bytes": "zz"},
        {"$fraction": ["0x1", "0x0"]},
        {"$decimal": "x"},
        {"$unknown": 1},
        {"$set": [{"$int": hex(i * (2**61 - 1))} for i in range(2000)]},
    ],
    ids=lambda e: str(e)[:30],
)
def test_a_broken_encoding_is_refused(encoded: object) -> None:
    with pytest.raises(NoValue):
        decode(encoded)


def test_every_nan_is_the_same_in_sets_and_as_a_key() -> None:
    def nan() -> float:
        return float("nan")

    assert same({nan(), 1}, {nan(), 1})
    assert same(frozenset({(nan(), "a")}), frozenset({(nan(), "a")}))
    assert not same({nan(), 1}, {nan(), 2})
    assert not same({nan()}, {nan(), 1.0})
    assert not same({(nan(),)}, {(1.0,)})
    assert same({nan(): 1, nan(): 2}, {nan(): 1, nan(): 2})
    assert not same({nan(): 1}, {nan(): 2})


def test_nesting_is_bounded_both_ways() -> None:
    value: list[Any] = []
    for _ in range(500):
        value = [value]
    with pytest.raises(NoValue, match="deep"):
        encode(value)
    with pytest.raises(NoValue, match="deep"):
        decode(value)


@given(st.floats(), st.floats(), st.floats(0, 10) | st.just(1e-6))
@example(1.0, 1.0 + 1e-6, 1e-6)
@example(1e308, -1e308, 1e-6)
@example(0.1, 0.1 + 2**-60, 2.0**-60)
def test_floats_are_compared_as_exactly_as_fractions(
    left: float, right: float, tolerance: float
) -> None:
    if math.isfinite(left) and math.isfinite(right):
        a, b = Fraction(left), Fraction(right)
        expected = abs(a - b) <= Fraction(tolerance) * max(Fraction(1), abs(a), abs(b))
        assert same(left, right, tolerance) == expected
    else:
        assert same(left, right, tolerance) == (left == right or (left != left and right != right))
