"""Pruning keeps the trajectories worth training on; every decision has its reason.

Rules run in a fixed order, each on what the ones before it left over. They see the trajectories that an
outcome reward model has scored first, the best ones foremost, then the others in the tree's order: so
that of two that are alike, and of more than are wanted, the better ones stay. A trajectory gets one
decision: that of the rule that dropped it, or that it was kept.
"""

from collections.abc import Callable, Iterator, Sequence

from pydantic import BaseModel, ConfigDict, Field

from pipeline.majority import is_vote
from pipeline.records import Decision, Status, Trajectory
from verifiers import Outcome

Rule = Callable[[Trajectory], str | None]
"""The reason to drop a trajectory, or None. Sees the trajectories of one problem, the best first."""


class PruneConfig(BaseModel):
    """What is kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep_majority: bool = False
    """Keep responses that only a majority vote passed, where a problem has no gold answer."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Drop responses with more sampled tokens than this."""
    drop_duplicates: bool = True
    """Drop a response whose text, white space aside, an earlier one has."""
    max_per_problem: int | None = Field(default=None, ge=1)
    """Keep at most this many responses to a problem: those that an outcome reward model scores best,
    without one the first ones in the tree's order."""
    min_score: float | None = Field(default=None, ge=0, le=1)
    """Drop responses that an outcome reward model scores under this; what is unscored stays."""


class Pruner:
    """Applies the rules of one config."""

    def __init__(self, config: PruneConfig) -> None:
        self.config = config

    def prune(self, trajectories: Sequence[Trajectory]) -> tuple[Decision, ...]:
        """One decision for each trajectory, in the same order."""
        rules = list(self._rules())
        best_first = sorted(trajectories, key=lambda t: (t.score is None, -(t.score or 0.0)))
        decisions = {t.leaf: _decide(t, rules) for t in best_first}
        return tuple(decisions[trajectory.leaf] for trajectory in trajectories)

    def _rules(self) -> Iterator[tuple[str, Rule]]:
        """Fresh rules for one problem, in order."""
        yield "branch", pruned()
        yield "unverified", not_verified(keep_majority=self.config.keep_majority)
        if self.config.max_tokens is not None:
            yield "too_long", longer_than(self.config.max_tokens)
        if self.config.min_score is not None:
            yield "low_score", scored_under(self.config.min_score)
        if self.config.drop_duplicates:
            yield "duplicate", duplicate()
        if self.config.max_per_problem is not None:
            yield "beyond_max", beyond(self.config.max_per_problem)


_BY_SCORE = ("branch", "low_score", "beyond_max")
"""Stages at which a reward model's score decides, where there is one."""


def _decide(trajectory: Trajectory, rules: Sequence[tuple[str, Rule]]) -> Decision:
    for stage, rule in rules:
        if reason := rule(trajectory):
            score = trajectory.cut_score if stage == "branch" else trajectory.score
            return Decision(
                leaf=trajectory.leaf,
                stage=stage,
                kept=False,
                reason=reason,
                score=score if stage in _BY_SCORE else None,
            )
    stage, _ = rules[-1]
    return Decision(leaf=trajectory.leaf, stage=stage, kept=True, reason="passed every rule")


def pruned() -> Rule:
    """Drops what a process reward model's score ended mid-way (`pipeline/branch_pruning.py`)."""

    def rule(trajectory: Trajectory) -> str | None:
        if trajectory.status is not Status.PRUNED:
            return None
        score = trajectory.cut_score
        return "pruned mid-way" + ("" if score is None else f", scored {score:.3f}")

    return rule


def scored_under(least: float) -> Rule:
    """Drops responses that an outcome reward model scores under `least`."""

    def rule(trajectory: Trajectory) -> str | None:
        if trajectory.score is None or trajectory.score >= least:
            return None
        return f"scored {trajectory.score:.3f}, under {least:g}"

    return rule


def not_verified(*, keep_majority: bool) -> Rule:
    """Drops all but complete responses that a verifier passed, or a majority if that is enough."""

    def rule(trajectory: Trajectory) -> str | None:
        if trajectory.status is not Status.COMPLETED:
            return trajectory.status.value
        if trajectory.verdict is None:
            return "not judged"
        if trajectory.verdict.outcome is not Outcome.PASS:
            return trajectory.verdict.outcome.value
        if is_vote(trajectory.verdict) and not keep_majority:
            return "majority vote only"
        return None

    return rule


def longer_than(max_tokens: int) -> Rule:
    """Drops responses of more than `max_tokens` sampled tokens."""

    def rule(trajectory: Trajectory) -> str | None:
        return f"over {max_tokens} tokens" if trajectory.num_tokens > max_tokens else None

    return rule


def duplicate() -> Rule:
    """Drops a response that was seen before, white space aside."""
    seen: set[str] = set()

    def rule(trajectory: Trajectory) -> str | None:
        text = " ".join(trajectory.response.split())
        if text in seen:
            return "duplicate of an earlier response"
        seen.add(text)
        return None

    return rule


def beyond(num_kept: int) -> Rule:
    """Drops all but the first `num_kept` responses that reach this rule, the best ones if scored."""
    count = 0

    def rule(trajectory: Trajectory) -> str | None:
        nonlocal count
        count += 1
        which = "first" if trajectory.score is None else "best"
        return f"beyond the {which} {num_kept}" if count > num_kept else None

    return rule
