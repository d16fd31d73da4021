"""What is left of a run's rollouts after each stage, and why the rest is lost."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.datasets.counts import Counts
from pipeline.records import Stage, Status

_INCOMPLETE = {
    Stage.PRUNED: Status.PRUNED,
    Stage.TRUNCATED: Status.TRUNCATED,
    Stage.UNFINISHED: Status.UNFINISHED,
    Stage.ENGINE_ERROR: Status.ERROR,
}
_BEFORE_PASSING = frozenset(
    {
        *_INCOMPLETE,
        Stage.NOT_JUDGED,
        Stage.FAILED,
        Stage.ABSTAINED,
        Stage.VERIFIER_ERROR,
        # Names of earlier versions.
        "unverified",
        "branch",
    }
)
"""Rules that drop what an earlier stage of the funnel has already left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunnelStage:
    """What is left after one stage."""

    stage: str
    """`rollouts`, `completed`, `judged`, `passed` or `kept`."""
    count: int
    fraction: float | None
    """Of all rollouts; None without any."""
    lost: dict[str, int] = field(default_factory=dict)
    """Reason, by the names of `Stage`, -> rollouts that this stage lost."""

    def to_json(self) -> dict[str, Any]:
        """Its JSON form."""
        return {
            "stage": self.stage,
            "count": self.count,
            "fraction": self.fraction,
            "lost": self.lost,
        }


def funnel(counts: Counts) -> list[FunnelStage]:
    """The stages in order. Judged means that a verifier or a vote says right or wrong."""
    total = counts.rollouts
    return [
        FunnelStage(
            stage=stage, count=count, fraction=count / total if total else None, lost=_nonzero(lost)
        )
        for stage, count, lost in _stages(counts)
    ]


def _stages(counts: Counts) -> Iterator[tuple[str, int, Mapping[Any, int]]]:
    completed = counts.statuses[Status.COMPLETED]
    decided = counts.verdicts + counts.votes
    passed, failed = decided["pass"], decided["fail"]
    yield "rollouts", counts.rollouts, {}
    lost = {stage: counts.statuses[status] for stage, status in _INCOMPLETE.items()}
    yield "completed", completed, lost
    undecided = {
        Stage.NOT_JUDGED: completed - decided.total(),
        Stage.ABSTAINED: decided["abstain"],
        Stage.VERIFIER_ERROR: decided["error"],
    }
    yield "judged", passed + failed, undecided
    yield "passed", passed, {Stage.FAILED: failed}
    dropped = _dropped(counts)
    rest = passed - counts.kept - sum(dropped.values())
    yield "kept", counts.kept, {**dropped, "no_reason": rest}


def _dropped(counts: Counts) -> dict[str, int]:
    """Rule -> what it dropped of the responses that passed, in the order of the rules; those of earlier
    versions come last."""
    order = {stage.value: place for place, stage in enumerate(Stage)}
    names = sorted(counts.dropped, key=lambda name: (order.get(name, len(order)), name))
    return {name: counts.dropped[name] for name in names if name not in _BEFORE_PASSING}


def _nonzero(numbers: Mapping[Any, int]) -> dict[str, int]:
    return {str(name): number for name, number in numbers.items() if number > 0}
