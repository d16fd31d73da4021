"""Many tiny problems through the whole path: what the driver costs, and how soon a run resumes."""

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import ray

from benchmarks.cluster.engines_served import PROBLEMS_PER_SECOND
from benchmarks.cluster.tiny import NOTE, tiny_config, write_config, write_sums
from benchmarks.measure import Measured
from pipeline.cluster.leases import Lease, ShardReport
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.part import StagedFile
from pipeline.datasets.shards import Shard
from pipeline.engines.metered import Usage
from pipeline.problems import Intake

_FEW, _MANY = 10_000, 100_000
_KILL_AT = 0.9
_ENGINES = (100, 1000)
_PART = 64
_POLL_SECONDS = 0.5
_MEGABYTE = 2**20
_MOST_BYTES, _MOST_SHARE = 1000, 0.2
_TOO_MANY = 10_000_000


@dataclass(kw_only=True)
class _Watched:
    """One process of berry, from its start to its end or its death."""

    seconds: float = 0.0
    cpu: float = 0.0
    """Processor seconds of the driver, at the last look."""
    cpu_at_first: float = 0.0
    """The same, when the first part was committed."""
    first_commit: float | None = None
    """Seconds after the start."""
    parts_at_first: int = 0
    parts: int = 0
    rss: float = 0.0
    driver_uss: float = 0.0
    worker_uss: float = 0.0


