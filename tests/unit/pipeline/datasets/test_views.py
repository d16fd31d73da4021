"""Views of a small tree, worked out by hand."""

from typing import Any

import pytest

from pipeline.datasets.encoded import EncodedTrace
from pipeline.datasets.views.rules import PreferenceOptions, ViewOptions, ViewRules
from pipeline.labels.step_labels import LabelConfig
from pipeline.prune import PruneConfig, Pruner
from pipeline.records import Trace, trajectories
from pipeline.tree import ROOT, Finish, Tree
from tests.conftest import make_problem, make_rollout, make_verdict
from verifiers import Outcome, Verdict

PASS, FAIL = Outcome.PASS, Outcome.FAIL


def grown() -> Tree:
    """The prompt "ask" (7, 8); after the shared step "a", "b" passes twice and "c" fails twice.

    A fifth rollout begins with "a", too, by itself, and is cut off.
    """
    tree = Tree((7, 8), "ask")
    first = tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout("a", "b", "x", logprob=-0.5))
    tree.judge(first, make_verdict(PASS))
    shared = tree.children(ROOT)[0]
    after_b = tree.children(shared)[0]
    tree.judge(
        tree.add(after_b, tree.reserve(after_b, 1), make_rollout("y", logprob=-0.5)), make_verdict(PASS)
    )
    wrong = tree.add(shared, tree.reserve(shared, 1), make_rollout("c", "z", logprob=-0.5))
    tree.judge(wrong, make_verdict(FAIL))
    after_c = tree.children(shared)[1]
    tree.judge(
        tree.add(after_c, tree.reserve(after_c, 1), make_rollout("w", logprob=-0.5)), make_verdict(FAIL)
    )
    cut = make_rollout("a", "b", finish=Finish.LENGTH, logprob=-0.5)
    tree.add(ROOT, tree.reserve(ROOT, 1), cut)
    return tree.sorted()


def rows(view: str, tree: Tree | None = None, rules: ViewRules | None = None) -> list[dict[str, Any]]:
    tree = tree or grown()
    found = trajectories(tree)
    trace = Trace(
        problem=make_problem(),
        seed=1,
        tree=tree,
        trajectories=found,
        decisions=Pruner(PruneConfig()).prune(found, tree),
    )
    encoded = EncodedTrace.of(trace, rules or ViewRules(), [view])
    listed: list[dict[str, Any]] = encoded.batch(view).to_pylist()
    return listed


def voted(*shares: tuple[str, Outcome]) -> Tree:
    """Responses to a problem without a gold answer, with the verdicts of a vote."""
    tree = Tree((7, 8), "ask")
    for answer, outcome in shares:
        leaf = tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout(answer))
        evidence = {"share": 0.75, "votes": 3.0, "classes": 2, "consensus": "5"}
        tree.judge(
            leaf,
            Verdict(
                outcome=outcome,
                reason="-",
                extracted=answer,
                evidence=evidence,
                verifier="consensus",
                version="1",
            ),
        )
    return tree


def test_outcomes() -> None:
    found = rows("outcomes")
    assert [(row["response"], row["label"]) for row in found] == [
        ("abx", True),
        ("aby", True),
        ("acz", False),
        ("acw", False),
    ]
    assert found[0]["response_token_ids"] == [ord("a"), ord("b"), ord("x")]
    assert sum(row["sampling_weight"] for row in found) == pytest.approx(0.5)
    rules = ViewRules(labels=LabelConfig(truncated_fails=True))
    assert [row["label"] for row in rows("outcomes", rules=rules)] == [True, True, False, False, False]


def test_a_packed_tree() -> None:
    (row,) = rows("packed")
    # The cut-off rollout shares "a" and "b" with the first one, and adds nothing.
    assert row["token_ids"] == [7, 8, *map(ord, "abxyczw")]
    assert row["parents"] == [-1, 0, 1, 2, 3, 3, 2, 6, 6]
    assert row["position_ids"] == [0, 1, 2, 3, 4, 4, 3, 4, 4]
    assert row["loss_mask"] == [False] * 2 + [True] * 7
    assert row["segment_parents"] == [-1, 0, 1, 2, 2, 1, 5, 5]
    # The only judged rollout from the prompt passed; of those that sampled or left "a", one of two.
    assert row["segment_values"] == [1, 0.5, 1, 1, 1, 0, 0, 0]
    assert row["segment_trials"] == [1, 2, 2, 1, 1, 2, 1, 1]
    assert row["segment_advantages"] == [None, -0.5, 0.5, 0, 0, -0.5, 0, 0]
    assert row["segment_group_advantages"] == [None, None, 1, 0, 0, -1, 0, 0]
    assert row["response_rewards"] == [1, 1, 0, 0, None]
    assert row["response_segments"] == [3, 4, 6, 7, 2]
    assert row["segment_logprobs"] == [None] + [-0.5] * 7


