"""Pruning rules for a trajectory's end, verdict, length, score, steps and text.

A rule gets the trajectories of one problem that earlier rules left, and yields a decision for each one
that it drops. Rules keep no state between calls.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from pipeline.dispatch.scoring import as_float32
from pipeline.labels.majority import is_vote
from pipeline.labels.soundness import Soundness
from pipeline.records import Decision, Stage, Status, Trajectory
from verifiers import Outcome

Rule = Callable[[Sequence[Trajectory]], Iterable[Decision]]
"""Takes trajectories with the best scores first, then unscored ones in the tree's order."""

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
    """The decision to drop a trajectory; `score` is the score that decided, if any."""
    return Decision(leaf=trajectory.leaf, stage=stage, reason=reason, score=score)


def not_verified(candidates: Sequence[Trajectory], *, keep_majority: bool) -> Iterator[Decision]:
    """Drops all but complete responses that a verifier passed, or if allowed, a majority."""
    for trajectory in candidates:
        verdict = trajectory.verdict
        if trajectory.status is not Status.COMPLETED:
            yield _incomplete(trajectory)
        elif verdict is None:
            yield drop(trajectory, Stage.NOT_JUDGED, "no verdict")
        elif verdict.outcome is not Outcome.PASS:
            stage, reason = _BY_OUTCOME[verdict.outcome]
            yield drop(trajectory, stage, reason)
        elif is_vote(verdict) and not keep_majority:
            yield drop(trajectory, Stage.MAJORITY_ONLY, "accepted only by a majority vote")


def _incomplete(trajectory: Trajectory) -> Decision:
    stage, score = _BY_STATUS[trajectory.status], trajectory.cut_score
    if stage is not Stage.PRUNED:
        return drop(trajectory, stage, "not a complete response")
    scored = "" if score is None else f", score {score:.3f}"
    return drop(trajectory, stage, f"pruned midway{scored}", score)


def longer_than(candidates: Sequence[Trajectory], *, max_tokens: int) -> Iterator[Decision]:
    """Drops responses of more than `max_tokens` sampled tokens."""
    for trajectory in candidates:
        if trajectory.num_tokens > max_tokens:
            reason = f"{trajectory.num_tokens} tokens, over {max_tokens}"
            yield drop(trajectory, Stage.TOO_LONG, reason)


def scored_under(candidates: Sequence[Trajectory], *, least: float) -> Iterator[Decision]:
    """Drops responses with a score under `least`."""
    # Scores have 32 bits: a score equal to the bound may be rounded to a lower value.
    bound = as_float32(least)
    for trajectory in candidates:
        score = trajectory.score
        if score is not None and score < bound:
            yield drop(trajectory, Stage.LOW_SCORE, f"score {score:.3f}, under {least:g}", score)


def grown_from_doubt(
    candidates: Sequence[Trajectory], *, least: float, soundness: Soundness
) -> Iterator[Decision]:
    """Drops branches from prefixes whose probability of being right is under `least`."""
    probabilities = ((one, soundness.of_prefix(one.leaf)) for one in candidates)
    return _improbable(probabilities, least, Stage.DOUBTFUL_PREFIX, "prefix is right")


def doubtful(
    candidates: Sequence[Trajectory], *, least: float, soundness: Soundness
) -> Iterator[Decision]:
    """Drops responses whose probability of being right at every step is under `least`."""
    probabilities = ((one, soundness.of_response(one.leaf)) for one in candidates)
    return _improbable(probabilities, least, Stage.DOUBTFUL, "all steps are right")


def _improbable(
    probabilities: Iterable[tuple[Trajectory, float | None]], least: float, stage: Stage, what: str
) -> Iterator[Decision]:
    # Stored probabilities have 32 bits: a bound copied from the data must let its own row pass.
    bound = as_float32(least)
    for trajectory, probability in probabilities:
        if probability is not None and as_float32(probability) < bound:
            yield drop(trajectory, stage, f"{what} with probability {probability:.3f}, under {least:g}")


def duplicates(candidates: Sequence[Trajectory]) -> Iterator[Decision]:
    """Drops a response with the same text as an earlier one, except for white space."""
    seen: dict[str, int] = {}
    for trajectory in candidates:
        first = seen.setdefault(" ".join(trajectory.response.split()), trajectory.leaf)
        if first != trajectory.leaf:
            yield drop(trajectory, Stage.DUPLICATE, f"the same text as leaf {first}")
