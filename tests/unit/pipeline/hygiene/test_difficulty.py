"""The window of pass rates, and the balance of groups."""

import pytest

from pipeline.datasets.cleaned import DropRule
from pipeline.hygiene.difficulty import Measured, outside_window, unbalanced
from pipeline.hygiene.rules import BalanceRule, DifficultyRule, HygieneConfig


def measured(name: str, right: int, known: int, domain: str = "math") -> Measured:
    return Measured(
        problem_id=name,
        domain=domain,
        source="file",
        num_right=right,
        num_samples=known,
        models=("m",),
        num_tokens=90,
    )


PROBLEMS = [
    measured("never", 0, 8),
    measured("once", 1, 8),
    measured("half", 4, 8),
    measured("always", 8, 8),
    measured("unknown", 0, 0),
]


def test_problems_outside_the_window_are_dropped_with_what_was_measured() -> None:
    rule = DifficultyRule(min_pass_rate=0.1, max_pass_rate=0.9)
    drops = list(outside_window(PROBLEMS, rule, 0.95))
    assert [(drop.problem_id, drop.rule) for drop in drops] == [
        ("never", DropRule.TOO_HARD),
        ("always", DropRule.TOO_EASY),
    ]
    assert drops[0].reason == "0 of 8 rollouts are right (0.00, 0.00 to 0.26; m, 90 tokens), under 0.1"


def test_only_if_certain_keeps_what_may_be_inside() -> None:
    rule = DifficultyRule(min_pass_rate=0.1, max_pass_rate=0.9, only_if_certain=True)
    assert list(outside_window(PROBLEMS, rule, 0.95)) == []
    many = [measured("never", 0, 800)]
    assert [drop.problem_id for drop in outside_window(many, rule, 0.95)] == ["never"]


def test_a_bound_is_inside() -> None:
    rule = DifficultyRule(min_pass_rate=0.5, max_pass_rate=0.5)
    drops = {drop.problem_id for drop in outside_window(PROBLEMS, rule, 0.95)}
    assert drops == {"never", "once", "always"}


def test_groups_are_limited_by_number_and_by_ratio() -> None:
    problems = [
        *(measured(f"math{number}", 1, 2) for number in range(10)),
        *(measured(f"code{number}", 1, 2, "code") for number in range(3)),
    ]

    def kept(**rule: object) -> dict[str, int]:
        dropped = {
            drop.problem_id for drop in unbalanced(problems, BalanceRule.model_validate(rule), seed=1)
        }
        left = [problem.domain for problem in problems if problem.problem_id not in dropped]
        return {domain: left.count(domain) for domain in ("math", "code")}

    assert kept(by=["domain"], max_problems=4) == {"math": 4, "code": 3}
    assert kept(by=["domain"], max_ratio=2) == {"math": 6, "code": 3}
    assert kept(by=["domain", "difficulty"], max_ratio=1) == {"math": 3, "code": 3}
    assert kept(by=["difficulty"], max_problems=100, max_ratio=1) == {"math": 10, "code": 3}


def test_the_seed_draws_and_the_order_does_not_matter() -> None:
    problems = [measured(f"p{number}", 1, 2) for number in range(40)]
    rule = BalanceRule(max_problems=10)

    def dropped(seed: int, given: list[Measured]) -> set[str]:
        return {drop.problem_id for drop in unbalanced(given, rule, seed)}

    assert dropped(1, problems) == dropped(1, problems[::-1])
    assert dropped(1, problems) != dropped(2, problems)
    assert list(unbalanced([], rule, 1)) == []


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"balance": {}}, "expected max_problems or max_ratio, got neither"),
        ({"difficulty": {"min_pass_rate": 0.5, "max_pass_rate": 0.2}}, "at most max_pass_rate"),
    ],
)
def test_rules_that_cannot_be_meant_are_refused(section: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HygieneConfig.model_validate(section)
