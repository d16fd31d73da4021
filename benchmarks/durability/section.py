"""The part `durability` of the benchmarks: faults in a long run, and what they cost."""

import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.durability.campaign import COMMIT_STEPS
from benchmarks.durability.store import store_campaign
from benchmarks.measure import Measured

_SEED = 0
_AMOUNTS = {
    "worker killed": 45,
    "worker stopped for 6 s": 20,
    "verifier killed": 25,
    "verifier stopped for 6 s": 6,
    "verifier hangs for 2 s": 15,
    "reward actor killed": 25,
    "reward actor stopped for 6 s": 6,
    "node killed": 6,
    "node frozen for 6 s": 5,
    "driver killed": 5,
    "driver interrupted": 3,
    "driver terminated": 3,
    "head killed": 2,
    "disk full for 4 s": 3,
    **{f"driver killed before {step}": 1 for step in COMMIT_STEPS},
}
_OPTIONS = {"problems": 2400, "seconds": 3600, "pause": 1.0}
_OUTAGES_AND_KILLS = 20, 2
_DISK_MIB = 64
_TEXT = """## Durability
{faults} faults in a run of {problems:,} problems by the simulated engine, on a Ray of {nodes} nodes
with 3 workers, 2 verifiers and a reward model's actor, in {minutes:.0f} minutes. Workers store their
work every second and count as lost after 3 seconds of silence. A stopped process gets SIGSTOP, and goes
on when its work has gone to others. Before each kind of change to the run folder, a driver was killed
once (`driver killed before ...`). The rows are compared with those of a run that nothing disturbed.

| fault | number | lost | doubled | seconds to recover (median) |
|---|---|---|---|---|
{rows}

Recovered means that the driver and all actors are there again, after a fault of the driver also that
another part was committed. {errors} problems had verdicts of ERROR or missing scores, because actors
were lost more often than Ray repeats a batch; none became FAIL."""


def under_faults() -> tuple[list[Measured], str]:
    """A row of what was lost, and the section with the faults."""
    report = run_campaign(_SEED, _AMOUNTS, _OPTIONS)
    with tempfile.TemporaryDirectory(prefix="durability-") as folder:
        injected, wrong = store_campaign(Path(folder), _SEED, *_OUTAGES_AND_KILLS)
    report["faults"] += [asdict(one) for one in injected]
    report["complaints"] += [wrong] if wrong else []
    harm = [*report["complaints"], *report["files_left"], *report["processes_left"]]
    lost, doubled, changed = report["lost"], report["doubled"], len(report["changed"])
    for complaint in harm:
        print(f"durability: {complaint}", file=sys.stderr)
    row = Measured(
        what=f"{len(report['faults'])} faults in a run of {report['problems']:,} problems on "
        "3 nodes: problems lost, doubled, changed",
        figures=f"{lost}; {doubled}; {changed}",
        ratio=f"{len(harm)} processes or files left, or messages without a reason",
        goal="0 of each",
        met=not (lost or doubled or changed or harm),
    )
    return [row], _section(report)


def _section(report: Mapping[str, Any]) -> str:
    times: defaultdict[str, list[float]] = defaultdict(list)
    for one in report["faults"]:
        times[one["name"]].append(one["seconds"])
    rows = [
        f"| {name} | {len(seconds)} | {report['lost']} | {report['doubled']} "
        f"| {statistics.median(seconds):.1f} |"
        for name, seconds in sorted(times.items())
    ]
    return _TEXT.format(
        faults=len(report["faults"]),
        problems=report["problems"],
        nodes=3,
        minutes=report["seconds"] / 60,
        rows="\n".join(rows),
        errors=report["errors"],
    )


def run_campaign(seed: int, amounts: Mapping[str, int], options: Mapping[str, Any]) -> dict[str, Any]:
    """The report of a campaign in a process of its own; on a file system of its own, if possible."""
    with tempfile.TemporaryDirectory(prefix="durability-") as folder:
        command = [sys.executable, "-m", "benchmarks.durability.campaign", folder, str(seed)]
        command += [json.dumps(amounts), json.dumps(options)]
        mount = f"mount -t tmpfs -o size={_DISK_MIB}m tmpfs {folder}"
        own = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
        if _works([*own, mount]):
            command = [*own, f'{mount} && exec "$@"', "sh", *command]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def _works(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