def many_problems() -> tuple[list[Measured], str]:
    """10^4 and 10^5 problems, a resume at 90% of them, and the driver with up to 1,000 engines."""
    runs, resumed = {}, _Watched()
    with tempfile.TemporaryDirectory() as name:
        for count in (_FEW, _MANY):
            folder = Path(name) / str(count)
            folder.mkdir()
            config = write_config(folder, write_sums(folder / "p.jsonl", count))
            stop = _KILL_AT if count == _MANY else None
            runs[count] = _run(config, count // 1000, stop)
        resumed = _run(config, _MANY // 1000, None)
        done = RunFolder.read(folder / "out").counts.problems
        if done != _MANY:
            raise RuntimeError(f"expected {_MANY} problems in the resumed run, got {done}")
        sent = _bytes_per_problem(folder)
    served = {number: _serve(number) for number in _ENGINES}
    many = runs[_MANY]
    problems = 1000 * (many.parts - many.parts_at_first)
    cpu = (many.cpu - many.cpu_at_first) / problems
    speed = problems / (many.seconds - (many.first_commit or 0.0))
    rows = [
        Measured(
            what=f"{_MANY:,} tiny problems: driver's processor time a problem, whole path",
            figures=f"{cpu * 1e6:.0f} microseconds; {speed:.0f} problems/s with one worker",
            ratio=f"{cpu * 250:.3f} of a core at 250 problems/s",
            goal=f"at most {_MOST_SHARE:.2f} of a core",
            met=cpu * 250 <= _MOST_SHARE,
        ),
        Measured(
            what="bytes through the driver a problem (lease, report; texts as long as GSM8K's)",
            figures=f"{sum(sent):.0f} ({sent[0]:.0f} and {sent[1]:.0f})",
            ratio=f"{sum(sent) / _MOST_BYTES:.2f} of the goal",
            goal=f"under {_MOST_BYTES:,}",
            met=sum(sent) < _MOST_BYTES,
        ),
        *(_served_row(found) for found in served.values()),
    ]
    return rows, _section(runs, resumed, cpu, speed)


def _section(runs: dict[int, _Watched], resumed: _Watched, cpu: float, speed: float) -> str:
    lines = [
        "## Many problems",
        f"Tiny problems (simulated engine, one step, one rollout, exact match), 1,000 a part, one "
        f"worker, {NOTE}: wall times are of a busy machine, processor times say more. "
        "The driver with 100 "
        f"and 1,000 engines is the real one, with {_PART} problems a part; the workers only pretend to "
        f"work ({PROBLEMS_PER_SECOND} problems/s each) and live in 4 Ray actors. Each heartbeat has 64 "
        "problems under way.",
        "",
        "| problems | problems/s | driver's CPU s | peak RSS of driver and worker, MB | USS of driver; "
        "worker, MB | first commit after |",
        "|---|---|---|---|---|---|",
    ]
    named = {f"{count:,}": run for count, run in runs.items()} | {
        f"{_MANY:,}, killed at {_KILL_AT:.0%} and resumed": resumed
    }
    for name, run in named.items():
        after = run.first_commit or 0.0
        rate = 1000 * (run.parts - run.parts_at_first) / max(run.seconds - after, 1e-3)
        lines.append(
            f"| {name} | {rate:.0f} | {run.cpu:.1f} | {run.rss:.0f} | {run.driver_uss:.0f}; "
            f"{run.worker_uss:.0f} | {after:.1f} s |"
        )
    lines += [
        "",
        "Peaks of memory of the runs that ended have the merging of small parts at the end in them; "
        "the one that was killed has not.",
    ]
    hours = _TOO_MANY / speed / 3600
    lines += [
        "",
        f"10^6 and 10^7 are not run here: one worker on this machine would take {hours / 10:.1f} and "
        f"{hours:.0f} hours. From the figures above, the driver's share of 10^7 is "
        f"{_TOO_MANY * cpu / 3600:.1f} hours of one core.",
    ]
    return "\n".join(lines)


def _run(config: Path, num_parts: int, stop: float | None) -> _Watched:
    """Runs berry to the end, or kills its driver once that share of the parts is committed."""
    berry = str(Path(sys.executable).parent / "berry")
    out, found, start = config.parent / "out", _Watched(), time.monotonic()
    before = _num_commits(out)
    with (config.parent / "log").open("w") as log:
        process = subprocess.Popen([berry, "run", str(config)], stdout=log, stderr=log)
    driver = psutil.Process(process.pid)
    while process.poll() is None:
        found.parts = _num_commits(out) - before
        with contextlib.suppress(psutil.NoSuchProcess):
            _look(found, driver)
        if found.parts and found.first_commit is None:
            found.first_commit, found.parts_at_first = time.monotonic() - start, found.parts
            found.cpu_at_first = found.cpu
        found.seconds = time.monotonic() - start
        if stop is not None and found.parts >= stop * num_parts:
            process.send_signal(signal.SIGKILL)
        time.sleep(_POLL_SECONDS)
    if stop is None and process.returncode:
        raise RuntimeError(f"berry run failed: {(config.parent / 'log').read_text()[-500:]}")
    return found


def _look(found: _Watched, driver: psutil.Process) -> None:
    times = driver.cpu_times()
    found.cpu = times.user + times.system
    family = [
        one for one in driver.children(recursive=True) if one.name().startswith("ray::RolloutWor")
    ]
    sizes = [one.memory_full_info() for one in (driver, *family)]
    found.rss = max(found.rss, sum(size.rss for size in sizes) / _MEGABYTE)
    found.driver_uss = max(found.driver_uss, sizes[0].uss / _MEGABYTE)
    found.worker_uss = max([found.worker_uss, *(size.uss / _MEGABYTE for size in sizes[1:])])


def _num_commits(out: Path) -> int:
    """Entries of the event log for commits, of all processes so far."""
    try:
        return (out / "events.jsonl").read_text().count('"event": "commit"')
    except FileNotFoundError:
        return 0


def _bytes_per_problem(folder: Path) -> tuple[float, float]:
    """Of the pickled lease and report of a shard of 1,000."""
    config = tiny_config(folder, folder / "p.jsonl")
    intake = Intake(config.open_source(), config.prompt.parsed)
    shard = Shard(index=1, problems=tuple(intake.take(1000)))
    path = ".staging/part-0000001.0123abcd-12/trees.parquet"
    file = StagedFile(path=path, num_rows=1000, num_bytes=10**6, digest="0" * 16)
    counts = RunFolder.read(folder / "out").counts
    report = ShardReport(files={"trees": file, "traces": file}, counts=counts, usage=Usage())
    lease = Lease(shard=shard, token="0123abcd-12")
    return len(ray.cloudpickle.dumps(lease)) / 1000, len(ray.cloudpickle.dumps(report)) / 1000


def _serve(engines: int) -> dict[str, float]:
    """A process of its own, so that only the driver's time counts."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, "-m", "benchmarks.cluster.engines_served", str(result)]
        subprocess.run([*command, str(engines), str(_PART)], check=True, capture_output=True)
        found: dict[str, float] = json.loads(result.read_text())
    return found


def _served_row(found: dict[str, float]) -> Measured:
    share = found["cpu"] / found["seconds"]
    each = found["cpu"] / max(1.0, found["beats"])
    return Measured(
        what=f"driver with {found['engines']:.0f} engines of 5,000 tokens/s, 20,000 tokens a problem: "
        "share of a core, heartbeats and commits included",
        figures=f"{share:.3f}; {found['rss'] / _MEGABYTE:.0f} MB; {found['beats']:.0f} heartbeats and "
        f"{found['commits']:.0f} commits in {found['seconds']:.0f} s",
        ratio=f"{1e3 * each:.2f} ms a heartbeat with all else",
        goal=f"under {_MOST_SHARE:.2f}",
        met=share < _MOST_SHARE,
    )
