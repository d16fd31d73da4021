"""Any tree, grown in any order, keeps its ids exact and sorts to the same tree."""

from dataclasses import dataclass
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from pipeline.tree import ROOT, Tree
from tests.conftest import make_rollout, make_verdict
from verifiers import Outcome


@dataclass
class Growth:
    """A rollout that some tree gets: below which earlier one, after how many steps, its texts."""

    below: int
    after: int
    steps: list[str]
    outcome: Outcome


growths = st.lists(
    st.builds(
        Growth,
        below=st.integers(0, 20),
        after=st.integers(0, 4),
        steps=st.lists(st.text("abc\n", min_size=1, max_size=4), min_size=1, max_size=4),
        outcome=st.sampled_from(Outcome),
    ),
    min_size=1,
    max_size=12,
)


def grow(plan: list[Growth], shuffle: Random) -> Tree:
    """Grows the planned tree; rollouts whose place exists come in a shuffled order."""
    tree = Tree([7, 8], "ask")
    leaves: dict[int, int] = {}
    slots: dict[int, tuple[int, int]] = {}
    waiting = list(range(len(plan)))
    while waiting:
        for number in waiting:
            growth = plan[number]
            if number not in slots and (number == 0 or growth.below % (number + 1) == number):
                slots[number] = (ROOT, tree.reserve(ROOT, 1))
            elif number not in slots and (parent := leaves.get(growth.below % (number + 1))):
                inner = tree.path(parent)[:-1]
                point = inner[growth.after % len(inner)].id
                slots[number] = (point, tree.reserve(point, 1))
        ready = [number for number in waiting if number in slots]
        shuffle.shuffle(ready)
        for number in ready:
            parent, slot = slots[number]
            leaves[number] = tree.add(parent, slot, make_rollout(*plan[number].steps))
            tree.judge(leaves[number], make_verdict(plan[number].outcome))
            waiting.remove(number)
    return tree


@given(growths, st.randoms(use_true_random=False))
def test_the_order_of_arrival_leaves_no_trace_in_a_sorted_tree(
    plan: list[Growth], shuffle: Random
) -> None:
    one, other = grow(plan, Random(0)).sorted(), grow(plan, shuffle).sorted()
    assert one.nodes == other.nodes
    assert one.stats == other.stats
    assert one.verdicts == other.verdicts


@given(growths)
def test_sorting_loses_nothing(plan: list[Growth]) -> None:
    tree = grow(plan, Random(0))
    ordered = tree.sorted()
    assert ordered.sorted().nodes == ordered.nodes
    for tree_ in (tree, ordered):
        assert [node.id for node in tree_.nodes] == list(range(len(tree_)))
        assert all(node.parent is None or node.parent < node.id for node in tree_.nodes)
    prefixes = sorted(tuple(tree.prefix_token_ids(leaf)) for leaf in tree.leaves())
    assert prefixes == sorted(tuple(ordered.prefix_token_ids(leaf)) for leaf in ordered.leaves())


@given(growths)
def test_counts_are_what_a_recount_from_the_leaves_gives(plan: list[Growth]) -> None:
    tree = grow(plan, Random(0))
    for node in tree.nodes:
        below = [leaf for leaf in tree.leaves() if node in tree.path(leaf)]
        outcomes = [tree.verdicts[leaf].outcome for leaf in below]
        stats = tree.stats[node.id]
        assert stats.visits == len(below)
        assert stats.trials == sum(outcome.is_trial for outcome in outcomes)
        assert stats.passes == outcomes.count(Outcome.PASS)
        assert (stats.value is None) == (stats.trials == 0)
