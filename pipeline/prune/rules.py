"""Pruning rules that look at a trajectory's end, verdict, length, score, steps and text.

A rule gets the trajectories of one problem that earlier rules left over, and yields a decision for each
one that it drops. It keeps nothing from one call to the next.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from pipeline.majority import is_vote
from pipeline.records import Decision, Stage, Status, Trajectory
from pipeline.scoring import as_float32
from pipeline.soundness import Soundness
from verifiers import Outcome

Rule = Callable[[Sequence[Trajectory]], Iterable[Decision]]
"""Gets the best scored trajectories first, then the unscored ones in the tree's order."""

_BY_STATUS = {
    Status.PRUNED: Stage.PRUNED,
    Status.TRUNCATED: Stage.TRUNCATED,
    Status.UNFINISHED: Stage.UNFINISHED,
    Status.ERROR: Stage.ENGINE_ERROR,
}
_BY_OUTCOME = {
    Outcome.FAIL: (Stage.FAILED, "failed"),
    Outcome.ABSTAIN: (Stage.ABSTAINED, "abstained"),
    Outcome.ERROR: (Stage.VERIFIER_ERROR, "verifier error"),
}


def drop(trajectory: Trajectory, stage: Stage, reason: str, score: float | None = None) -> Decision:
    """The decision to drop; `score` is the one that decided, if one did."""
    return Decision(leaf=trajectory.leaf, stage=stage, reason=reason, score=score)


def not_verified(candidates: Sequence[Trajectory], *, keep_majority: bool) -> Iterator[Decision]:
    """Drops all but complete responses that a verifier passed, or a majority if that is enough."""
    for trajectory in candidates:
        verdict = trajectory.verdict
        if trajectory.status is not Status.COMPLETED:
            yield _incomplete(trajectory)
        elif verdict is None:
            yield drop(trajectory, Stage.NOT_JUDGED, "it has no verdict")
        elif verdict.outcome is not Outcome.PASS:
            stage, reason = _BY_OUTCOME[verdict.outcome]
            yield drop(trajectory, stage, reason)
        elif is_vote(verdict) and not keep_majority:
            yield drop(trajectory, Stage.MAJORITY_ONLY, "only a majority vote passed it")


def _incomplete(trajectory: Trajectory) -> Decision:
    stage, score = _BY_STATUS[trajectory.status], trajectory.cut_score
    if stage is not Stage.PRUNED:
        return drop(trajectory, stage, "not a complete response")
    scored = "" if score is None else f", scored {score:.3f}"
    return drop(trajectory, stage, f"pruned mid-way{scored}", score)


def longer_than(candidates: Sequence[Trajectory], *, max_tokens: int) -> Iterator[Decision]:
    """Drops responses of more than `max_tokens` sampled tokens."""
    for trajectory in candidates:
        if trajectory.num_tokens > max_tokens:
            reason = f"{trajectory.num_tokens} tokens, over {max_tokens}"
            yield drop(trajectory, Stage.TOO_LONG, reason)


def scored_under(candidates: Sequence[Trajectory], *, least: float) -> Iterator[Decision]:
    """Drops responses that an outcome reward model scores under `least`."""
    # Scores have 32 bits: one that is meant to equal the bound can lie under it by a rounding.
    bound = as_float32(least)
    for trajectory in candidates:
        score = trajectory.score
        if score is not None and score < bound:
            yield drop(trajectory, Stage.LOW_SCORE, f"scored {score:.3f}, under {least:g}", score)


def grown_from_doubt(
    candidates: Sequence[Trajectory], *, least: float, soundness: Soundness
) -> Iterator[Decision]:
    """Drops branches from prefixes that are right with less than this probability."""
    chances = ((one, soundness.of_prefix(one.leaf)) for one in candidates)
    return _improbable(chances, least, Stage.DOUBTFUL_PREFIX, "its prefix is right")


def doubtful(
    candidates: Sequence[Trajectory], *, least: float, soundness: Soundness
) -> Iterator[Decision]:
    """Drops responses all of whose steps are right with less than this probability."""
    chances = ((one, soundness.of_response(one.leaf)) for one in candidates)
    return _improbable(chances, least, Stage.DOUBTFUL, "all steps are right")


def _improbable(
    chances: Iterable[tuple[Trajectory, float | None]], least: float, stage: Stage, what: str
) -> Iterator[Decision]:
    # Stored probabilities have 32 bits: a bound that was read from the data has to let that row pass.
    bound = as_float32(least)
    for trajectory, chance in chances:
        if chance is not None and as_float32(chance) < bound:
            yield drop(trajectory, stage, f"{what} with {chance:.3f}, under {least:g}")


def duplicates(candidates: Sequence[Trajectory]) -> Iterator[Decision]:
    """Drops a response whose text an earlier one has, white space aside."""
    seen: dict[str, int] = {}
    for trajectory in candidates:
        first = seen.setdefault(" ".join(trajectory.response.split()), trajectory.leaf)
        if first != trajectory.leaf:
            yield drop(trajectory, Stage.DUPLICATE, f"the same text as leaf {first}")
