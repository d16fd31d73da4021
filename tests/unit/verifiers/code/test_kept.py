"""The cache that is bounded by the size of its values."""

from verifiers.code.kept import Kept


def test_the_least_recently_used_is_evicted_first() -> None:
    kept: Kept[str] = Kept(10)
    for key in "abc":
        kept.put(key, key.upper(), 3)
    assert kept.get("a") == "A"
    kept.put("d", "D", 4)
    assert [kept.get(key) for key in "abcd"] == ["A", None, "C", "D"]


def test_the_newest_is_kept_for_any_size_and_a_value_can_be_replaced() -> None:
    kept: Kept[int] = Kept(10)
    kept.put("a", 1, 3)
    kept.put("b", 2, 100)
    assert (kept.get("a"), kept.get("b")) == (None, 2)
    kept.put("b", 3, 5)
    kept.put("c", 4, 5)
    assert (kept.get("b"), kept.get("c")) == (3, 4)
