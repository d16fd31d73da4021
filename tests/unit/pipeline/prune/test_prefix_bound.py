"""The most that a prefix cache of whole blocks can serve, as benchmarks/cache.py counts it."""

from typing import Any

import pytest

from benchmarks.cache import bound, sequences
from pipeline.datasets.encoded import EncodedTrace, decode
from pipeline.prune import PruneConfig, Pruner
from pipeline.records import Trace, trajectories
from pipeline.tree import ROOT, Tree
from tests.conftest import make_problem, make_rollout


def ids(start: int, num_tokens: int) -> list[int]:
    return list(range(start, start + num_tokens))


@pytest.mark.parametrize(
    ("num_tokens", "served"), [(1, 0), (4, 0), (5, 4), (8, 4), (9, 8), (12, 8), (13, 12)]
)
def test_of_siblings_one_pays_and_the_last_token_is_never_served(num_tokens: int, served: int) -> None:
    prefix = ids(0, num_tokens)
    assert bound([(prefix, [100])], 4) == 0
    assert bound([(prefix, [100]), (prefix, [200]), (prefix, [300])], 4) == 2 * served


def test_a_branch_is_served_what_its_rollout_has_sampled_but_for_the_last_token() -> None:
    parent = (ids(0, 6), ids(6, 6))
    assert bound([parent, (ids(0, 10), [1])], 4) == 8
    assert bound([parent, ([*ids(0, 12), 99], [1])], 4) == 8


def test_a_block_counts_only_after_the_same_beginning() -> None:
    assert bound([(ids(0, 9), [1]), ([50, *ids(1, 8)], [1])], 4) == 0
    assert bound([(ids(0, 9), [1]), ([*ids(0, 4), *ids(90, 5)], [1])], 4) == 4


def test_the_order_of_problems_makes_no_difference() -> None:
    one, other = (ids(0, 9), [1]), ([*ids(0, 4), *ids(90, 9)], [2])
    runs = [[one, one, other, other], [other, one, other, one], [other, other, one, one]]
    assert [bound(run, 4) for run in runs] == [8 + 4 + 12] * 3


def rows_of(tree: Tree) -> list[dict[str, Any]]:
    tree = tree.sorted()
    found = trajectories(tree)
    trace = Trace(
        problem=make_problem(),
        seed=0,
        tree=tree,
        trajectories=found,
        decisions=Pruner(PruneConfig()).prune(found, tree),
    )
    rows: list[dict[str, Any]] = decode("trees", [EncodedTrace.of(trace)]).to_pylist()
    return rows


def test_the_sequences_of_a_tree_are_what_was_asked_of_the_engine() -> None:
    tree = Tree(tuple(map(ord, "Q:")), "Q:", 0)
    slot = tree.reserve(ROOT, 2)
    leaf = tree.add(ROOT, slot, make_rollout("a", "b", "c"))
    tree.add(ROOT, slot + 1, make_rollout("d"))
    point = tree.path(leaf)[1].id
    more = tree.reserve(point, 2)
    branch = tree.add(point, more, make_rollout("e", "f"))
    tree.add(point, more + 1, make_rollout("g"))
    inner = tree.path(branch)[2].id
    tree.add(inner, tree.reserve(inner, 1), make_rollout("h"))

    found = [("".join(map(chr, p)), "".join(map(chr, s))) for p, s in sequences(rows_of(tree))]
    assert found == [
        ("Q:", "abc"),
        ("Q:a", "ef"),
        ("Q:ae", "h"),
        ("Q:a", "g"),
        ("Q:", "d"),
    ]
