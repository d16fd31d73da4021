"""Chains of the view `backtracking`: tokens of the tree, spans and masks that cover all of them."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.datasets.views.rules import BacktrackingOptions
from pipeline.derive.backtracking.chains import Chain, Span, control, spliced
from pipeline.derive.backtracking.rows import chain_row
from pipeline.derive.backtracking.splices import Splice, find_splices
from pipeline.records import Trace, trajectories
from pipeline.tree import Tree
from tests.conftest import make_problem, make_rollout, make_verdict
from tests.grown import trees
from verifiers import Outcome

EVERY = BacktrackingOptions(min_margin=0.01, max_wrong=0.49, max_per_problem=1000)
NOTICE = "No."


def _with_a_splice(tree: Tree, below: int, num_wrong: int) -> Tree:
    """The tree with a right branch and a wrong one somewhere."""
    parents = [node.id for node in tree.nodes if tree.can_go_on(node.id)]
    parent = parents[below % len(parents)]
    ways = [("right\n", "end", Outcome.PASS)] * 2 + [("wrong\n", "end", Outcome.FAIL)] * num_wrong
    for first, last, outcome in ways:
        leaf = tree.add(parent, tree.reserve(parent, 1), make_rollout(first, last))
        tree.judge(leaf, make_verdict(outcome))
    return tree.sorted()


branching = st.builds(_with_a_splice, trees, st.integers(0, 1000), st.integers(1, 3))


def row(tree: Tree, splice: Splice, spans: list[Span], *, train_opening: bool = True) -> dict[str, Any]:
    trace = Trace(problem=make_problem(), seed=1, tree=tree, trajectories=trajectories(tree))
    chain = Chain(
        mode="spliced",
        splice=splice,
        spans=tuple(spans),
        verdict=make_verdict(),
        model_version="m",
        seed=1,
    )
    return chain_row(trace, chain, train_opening=train_opening)


def parts(row: dict[str, Any], kind: str) -> list[list[int]]:
    """The tokens of each span of a kind."""
    return [
        row["token_ids"][span["start"] : span["start"] + span["length"]]
        for span in row["spans"]
        if span["kind"] == kind
    ]


@given(branching)
def test_chains_are_of_the_trees_tokens(tree: Tree) -> None:
    splices = find_splices(tree, EVERY)
    assert splices
    for splice in splices:
        chain = row(tree, splice, spliced(splice, NOTICE, lambda text: tuple(map(ord, text))))
        plain = row(tree, splice, control(splice))
        prompt = tree.nodes[0].token_ids
        prefix = tree.prefix_token_ids(chain["prefix_node"])
        right = tree.prefix_token_ids(chain["leaf"])
        wrong = tree.nodes[chain["wrong_nodes"][0]]
        assert plain["token_ids"] == right
        assert right[: len(prefix)] == prefix
        assert tree.passed(chain["leaf"]) is True
        assert parts(chain, "prompt") == [list(prompt)]
        assert parts(chain, "prefix") == [prefix[len(prompt) :]] * (len(prefix) > len(prompt))
        assert parts(chain, "tail") == parts(plain, "tail") == [right[len(prefix) :]]
        (detour,) = parts(chain, "detour")
        assert tree.prefix_token_ids(wrong.id)[: len(prefix)] == prefix
        assert tuple(detour[: len(wrong.token_ids)]) == wrong.token_ids
        assert chain["detour_tokens"] == [len(detour)]
        assert chain["step"] == wrong.step == tree.nodes[chain["right_node"]].step
        assert tree.nodes[chain["right_node"]].text != wrong.text
        assert 0 < chain["margin"] <= 1


@given(branching)
def test_spans_and_masks_cover_every_token_once(tree: Tree) -> None:
    splices = find_splices(tree, EVERY)
    assert splices
    for splice in splices:
        spans = spliced(splice, NOTICE, lambda text: tuple(map(ord, text)))
        for train_opening in (True, False):
            chain = row(tree, splice, spans, train_opening=train_opening)
            masked = {"prompt", "detour"} | (set() if train_opening else {"opening"})
            position = 0
            for span in chain["spans"]:
                assert span["start"] == position
                assert span["length"] > 0
                assert span["in_loss"] == (span["kind"] not in masked)
                position += span["length"]
                assert chain["loss_mask"][span["start"] : position] == (
                    [span["in_loss"]] * span["length"]
                )
            assert position == len(chain["token_ids"]) == len(chain["loss_mask"])
            assert chain["num_tokens"] == position - len(tree.nodes[0].token_ids)
            kinds = [span["kind"] for span in chain["spans"] if span["kind"] != "prefix"]
            assert kinds == ["prompt", "detour", "opening", "tail"]


@given(branching)
def test_detours_never_end_a_response(tree: Tree) -> None:
    for splice in find_splices(tree, EVERY):
        for detour in splice.detours:
            assert all(not tree.is_leaf(node.id) for node in detour.nodes)
