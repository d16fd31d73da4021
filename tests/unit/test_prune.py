from dataclasses import replace

from pipeline.prune import PruneConfig, Pruner
from pipeline.records import Status, Trajectory
from tests.conftest import make_verdict
from verifiers import Outcome


def trajectory(
    leaf: int,
    response: str = "",
    outcome: Outcome | None = Outcome.PASS,
    status: Status = Status.COMPLETED,
    num_tokens: int = 5,
) -> Trajectory:
    return Trajectory(
        leaf=leaf,
        status=status,
        response=response or f"response {leaf}",
        num_tokens=num_tokens,
        verdict=None if outcome is None else make_verdict(outcome),
    )


def prune(*trajectories: Trajectory, **options: object) -> list[tuple[str, bool, str]]:
    decisions = Pruner(PruneConfig.model_validate(options)).prune(trajectories)
    assert [decision.leaf for decision in decisions] == [t.leaf for t in trajectories]
    return [(decision.stage, decision.kept, decision.reason) for decision in decisions]


def test_only_a_complete_response_that_passed_is_kept() -> None:
    decisions = prune(
        trajectory(1),
        trajectory(2, outcome=Outcome.FAIL),
        trajectory(3, outcome=Outcome.ABSTAIN),
        trajectory(4, outcome=Outcome.ERROR),
        trajectory(5, outcome=None, status=Status.TRUNCATED),
        trajectory(6, status=Status.TRUNCATED),
        trajectory(7, outcome=None),
    )
    assert [kept for _, kept, _ in decisions] == [True] + [False] * 6
    assert [reason for *_, reason in decisions][1:] == [
        "fail",
        "abstain",
        "error",
        "truncated",
        "truncated",
        "not judged",
    ]


def test_duplicates_differ_in_white_space_at_most() -> None:
    decisions = prune(trajectory(1, "a  b"), trajectory(2, "a\nb "), trajectory(3, "ab"))
    assert [stage for stage, kept, _ in decisions if not kept] == ["duplicate"]
    assert all(
        kept for _, kept, _ in prune(trajectory(1, "a"), trajectory(2, "a"), drop_duplicates=False)
    )


def test_a_wrong_response_does_not_make_a_right_one_its_duplicate() -> None:
    decisions = prune(trajectory(1, "same", Outcome.ERROR), trajectory(2, "same"))
    assert [kept for _, kept, _ in decisions] == [False, True]


def test_long_ones_go_and_the_first_of_the_rest_stay() -> None:
    decisions = prune(
        trajectory(1, num_tokens=11),
        trajectory(2),
        trajectory(3, outcome=Outcome.FAIL),
        trajectory(4),
        trajectory(5),
        max_tokens=10,
        max_per_problem=2,
    )
    assert [stage for stage, kept, _ in decisions if not kept] == [
        "too_long",
        "unverified",
        "beyond_max",
    ]
    assert [kept for _, kept, _ in decisions] == [False, True, False, True, False]


def test_every_problem_starts_anew() -> None:
    pruner = Pruner(PruneConfig(max_per_problem=1))
    for _ in range(2):
        assert [decision.kept for decision in pruner.prune([trajectory(1)])] == [True]


def scored(leaf: int, score: float | None, response: str = "") -> Trajectory:
    return replace(trajectory(leaf, response), score=score)


def test_of_more_than_are_wanted_the_best_scored_stay() -> None:
    some = [scored(1, 0.2), scored(2, None), scored(3, 0.9), scored(4, 0.5)]
    decisions = Pruner(PruneConfig(max_per_problem=2)).prune(some)
    assert [decision.kept for decision in decisions] == [False, False, True, True]
    assert [(d.stage, d.reason, d.score) for d in decisions if not d.kept] == [
        ("beyond_max", "beyond the best 2", 0.2),
        ("beyond_max", "beyond the first 2", None),
    ]


def test_of_two_that_are_alike_the_better_scored_stays() -> None:
    decisions = Pruner(PruneConfig()).prune([scored(1, 0.2, "x"), scored(2, 0.9, "x")])
    assert [decision.kept for decision in decisions] == [False, True]


def test_a_low_score_drops_and_is_recorded_but_no_score_does_not() -> None:
    decisions = Pruner(PruneConfig(min_score=0.5)).prune(
        [scored(1, 0.25), scored(2, 0.5), scored(3, None)]
    )
    assert [decision.kept for decision in decisions] == [False, True, True]
    assert decisions[0].stage == "low_score"
    assert decisions[0].reason == "scored 0.250, under 0.5"
    assert decisions[0].score == 0.25


def test_without_scores_the_order_is_the_trees() -> None:
    decisions = prune(trajectory(1), trajectory(2), trajectory(3), max_per_problem=2)
    assert [kept for _, kept, _ in decisions] == [True, True, False]


def test_what_was_ended_mid_way_says_by_which_score() -> None:
    cut = replace(trajectory(1, outcome=None, status=Status.PRUNED), cut_score=0.125)
    (decision,) = Pruner(PruneConfig()).prune([cut])
    assert (decision.stage, decision.kept, decision.score) == ("branch", False, 0.125)
    assert decision.reason == "pruned mid-way, scored 0.125"
