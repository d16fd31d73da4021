"""Drops problems that are too hard or too easy, and limits the problems of each group."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.datasets.cleaned import DropRule
from pipeline.datasets.counts import pass_rate_range
from pipeline.hashing import digest_json
from pipeline.hygiene.drops import Drop
from pipeline.hygiene.rules import BalanceRule, DifficultyRule
from pipeline.labels.step_labels import credible_interval

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a run measured of a problem."""

    problem_id: str
    domain: str
    source: str
    num_right: int
    num_samples: int
    """Rollouts of the whole problem that are known to be right or not."""
    models: tuple[str, ...]
    """Models that sampled them."""
    num_tokens: int
    """Sampled tokens of all its rollouts."""

    @property
    def trait(self) -> dict[str, str]:
        """The traits by which problems are grouped."""
        known = self.num_samples
        difficulty = pass_rate_range(self.num_right, known) if known else UNKNOWN
        return {"domain": self.domain, "source": self.source, "difficulty": difficulty}


def outside_window(problems: Sequence[Measured], rule: DifficultyRule, mass: float) -> Iterator[Drop]:
    """Drops problems whose pass rate is outside the window; `mass` is that of the credible interval."""
    for problem in problems:
        if not problem.num_samples:
            continue
        rate = problem.num_right / problem.num_samples
        interval = credible_interval(problem.num_right, problem.num_samples, mass)
        low, high = (interval.low, interval.high) if rule.only_if_certain else (rate, rate)
        models = ", ".join(problem.models) or "an unnamed model"
        measured = (
            f"{problem.num_right} of {problem.num_samples} rollouts are right ({rate:.2f}, "
            f"{interval.low:.2f} to {interval.high:.2f}; {models}, {problem.num_tokens} tokens)"
        )
        if high < rule.min_pass_rate:
            yield Drop(
                rule=DropRule.TOO_HARD,
                problem_id=problem.problem_id,
                reason=f"{measured}, under {rule.min_pass_rate:g}",
            )
        elif low > rule.max_pass_rate:
            yield Drop(
                rule=DropRule.TOO_EASY,
                problem_id=problem.problem_id,
                reason=f"{measured}, over {rule.max_pass_rate:g}",
            )


def unbalanced(problems: Sequence[Measured], rule: BalanceRule, seed: int) -> Iterator[Drop]:
    """Drops what a group has too much of, drawn by the seed and the problems' ids."""
    groups = defaultdict[tuple[str, ...], list[Measured]](list)
    for problem in problems:
        groups[tuple(problem.trait[name] for name in rule.by)].append(problem)
    if not groups:
        return
    limits = [len(problems)]
    if rule.max_problems is not None:
        limits.append(rule.max_problems)
    if rule.max_ratio is not None:
        limits.append(math.floor(rule.max_ratio * min(map(len, groups.values())) + 1e-9))
    most = min(limits)
    for traits, group in groups.items():
        drawn = sorted(group, key=lambda one: digest_json([seed, one.problem_id]))
        names = ", ".join(f"{name} {trait}" for name, trait in zip(rule.by, traits, strict=True))
        for problem in drawn[most:]:
            reason = f"beyond {most} of {len(group)} problems with {names}"
            yield Drop(rule=DropRule.UNBALANCED, problem_id=problem.problem_id, reason=reason)
