"""What `berry status --watch` shows at one moment: read from the run folder alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.datasets.counts import Counts
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.metrics import Metrics, Queues
from pipeline.files.locks import has_writer
from pipeline.inspection.ages import age, seconds_since
from pipeline.inspection.run_state import knows_more, resume_command
from pipeline.progress import Snapshot

_LEAST_REPORT_SECONDS = 5.0
_LATE = 6.0
"""Times the interval of its reports after which a running process is late with the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A look at a run."""

    header: str
    """The folder, and whether the run is running, complete or interrupted."""
    snapshot: Snapshot | None
    """The state that was last reported; None before the first report."""
    is_complete: bool


def look(folder: RunFolder) -> Look:
    """Looks at a run folder that was just read. Raises FolderError and StorageError."""
    if folder.complete is not None:
        return _complete(folder, folder.complete)
    last, running = folder.last_metrics(), has_writer(folder.path)
    seconds = None if last is None else seconds_since(last.time)
    is_old = seconds is not None and seconds > _LATE * _report_seconds(folder)
    snapshot = _reported(folder, last, running=running)
    if snapshot is not None and (is_old or running is False):
        # What waited or went on then does so no more.
        snapshot.queues, snapshot.recent_tokens_per_second = Queues(), None
        snapshot.eta_seconds = None
    if running is False:
        state = _interrupted(folder)
    elif running is None:
        state = "unknown whether a process is running"
    elif last is None:
        state = "running; no report yet" if folder.parts else "starting: the engine is not ready yet"
    else:
        state = (
            "running, but it has not reported for long: it starts again, or hangs"
            if is_old
            else "running"
        )
    reported = "" if last is None else f"; last report {age(last.time)} ago"
    header = f"{folder.path}  {state}{reported}"
    return Look(header=header, snapshot=snapshot, is_complete=False)


def _complete(folder: RunFolder, facts: Mapping[str, Any]) -> Look:
    snapshot = Snapshot.of(Metrics.of(facts))
    # Cleaned folders, for example, have no counts among their final facts.
    snapshot.counts, snapshot.num_parts, snapshot.eta_seconds = folder.counts, len(folder.parts), 0.0
    return Look(header=f"{folder.path}  complete", snapshot=snapshot, is_complete=True)


def _interrupted(folder: RunFolder) -> str:
    command = resume_command(folder.run)
    how = "repeat the `berry run` command to resume" if command is None else f"resume with: {command}"
    return f"not running; {folder.counts.problems} problems committed; {how}"


def _reported(folder: RunFolder, last: Metrics | None, *, running: bool | None) -> Snapshot | None:
    """What was last reported, or what is committed if the process ended after that and nothing more is
    known."""
    is_outdated = running is False and last is not None and not knows_more(last, folder)
    if last is not None and not is_outdated:
        return Snapshot.of(last)
    if folder.counts == Counts():
        return None
    total = None if last is None else last.total
    return Snapshot(counts=folder.counts, num_parts=len(folder.parts), total=total)


def _report_seconds(folder: RunFolder) -> float:
    """Time between two reports, but at least that of earlier versions."""
    cluster = folder.run["config"].get("cluster")
    seconds = cluster.get("report_seconds") if isinstance(cluster, Mapping) else None
    return (
        max(_LEAST_REPORT_SECONDS, seconds)
        if isinstance(seconds, int | float)
        else _LEAST_REPORT_SECONDS
    )