def test_pairs_of_steps() -> None:
    (pair,) = (row for row in rows("preferences") if row["kind"] == "step")
    assert (pair["prompt"], pair["chosen"], pair["rejected"]) == ("aska", "b", "c")
    assert (pair["chosen_score"], pair["rejected_score"]) == pytest.approx((2.5 / 3, 0.5 / 3))
    assert pair["margin"] == pytest.approx(2 / 3)
    assert pair["step"] == 2
    few = ViewRules(views=ViewOptions(preferences=PreferenceOptions(min_margin=0.7)))
    assert not [row for row in rows("preferences", rules=few) if row["kind"] == "step"]


def test_pairs_of_answers_use_each_response_once() -> None:
    found = [row for row in rows("preferences") if row["kind"] == "answer"]
    assert [row["chosen"] for row in found] == ["aby", "abx"]  # the surest first
    assert [row["rejected"] for row in found] == ["acz", "acw"]
    assert 1 > found[0]["margin"] > found[1]["margin"] > 0.9
    assert all(row["rejected_score"] == 0 and row["chosen_score"] == row["margin"] for row in found)
    assert all(row["prompt"] == "ask" and row["step"] is None for row in found)


def test_a_step_below_which_a_search_looked_for_mistakes_keeps_its_pass_rate() -> None:
    """Twenty failures start after a wrong step below it; they say nothing about the step itself."""
    tree = Tree((7, 8), "ask")
    for text, outcome in (("good", PASS), ("bad", FAIL)):
        leaf = tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout(text, "x", "y"))
        tree.judge(leaf, make_verdict(outcome))
    good, bad = tree.children(ROOT)
    for start, outcome in ((good, PASS), (bad, FAIL)):
        leaf = tree.add(start, tree.reserve(start, 1), make_rollout("z"))
        tree.judge(leaf, make_verdict(outcome))
    doubtful = tree.children(good)[0]
    for _ in range(20):
        leaf = tree.add(doubtful, tree.reserve(doubtful, 1), make_rollout("w"))
        tree.judge(leaf, make_verdict(FAIL))
    pairs = [row for row in rows("preferences", tree.sorted()) if row["kind"] == "step"]
    assert ("good", "bad") in [(row["chosen"], row["rejected"]) for row in pairs]


def test_repeated_responses_make_one_pair() -> None:
    tree = Tree((7, 8), "ask")
    for text, outcome in (("a", PASS), ("a", PASS), ("b", FAIL), ("b", FAIL)):
        leaf = tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout(text))
        tree.judge(leaf, make_verdict(outcome))
    found = [row for row in rows("preferences", tree) if row["kind"] == "answer"]
    assert [(row["chosen"], row["rejected"]) for row in found] == [("a", "b")]


def test_a_problem_without_failures_has_no_pairs() -> None:
    tree = Tree((7, 8), "ask")
    for text in ("a", "b"):
        leaf = tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout(text))
        tree.judge(leaf, make_verdict(PASS))
    assert rows("preferences", tree) == []


def test_the_answer_of_the_majority() -> None:
    tree = voted(("5", PASS), ("5", PASS), ("6", FAIL), ("5", PASS))
    (row,) = rows("majority", tree)
    assert (row["answer"], row["vote_share"]) == ("5", 0.75)
    assert (row["num_responses"], row["num_agreeing"], row["num_answers"]) == (4, 3, 2)
    assert row["response"] == "5"
    assert rows("majority") == []  # a problem with a gold answer
    assert rows("majority", voted(("5", Outcome.ABSTAIN), ("6", Outcome.ABSTAIN))) == []


def test_step_labels_in_other_formats() -> None:
    found = {tuple(row["completions"]): row["labels"] for row in rows("stepwise")}
    assert found["a", "b", "x"] == [True, True, True]
    assert found["a", "c"] == [True, False]
    shepherd, _ = (row for row in rows("math_shepherd") if row["label"].endswith("Step 2: c -"))
    assert shepherd["label"] == "What is 2 + 3? Step 1: a +\nStep 2: c -"
    assert shepherd["input"] == "What is 2 + 3? Step 1: a \u043a\u0438\nStep 2: c \u043a\u0438"
    rated = [
        [step["completions"][0]["rating"] for step in row["label"]["steps"]] for row in rows("prm800k")
    ]
    assert [1, -1] in rated
    reasons = {row["label"]["finish_reason"] for row in rows("prm800k")}
    assert {"solution", "found_error"} <= reasons
