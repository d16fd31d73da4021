"""What `berry status` says of a run that is not complete, at any moment of its life."""

from pipeline.datasets.files import has_writer
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.metrics import Metrics


def run_state(folder: RunFolder) -> list[str]:
    """Whether a process is at work, what is committed, and where it stood when it last said so."""
    now = folder.last_metrics()
    running = has_writer(folder.path)
    state = {
        True: "running" if now is not None or folder.parts else "starting: the engine is not ready yet",
        False: "no process is at work on it: the same `berry run` goes on from here",
        None: "whether a process is at work on it cannot be told here",
    }[running]
    num_parts = len(folder.parts)
    parts = f"{num_parts} part{'' if num_parts == 1 else 's'}" if num_parts else "no part"
    lines = [f"state      {state}; {parts} committed{'' if num_parts else ' yet'}"]
    if now is not None:
        lines += [_position(now, "now" if running else "last"), *prefixes(now)]
    return lines


def _position(now: Metrics, label: str) -> str:
    """Where the run stands: all that is explored, committed or not, and what is under way."""
    total = "" if now.total is None else f" of {now.total}"
    rollouts = now.counts["rollouts"] if now.new_rollouts is None else now.new_rollouts
    live = now.new_tokens if now.new_live_tokens is None else now.new_live_tokens
    tokens = "" if live is None else f", {live} tokens"
    speed = "-" if now.tokens_per_second is None else f"{now.tokens_per_second:.0f}"
    since = " since it went on" if (now.new_problems or 0) < now.counts["problems"] else ""
    return (
        f"{label:<10} {now.counts['problems']}{total} problems explored; {rollouts} rollouts{tokens}"
        f"{since}; {speed} tokens/s, {now.counts['restarts']} restarts ({now.time or 'time unknown'})"
    )


def prefixes(metrics: Metrics) -> list[str]:
    """What sharing prefixes has saved; no line where the engine does not say or nothing was read."""
    total, cached = metrics.new_prompt_tokens, metrics.new_prompt_tokens_cached
    if not total or cached is None:
        return []
    resumed = (metrics.new_problems or 0) < metrics.counts["problems"]
    return [
        f"prefixes   {total:,} prompt tokens: {cached:,} ({cached / total:.0%}) from cache, "
        f"{total - cached:,} computed; without sharing all would have been computed"
        f"{' (since the run went on)' if resumed else ''}"
    ]
