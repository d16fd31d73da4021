from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from pipeline.dispatch.scoring import as_float32
from pipeline.prune import PruneConfig, Pruner
from pipeline.prune.diversity import overlap
from pipeline.records import Decision, Stage, Status, Trajectory, trajectories
from pipeline.tree import ROOT, Finish, Tree
from tests.conftest import make_rollout, make_verdict
from verifiers import Outcome


def trajectory(
    leaf: int,
    response: str = "",
    outcome: Outcome | None = Outcome.PASS,
    status: Status = Status.COMPLETED,
    num_tokens: int = 5,
    score: float | None = None,
) -> Trajectory:
    return Trajectory(
        leaf=leaf,
        status=status,
        response=response or f"response {leaf}",
        num_tokens=num_tokens,
        verdict=None if outcome is None else make_verdict(outcome),
        score=score,
    )


def decide(*given: Trajectory, **options: Any) -> tuple[Decision, ...]:
    """Of trajectories that share no step."""
    tree = Tree([1], "?")
    for one in given:
        tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout(f"{one.leaf}: {one.response}"))
    decisions = Pruner(PruneConfig.model_validate(options)).prune(given, tree)
    assert [decision.leaf for decision in decisions] == [one.leaf for one in given]
    return decisions


def stages(*given: Trajectory, **options: Any) -> list[Stage | None]:
    return [decision.stage for decision in decide(*given, **options)]


def test_only_a_complete_response_that_passed_is_kept() -> None:
    given = [
        trajectory(1),
        trajectory(2, outcome=Outcome.FAIL),
        trajectory(3, outcome=Outcome.ABSTAIN),
        trajectory(4, outcome=Outcome.ERROR),
        trajectory(5, outcome=None, status=Status.TRUNCATED),
        trajectory(6, outcome=None, status=Status.UNFINISHED),
        trajectory(7, outcome=None, status=Status.ERROR),
        trajectory(8, outcome=None, status=Status.PRUNED),
        trajectory(9, outcome=None),
    ]
    assert stages(*given) == [
        None,
        Stage.FAILED,
        Stage.ABSTAINED,
        Stage.VERIFIER_ERROR,
        Stage.TRUNCATED,
        Stage.UNFINISHED,
        Stage.ENGINE_ERROR,
        Stage.PRUNED,
        Stage.NOT_JUDGED,
    ]
    assert [decision.kept for decision in decide(*given)] == [True] + [False] * 8


def test_a_truncated_response_that_passed_all_the_same_is_truncated() -> None:
    assert stages(trajectory(1, status=Status.TRUNCATED)) == [Stage.TRUNCATED]


def test_duplicates_differ_in_white_space_at_most() -> None:
    given = [trajectory(1, "a  b"), trajectory(2, "a\nb "), trajectory(3, "ab")]
    assert stages(*given) == [None, Stage.DUPLICATE, None]
    assert decide(*given)[1].reason == "the same text as leaf 1"


def test_near_duplicates_come_after_duplicates_and_both_can_stay() -> None:
    given = [trajectory(1, "3+4 = 7"), trajectory(2, "So **3+4=7**"), trajectory(3, "3+4 =  7")]
    assert stages(*given) == [None, Stage.NEAR_DUPLICATE, Stage.DUPLICATE]
    assert decide(*given)[1].reason == "nearly the same text as leaf 1"
    assert stages(*given, max_similarity=None) == [None, None, Stage.DUPLICATE]
    assert stages(*given, drop_duplicates=False) == [None, None, None]


def test_a_wrong_response_does_not_make_a_right_one_its_duplicate() -> None:
    given = [trajectory(1, "same", Outcome.ERROR), trajectory(2, "same")]
    assert stages(*given) == [Stage.VERIFIER_ERROR, None]


def test_long_ones_go_and_the_first_of_the_rest_stay() -> None:
    given = [
        trajectory(1, num_tokens=11),
        trajectory(2),
        trajectory(3, outcome=Outcome.FAIL),
        trajectory(4),
        trajectory(5),
    ]
    assert stages(*given, max_tokens=10, max_per_problem=2) == [
        Stage.TOO_LONG,
        None,
        Stage.FAILED,
        None,
        Stage.BEYOND_MAX,
    ]


def test_every_problem_starts_anew() -> None:
    tree = Tree([1], "?")
    leaf = tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout("response"))
    pruner = Pruner(PruneConfig(max_per_problem=1))
    for _ in range(2):
        assert [decision.kept for decision in pruner.prune([trajectory(leaf)], tree)] == [True]


def test_of_more_than_are_wanted_the_best_scored_stay() -> None:
    given = [trajectory(leaf, score=score) for leaf, score in enumerate((0.2, None, 0.9, 0.5), 1)]
    decisions = decide(*given, max_per_problem=2)
    assert [decision.kept for decision in decisions] == [False, False, True, True]
    assert [(d.stage, d.reason, d.score) for d in decisions if not d.kept] == [
        (Stage.BEYOND_MAX, "beyond the best 2", 0.2),
        (Stage.BEYOND_MAX, "beyond the most diverse 2", None),
    ]


@pytest.mark.parametrize("texts", [("x", "x"), ("x + 1", "So, x+1.")])
def test_of_two_that_are_alike_the_better_scored_stays(texts: tuple[str, str]) -> None:
    decisions = decide(trajectory(1, texts[0], score=0.2), trajectory(2, texts[1], score=0.9))
    assert [decision.kept for decision in decisions] == [False, True]


def test_a_low_score_drops_and_is_recorded_but_no_score_does_not() -> None:
    given = [trajectory(leaf, score=score) for leaf, score in enumerate((0.25, 0.5, None), 1)]
    low, *others = decide(*given, min_score=0.5)
    assert (low.stage, low.reason, low.score) == (Stage.LOW_SCORE, "score 0.250, under 0.5", 0.25)
    assert [(decision.stage, decision.score) for decision in others] == [(None, None)] * 2


