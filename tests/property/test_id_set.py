"""The compact set of ids is a set."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.problems import id_set
from pipeline.problems.id_set import IdSet

KEYS = st.one_of(
    st.integers(0, 2**64 - 1),
    st.integers(0, 60),
    st.sampled_from([0, 1, 2**56 - 1, 2**56, 2**63, 2**64 - 1]),
)
STEPS = st.lists(st.one_of(KEYS, st.lists(KEYS, max_size=20)), max_size=60)


@pytest.fixture(autouse=True)
def _merge_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(id_set, "_FEWEST_PENDING", 3)


@given(steps=STEPS, asked=st.lists(KEYS, max_size=20))
@settings(max_examples=150, deadline=None)
def test_it_is_a_set(steps: list[int | list[int]], asked: list[int]) -> None:
    """A step adds one key, or many at once."""
    expected: set[int] = set()
    keys = IdSet()
    for step in steps:
        if isinstance(step, list):
            keys.update(np.array(step, dtype=np.uint64))
            expected.update(step)
        else:
            assert keys.add(step) == (step not in expected)
            expected.add(step)
        assert len(keys) == len(expected)
    for key in [*asked, *expected]:
        assert (key in keys) == (key in expected)


def test_many_keys_take_ten_bytes_each() -> None:
    import tracemalloc

    made = np.random.default_rng(0).integers(0, 2**64, 100_000, dtype=np.uint64).tolist()
    tracemalloc.start()
    keys = IdSet()
    for key in made:
        keys.add(key)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(keys) == 100_000
    assert taken / 100_000 < 20
