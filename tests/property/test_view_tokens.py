"""Views that carry tokens: every path has the ids, masks and log-probabilities of the tree."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from hypothesis import given

from pipeline.datasets.encoded import EncodedTrace
from pipeline.datasets.views.rules import PreferenceOptions, ViewOptions, ViewRules
from pipeline.dispatch.scoring import as_float32
from pipeline.records import Problem, Trace, trajectories
from pipeline.tree import ROOT, Tree
from tests.conftest import make_problem
from tests.grown import trees

EVERY_PAIR = ViewRules(
    views=ViewOptions(preferences=PreferenceOptions(min_margin=0, max_per_problem=1000))
)


def rows(tree: Tree, view: str, rules: ViewRules = EVERY_PAIR) -> list[dict[str, Any]]:
    problem: Problem = make_problem()
    trace = Trace(problem=problem, seed=1, tree=tree, trajectories=trajectories(tree))
    found: list[dict[str, Any]] = EncodedTrace.of(trace, rules, [view]).batch(view).to_pylist()
    return found


def as_stored(logprobs: Iterable[float | None]) -> list[float | None]:
    """With 32 bits, as the views have them."""
    return [None if one is None else as_float32(one) for one in logprobs]


def backwards(row: dict[str, Any], token: int) -> Iterator[int]:
    """Indices of the tokens from this one to the first."""
    while token >= 0:
        yield token
        token = row["parents"][token]


@given(trees)
def test_a_packed_tree_has_every_path_and_each_prefix_once(tree: Tree) -> None:
    found = rows(tree, "packed")
    if len(tree) == 1:
        assert not found
        return
    (row,) = found
    lengths = {len(row[name]) for name in ("token_ids", "parents", "position_ids", "loss_mask")}
    assert lengths == {row["num_tokens"]}
    segments = range(len(row["segment_starts"]))
    # One segment for each prefix, in which no token is left out or has two places.
    assert len(segments) == len({tree.same_prefix(node.id)[0] for node in tree.nodes})
    covered = chain.from_iterable(
        range(row["segment_starts"][k], row["segment_starts"][k] + row["segment_lengths"][k])
        for k in segments
    )
    assert list(covered) == list(range(row["num_tokens"]))
    assert [one.leaf for one in trajectories(tree)] == row["response_leaves"]
    for leaf, segment, reward in zip(
        row["response_leaves"], row["response_segments"], row["response_rewards"], strict=True
    ):
        last = row["segment_starts"][segment] + row["segment_lengths"][segment] - 1
        path = list(backwards(row, last))[::-1]
        assert [row["token_ids"][k] for k in path] == tree.prefix_token_ids(leaf)
        assert [row["position_ids"][k] for k in path] == list(range(len(path)))
        prompt = len(tree.nodes[ROOT].token_ids)
        nodes = [tree.nodes[tree.same_prefix(node.id)[0]] for node in tree.path(leaf)[1:]]
        assert [row["loss_mask"][k] for k in path] == [False] * prompt + [True] * (len(path) - prompt)
        assert reward == (None if tree.passed(leaf) is None else float(tree.passed(leaf) or 0))
        sampled = [node.logprobs or [None] * len(node.token_ids) for node in nodes]
        stored = row["logprobs"] or [None] * row["num_tokens"]
        assert [stored[k] for k in path] == [None] * prompt + as_stored(chain.from_iterable(sampled))
        at, logprobs = segment, []
        while at > 0:
            logprobs.append(row["segment_logprobs"][at])
            at = row["segment_parents"][at]
        assert logprobs[::-1] == [node.logprob for node in nodes]


@given(trees)
def test_advantages_are_changes_of_value(tree: Tree) -> None:
    for row in rows(tree, "packed"):
        values, parents = row["segment_values"], row["segment_parents"]
        for k, advantage in enumerate(row["segment_advantages"]):
            known = k > 0 and values[k] is not None and values[parents[k]] is not None
            assert (advantage is not None) == known
            if known:
                assert abs(advantage - (values[k] - values[parents[k]])) < 1e-6
        for parent in set(parents):
            group = [
                row["segment_group_advantages"][k]
                for k in range(len(parents))
                if parents[k] == parent and row["segment_group_advantages"][k] is not None
            ]
            assert len(group) != 1
            assert abs(sum(group)) < 1e-4


@given(trees)
def test_pairs_are_two_continuations_of_one_prefix(tree: Tree) -> None:
    for row in rows(tree, "preferences"):
        for side in ("chosen", "rejected"):
            ids = tree.prefix_token_ids(row[f"{side}_node"])
            assert row["prompt_token_ids"] + row[f"{side}_token_ids"] == ids
            text = "".join(node.text for node in tree.path(row[f"{side}_node"]))
            assert row["prompt"] + row[side] == text
            assert 0 <= row[f"{side}_score"] <= 1
        assert row["margin"] >= 0
        if row["kind"] == "answer":
            assert tree.passed(row["chosen_node"]) is True
            assert tree.passed(row["rejected_node"]) is False
        else:
            assert row["chosen"] != row["rejected"]
            assert tree.nodes[row["chosen_node"]].step == row["step"]


@given(trees)
def test_outcomes_are_the_judged_responses(tree: Tree) -> None:
    found = rows(tree, "outcomes")
    judged = [leaf for leaf in tree.leaves() if tree.passed(leaf) is not None]
    assert [row["leaf"] for row in found] == judged
    for row in found:
        assert row["label"] is tree.passed(row["leaf"])
        ids = row["prompt_token_ids"] + row["response_token_ids"]
        assert ids == tree.prefix_token_ids(row["leaf"])
        assert row["response"] == tree.response(row["leaf"])


@given(trees)
def test_step_formats_end_at_the_first_wrong_step(tree: Tree) -> None:
    stepwise, shepherd, prm800k = (
        rows(tree, view) for view in ("stepwise", "math_shepherd", "prm800k")
    )
    assert len(stepwise) == len(shepherd) == len(prm800k)
    for one, signs, rated in zip(stepwise, shepherd, prm800k, strict=True):
        steps = [node.text for node in tree.path(one["leaf"])[1:]]
        assert one["completions"] == steps[: len(one["labels"])]
        assert all(one["labels"][:-1])
        ratings = [step["completions"][0]["rating"] for step in rated["label"]["steps"]]
        assert [rating == 1 for rating in ratings] == one["labels"]
        assert signs["label"].count("+") + signs["label"].count("-") >= len(steps[: len(ratings)])
        reason = rated["label"]["finish_reason"]
        assert (reason == "found_error") == (not one["labels"][-1])
        is_whole = one["status"] == "completed" and len(one["labels"]) == len(steps)
        assert (reason == "solution") == (is_whole and all(one["labels"]))


@given(trees)
def test_interchange_formats_have_every_path(tree: Tree) -> None:
    prompt = list(tree.nodes[ROOT].token_ids)
    (graph,) = rows(tree, "verifiers")
    for answer in graph["info"]["responses"]:
        at, ids, mask, logprobs = answer["node"], list[int](), list[bool](), list[float]()
        while at is not None:
            ids = graph["nodes"][at]["token_ids"] + ids
            mask = graph["nodes"][at]["mask"] + mask
            logprobs = graph["nodes"][at]["logprobs"] + logprobs
            at = graph["nodes"][at]["parent"]
        assert ids == tree.prefix_token_ids(answer["leaf"])
        assert mask == [False] * len(prompt) + [True] * (len(ids) - len(prompt))
        path = tree.path(answer["leaf"])[1:]
        assert logprobs == as_stored(chain.from_iterable(node.logprobs or () for node in path))
    documents = rows(tree, "atif")
    assert [one["extra"]["leaf"] for one in documents] == tree.leaves()
    for one in documents:
        (metrics,) = [step["metrics"] for step in one["steps"] if step["source"] == "agent"]
        ids = metrics["prompt_token_ids"] + metrics["completion_token_ids"]
        assert ids == tree.prefix_token_ids(one["extra"]["leaf"])
        sampled = [node.logprobs for node in tree.path(one["extra"]["leaf"])[1:]]
        assert (metrics["logprobs"] is None) == (None in sampled)
        assert len(metrics["logprobs"] or ()) in (0, len(metrics["completion_token_ids"]))
        assert [step["step_id"] for step in one["steps"]] == list(range(1, len(one["steps"]) + 1))
