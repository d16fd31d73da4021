"""The output of `berry status` for an incomplete run."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.datasets.folder import RunFolder
from pipeline.datasets.metrics import Metrics
from pipeline.files.locks import has_writer
from pipeline.inspection.cluster_state import ClusterState, cluster_lines


def run_state(folder: RunFolder) -> list[str]:
    """Whether a process is running, what is committed, and the last reported state."""
    now = folder.last_metrics()
    running, command = has_writer(folder.path), resume_command(folder.run)
    state = {
        True: "running" if now is not None or folder.parts else "starting: the engine is not ready yet",
        False: f"not running{'' if command else '; repeat the `berry run` command to resume'}",
        None: "unknown; this machine cannot tell whether a process is running",
    }[running]
    num_parts = len(folder.parts)
    parts = f"{num_parts} part{'' if num_parts == 1 else 's'}" if num_parts else "no part"
    lines = [f"state      {state}; {parts} committed{'' if num_parts else ' yet'}"]
    if running is False and command is not None:
        lines.append(f"resume     {command}")
    if now is not None and (running is not False or knows_more(now, folder)):
        lines += [_position(now, "now" if running else "last"), *prefixes(now)]
    return lines + cluster_lines(ClusterState.read(folder.path), is_running=running)


def knows_more(last: Metrics, folder: RunFolder) -> bool:
    """Whether the last report counts problems that are not committed. An interrupted run commits after
    its last report, which then is only out of date."""
    return last.counts.problems > folder.counts.problems


def resume_command(run: Mapping[str, Any]) -> str | None:
    """The command that resumes a run, from its run.json; None in runs of earlier versions."""
    started = run.get("started_by")
    if not isinstance(started, dict) or not {"command", "folder"} <= started.keys():
        return None
    where = "" if started["folder"] == str(Path.cwd()) else f"cd {shlex.quote(started['folder'])} && "
    return f"{where}{started['command']}"


def _position(now: Metrics, label: str) -> str:
    """The run's progress: all explored problems, committed or not, and unfinished rollouts."""
    total = "" if now.total is None else f" of {now.total}"
    rollouts = now.counts.rollouts if now.new_rollouts is None else now.new_rollouts
    live = now.new_tokens if now.new_live_tokens is None else now.new_live_tokens
    tokens = "" if live is None else f", {live} tokens"
    speed = "-" if now.tokens_per_second is None else f"{now.tokens_per_second:.0f}"
    since = " since it was resumed" if (now.new_problems or 0) < now.counts.problems else ""
    return (
        f"{label:<10} {now.counts.problems}{total} problems explored; {rollouts} rollouts{tokens}"
        f"{since}; {speed} tokens/s, {now.counts.restarts} restarts ({now.time or 'time unknown'})"
    )


def prefixes(metrics: Metrics) -> list[str]:
    """Savings by prefix sharing; no line if the engine does not report them or nothing was read."""
    total, cached = metrics.new_prompt_tokens, metrics.new_prompt_tokens_cached
    if not total or cached is None:
        return []
    resumed = (metrics.new_problems or 0) < metrics.counts.problems
    return [
        f"prefixes   {total:,} prompt tokens: {cached:,} ({cached / total:.0%}) from cache, "
        f"{total - cached:,} computed; without sharing, all would have been computed"
        f"{' (since the run was resumed)' if resumed else ''}"
    ]
