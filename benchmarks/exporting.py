"""The part `export` of the benchmarks: views derived from a large run, in one process and in two."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow.parquet as pq

from benchmarks.measure import CONFIGS, Measured
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.part import StagedFile
from pipeline.derive.export import DERIVED
from pipeline.files.storage import digest_of

PART_PROBLEMS = 1000
_PARTS, _FEW_PARTS, _MANY_PARTS = 4, 10, 100
_FLAT_MB = 100
_BERRY = str(Path(sys.executable).parent / "berry")
_TEXT = """## Export
`berry export OUT --as VIEW --output FOLDER` of a run of {problems:,} problems with {responses:.0f}
responses of {tokens:.0f} tokens each ({size:.0f} MB of `trees`; {part:,} problems by the simulated
engine, repeated), start of the command included. JSON lines are the same rows, uncompressed. The last
column is the speed of two processes over one.

| view | rows | rows/s | MB/s of trees | bytes a token, parquet | JSON lines | 2 over 1 |
|---|---|---|---|---|---|---|
{rows}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Export:
    """One export, as measured."""

    num_rows: int
    num_bytes: int
    seconds: float
    peak_mb: float
    """Unique memory of the command and its processes, together."""


def exported_views() -> tuple[list[Measured], str]:
    """Rates of each view, memory at two sizes, and what a second process gains."""
    with tempfile.TemporaryDirectory(prefix="export-") as name:
        folder = Path(name)
        part = simulated_part(folder)
        out = repeated_run(folder / "run", part, _PARTS)
        facts = _facts(out)
        lines, gains = [], []
        for view in DERIVED:
            if view == "majority":  # every problem of the run has a gold answer
                continue
            both, one = _export(out, view, folder), _export(out, view, folder, cores=1)
            lines_bytes = _export(out, view, folder, kind=".jsonl").num_bytes
            gains.append(one.seconds / both.seconds)
            lines.append(
                f"| `{view}` | {both.num_rows:,} | {both.num_rows / both.seconds:,.0f} "
                f"| {facts['mb'] / both.seconds:.1f} | {both.num_bytes / facts['tokens']:.2f} "
                f"| {lines_bytes / facts['tokens']:.1f} | {gains[-1]:.2f} |"
            )
        shutil.rmtree(out)
        few, many = (
            _export(repeated_run(folder / f"run{count}", part, count), "outcomes", folder)
            for count in (_FEW_PARTS, _MANY_PARTS)
        )
    gains.sort()
    rows = [
        Measured(
            what=f"export of `outcomes`: MB of memory at {_FEW_PARTS * PART_PROBLEMS:,} and "
            f"{_MANY_PARTS * PART_PROBLEMS:,} problems, command and processes together",
            figures=f"{few.peak_mb:.0f}; {many.peak_mb:.0f}",
            ratio=f"{many.num_rows / many.seconds:,.0f} rows/s at {_MANY_PARTS * PART_PROBLEMS:,} "
            "problems",
            goal=f"flat within {_FLAT_MB} MB",
            met=many.peak_mb - few.peak_mb <= _FLAT_MB,
        ),
        Measured(
            what="export in two processes on two cores: speed over one process",
            figures=f"{gains[len(gains) // 2]:.2f} ({gains[0]:.2f} to {gains[-1]:.2f}) over all views",
            ratio=f"{gains[len(gains) // 2]:.2f}",
            goal="at least 1.5",
            met=gains[len(gains) // 2] >= 1.5,
        ),
    ]
    text = _TEXT.format(
        problems=_PARTS * PART_PROBLEMS,
        responses=facts["responses"],
        tokens=facts["tokens"] / facts["responses"] / (_PARTS * PART_PROBLEMS),
        size=facts["mb"],
        part=PART_PROBLEMS,
        rows="\n".join(lines),
    )
    return rows, text


def simulated_part(folder: Path) -> Path:
    """A run with one part."""
    out = folder / "part"
    options = [
        f"problems.size={PART_PROBLEMS}",
        f"dataset.problems_per_part={PART_PROBLEMS}",
        "dataset.views=[]",
    ]
    command = [_BERRY, "run", str(CONFIGS / "simulated.yaml"), f"output={out}", *options]
    subprocess.run(command, check=True, capture_output=True)
    return out


def repeated_run(path: Path, part: Path, num_parts: int) -> Path:
    """A run that has the part several times."""
    source = RunFolder.read(part)
    (index,) = source.parts
    entry, file = source.parts[index], source.part_path("trees", index)
    folder = RunFolder.claim(path, source.run)
    for number in range(num_parts):
        staged = folder.staging(number, "benchmark") / "trees.parquet"
        staged.parent.mkdir(parents=True)
        shutil.copy(file, staged)
        folder.commit(
            number,
            {
                "trees": StagedFile(
                    path=str(staged.relative_to(path)),
                    num_rows=entry.num_problems,
                    num_bytes=staged.stat().st_size,
                    digest=digest_of(staged),
                )
            },
            num_problems=entry.num_problems,
            problems_digest=entry.problems_digest,
            counts=source.counts,
        )
    folder.close()
    return path


def _facts(out: Path) -> dict[str, float]:
    folder = RunFolder.read(out)
    num_bytes = sum(part.sizes["trees"] for part in folder.parts.values())
    counts = folder.counts
    return {
        "mb": num_bytes / 1e6,
        "tokens": counts.tokens,
        "responses": counts.rollouts / counts.problems,
    }


def _export(out: Path, view: str, folder: Path, *, cores: int = 2, kind: str = "") -> _Export:
    target = folder / f"exported{kind}"
    usable = sorted(os.sched_getaffinity(0))[:cores]
    command = [_BERRY, "export", str(out), "--as", view, "--output", str(target)]
    start = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, usable)
    )
    peak, ended = [0.0], threading.Event()
    watching = threading.Thread(target=_watch, args=(process.pid, peak, ended))
    watching.start()
    process.communicate()
    seconds = time.monotonic() - start
    ended.set()
    watching.join()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: ended with status {process.returncode}")
    files = [target] if kind else sorted((target / "data" / view).glob("part-*.parquet"))
    num_rows = 0 if kind else sum(pq.read_metadata(file).num_rows for file in files)
    num_bytes = sum(file.stat().st_size for file in files)
    if kind:
        target.unlink()
    else:
        shutil.rmtree(target)
    return _Export(num_rows=num_rows, num_bytes=num_bytes, seconds=seconds, peak_mb=peak[0])


def _watch(pid: int, peak: list[float], ended: threading.Event) -> None:
    """Notes the largest unique memory of a process and its descendants, in MB."""
    while not ended.wait(0.2):
        total = 0
        try:
            command = psutil.Process(pid)
            family = [command, *command.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for one in family:
            try:
                total += one.memory_full_info().uss
            except psutil.Error:
                continue
        peak[0] = max(peak[0], total / 1e6)
