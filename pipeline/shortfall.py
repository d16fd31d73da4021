"""Whether a run that ended has done what was asked for, and which reasons a summary names."""

from collections import Counter

from pipeline.datasets.reasons import commonest

_OUTCOMES = ("pass", "fail", "abstain", "error")


def shortfall(counts: Counter[str]) -> str | None:
    """Why the run is no success, in one line; None for one that is.

    A problem that could not be explored is a failure. So is a run that knows nothing: every verdict an
    error, or no step or response scored by the reward models that were to do it.
    """
    if failed := counts["problems_failed"]:
        return f"{failed} problem{'s' if failed > 1 else ''} failed; `berry show` says why"
    num_verdicts = sum(counts[f"verdict.{outcome}"] for outcome in _OUTCOMES)
    if num_verdicts and counts["verdict.error"] == num_verdicts:
        return (
            f"all {num_verdicts} verdicts are errors, so nothing is known of any response: "
            f"{name_reasons(counts, 'error')}"
        )
    for what, unscored, total in (
        ("steps", counts["unscored"], counts["nodes"]),
        ("responses", counts["unscored_outcomes"], counts["status.completed"]),
    ):
        if total and unscored == total:
            return f"none of {total} {what} was scored: {name_reasons(counts, 'unscored')}"
    return None


def name_reasons(counts: Counter[str], kind: str) -> str:
    """The three commonest reasons of a kind, with how often each came."""
    found = commonest(counts, kind)
    return "; ".join(f"{count} x {text}" for text, count in found) or "no reason was given"
