"""Decides whether a finished run succeeded, and lists the reasons that a summary names."""

from pipeline.datasets.counts import Counts

_OUTCOMES = ("pass", "fail", "abstain", "error")


def shortfall(counts: Counts) -> str | None:
    """One line about why the run did not succeed; None if it did.

    A run fails if a problem could not be explored, if every verdict is an error, or if its reward
    models scored no step or response at all.
    """
    if failed := counts.problems_failed:
        plural = "s" if failed > 1 else ""
        return f"{failed} problem{plural} failed: {name_reasons(counts, 'failed')}"
    num_verdicts = sum(counts.verdicts[outcome] for outcome in _OUTCOMES)
    if num_verdicts and counts.verdicts["error"] == num_verdicts:
        return f"all {num_verdicts} verdicts are errors: {name_reasons(counts, 'error')}"
    for what, unscored, total in (
        ("steps", counts.unscored, counts.nodes),
        ("responses", counts.unscored_outcomes, counts.statuses["completed"]),
    ):
        if total and unscored == total:
            return f"none of {total} {what} was scored: {name_reasons(counts, 'unscored')}"
    return None


def name_reasons(counts: Counts, kind: str) -> str:
    """The three most common reasons of a kind, with their counts."""
    found = counts.most_common(kind)
    return "; ".join(f"{count} x {text}" for text, count in found) or "no reason given"