def test_what_was_ended_mid_way_says_by_which_score() -> None:
    cut = replace(trajectory(1, outcome=None, status=Status.PRUNED), cut_score=0.125)
    (decision,) = decide(cut)
    assert (decision.stage, decision.reason, decision.score) == (
        Stage.PRUNED,
        "pruned midway, score 0.125",
        0.125,
    )


class Grown:
    """A tree of right responses, each a list of steps below a node."""

    def __init__(self) -> None:
        self.tree = Tree([1], "?")

    def add(self, *steps: str, below: int = ROOT, score: float | None = None) -> int:
        """The leaf."""
        rollout = make_rollout(*steps, finish=Finish.STOP)
        leaf = self.tree.add(below, self.tree.reserve(below, 1), rollout)
        self.tree.judge(leaf, make_verdict())
        if score is not None:
            self.tree.outcome_scores[leaf] = score
        return leaf

    def kept(self, number: int) -> set[int]:
        # These responses are short and alike: what is tested is the choice among them.
        config = PruneConfig(max_per_problem=number, drop_duplicates=False)
        decisions = Pruner(config).prune(trajectories(self.tree), self.tree)
        return {decision.leaf for decision in decisions if decision.kept}


def test_without_scores_those_stay_that_begin_differently() -> None:
    grown = Grown()
    first = grown.add("aa\n", "bb\n", "cc")
    after_bb = grown.tree.path(first)[2].id
    grown.add("dd", below=after_bb)
    grown.add("ee", below=after_bb)
    other = grown.add("ff\n", "gg")
    half = grown.add("hh\n", "iiii", below=grown.tree.path(first)[1].id)
    assert grown.kept(1) == {first}
    assert grown.kept(2) == {first, other}
    assert grown.kept(3) == {first, other, half}


def test_steps_of_the_same_tokens_are_shared_though_they_were_sampled_apart() -> None:
    grown = Grown()
    first = grown.add("aa\n", "bb")
    twin = grown.add("aa\n", "cccc")
    other = grown.add("dd\n", "ee")
    assert overlap(grown.tree, first, twin) == 3 / 5
    assert overlap(grown.tree, first, other) == 0
    assert overlap(grown.tree, first, first) == 1
    assert grown.kept(2) == {first, other}


def test_equal_overlaps_go_by_the_trees_order() -> None:
    grown = Grown()
    leaves = [grown.add(text) for text in ("a", "b", "c")]
    assert grown.kept(2) == set(leaves[:2])


def test_scores_come_first_and_ties_among_them_go_by_diversity() -> None:
    grown = Grown()
    best = grown.add("aa\n", "b", score=0.9)
    grown.add("aa\n", "c", score=0.5)
    tied = grown.add("dd\n", "e", score=0.5)
    unscored = grown.add("ff\n", "g")
    grown.add("ff\n", "h")
    assert grown.kept(1) == {best}
    assert grown.kept(2) == {best, tied}
    assert grown.kept(4) == grown.kept(3) | {unscored}


@pytest.mark.parametrize("bound", [0.7, 0.1, 0.5, 0.9, 1.0])
def test_a_score_that_equals_the_bound_stays_although_it_has_fewer_bits(bound: float) -> None:
    assert stages(trajectory(1, score=as_float32(bound)), min_score=bound) == [None]
    assert stages(trajectory(1, score=as_float32(bound - 0.001)), min_score=bound) == [Stage.LOW_SCORE]


def _scored(*scores: Sequence[float | None]) -> tuple[Tree, tuple[Trajectory, ...]]:
    """A tree with a passing response for each list, of a step for each score."""
    tree = Tree([1], "?")
    for number, of_steps in enumerate(scores):
        texts = [f"{number} step {place}" for place in range(len(of_steps))]
        leaf = tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout(*texts))
        tree.judge(leaf, make_verdict(Outcome.PASS))
        for node, score in zip(tree.path(leaf)[1:], of_steps, strict=True):
            if score is not None:
                tree.scores[node.id] = score
    return tree, trajectories(tree)


def test_a_response_is_as_good_as_its_worst_step() -> None:
    tree, found = _scored((0.9, 0.8), (0.99, 0.3), (0.7, 0.95))
    config = {"score_by": "steps", "drop_duplicates": False}
    best = Pruner(PruneConfig.model_validate(config | {"max_per_problem": 1})).prune(found, tree)
    assert [one.stage for one in best] == [None, Stage.BEYOND_MAX, Stage.BEYOND_MAX]
    least = Pruner(PruneConfig.model_validate(config | {"min_score": 0.7})).prune(found, tree)
    assert [one.stage for one in least] == [None, Stage.LOW_SCORE, None]
    assert least[1].reason == "score 0.300, under 0.7"


def test_a_response_with_an_unscored_step_has_no_score() -> None:
    tree, found = _scored((0.9, None), (0.2, 0.9))
    config = PruneConfig(score_by="steps", drop_duplicates=False, min_score=0.5)
    assert [one.stage for one in Pruner(config).prune(found, tree)] == [None, Stage.LOW_SCORE]


def test_step_scores_decide_only_if_asked_for() -> None:
    tree, found = _scored((0.2,), (0.9,))
    config = PruneConfig(drop_duplicates=False, min_score=0.5)
    assert [one.stage for one in Pruner(config).prune(found, tree)] == [None, None]


def test_rules_at_their_defaults_are_hashed_as_before_there_were_new_ones() -> None:
    assert not {"quality", "score_by"} & PruneConfig().dump().keys()
    assert PruneConfig(score_by="steps").dump()["score_by"] == "steps"
