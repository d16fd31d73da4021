"""What an earlier run shows of a planned one: lengths, pass rate, time of verdicts, speed."""

from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from statistics import fmean

from pipeline.datasets.metrics import Metrics
from pipeline.datasets.reader import RunReader
from pipeline.datasets.tallies.verifier_work import verifier_figures
from pipeline.errors import UserMistake
from pipeline.files.publishing import explained
from pipeline.records import Status

_MOST_PROBLEMS = 500
"""Problems whose lengths are read."""
_WHOLE = (Status.COMPLETED, Status.TRUNCATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierRun:
    """Figures of a run, or of its committed parts so far."""

    path: Path
    prompt_tokens: int
    """Mean length of a prompt."""
    response_tokens: int
    """Mean length of a whole response, also of those that were cut off."""
    pass_rate: float | None
    """Of whole responses, (right + 1/2) / (all + 1); None without gold answers."""
    verdict_seconds: float | None
    """Mean time of a verdict; None if no time is known."""
    model: str | None
    """The engine's model, as its config names it; None if it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """What the engines of a run did while they were at work, each of them on average."""

    tokens_per_second: float
    """Sampled by one engine."""
    batch: float
    """Sequences in the batch of one engine."""


def read_earlier(path: Path) -> EarlierRun:
    """Reads a run folder. Raises FolderError, and UserMistake if it has no response."""
    reader = RunReader.open(path)
    reader.require_parts()
    prompts: list[int] = []
    responses: list[int] = []
    for row in islice(reader.rows("trees", ["nodes", "trajectories"]), _MOST_PROBLEMS):
        if row["nodes"]:
            prompts.append(len(row["nodes"][0]["token_ids"]))
        responses += [one["num_tokens"] for one in row["trajectories"] if one["status"] in _WHOLE]
    if not prompts or not any(responses):
        raise UserMistake(f"{path}: expected a run with responses, got none in its first problems")
    counts = reader.folder.counts
    judged = counts.right + counts.not_right
    verifiers = [one for one in verifier_figures(counts.by_verifier) if one.mean_seconds is not None]
    verdicts = sum(one.verdicts for one in verifiers)
    seconds = sum(one.verdicts * (one.mean_seconds or 0.0) for one in verifiers)
    return EarlierRun(
        path=path,
        prompt_tokens=max(round(fmean(prompts)), 1),
        response_tokens=max(round(fmean(responses)), 1),
        pass_rate=(counts.right + 0.5) / (judged + 1) if judged else None,
        verdict_seconds=seconds / verdicts if verdicts else None,
        model=reader.folder.run["config"]["engine"].get("model"),
    )


def read_speed(path: Path) -> Speed:
    """The speed of the run while its engines sampled, in all of its processes.

    Raises FolderError, and UserMistake if its metrics do not show it.
    """
    RunReader.open(path)
    with explained(path):
        lines = [one for one in Metrics.all(path) if one.workers]
    tokens, seconds, sequences = 0, 0.0, 0.0
    for before, after in pairwise(lines):
        sampled = sum(one.tokens for one in after.workers) - sum(one.tokens for one in before.workers)
        passed = (after.seconds or 0.0) - (before.seconds or 0.0)
        running = [one.sequences_running for one in after.workers if one.sequences_running is not None]
        # A resumed run begins again with 0, one that waits shows no speed, and one that does not tell
        # its batches cannot be compared.
        if sampled <= 0 or passed <= 0 or len(running) < len(after.workers):
            continue
        tokens += sampled
        seconds += passed * len(running)
        sequences += passed * sum(running)
    if not tokens or not sequences:
        raise UserMistake(
            f"{path}: expected a run whose metrics show its engines' tokens and sequences, got one of "
            "an engine that does not tell them, or too short a run"
        )
    return Speed(tokens_per_second=tokens / seconds, batch=sequences / seconds)
