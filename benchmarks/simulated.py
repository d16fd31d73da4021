"""What berry itself costs: no model, no latency, exact match, one worker."""

import statistics
import tempfile
from pathlib import Path

from benchmarks.measure import Measured, run_berry, spread, write_problems

_RUNS = 3
_NUM_PROBLEMS, _NUM_ROLLOUTS = 2_000, 16
_FEW, _MANY = 1_000, 100_000
_OVERRIDES = ("dataset.problems_per_part=64", "strategy.use=best_of_n")
_LEAST_ROLLOUTS_PER_SECOND = 1_500
_MOST_MEGABYTES_APART = 50


def rollouts_per_second() -> Measured:
    """Rollouts through explore, verify, prune and write."""
    speeds = []
    for _ in range(_RUNS):
        with tempfile.TemporaryDirectory() as folder:
            problems = write_problems(Path(folder) / "p.jsonl", _NUM_PROBLEMS)
            facts, _peak = run_berry(
                "simulated.yaml",
                Path(folder) / "out",
                f"problems.path={problems}",
                f"strategy.rollouts={_NUM_ROLLOUTS}",
                *_OVERRIDES,
            )
            speeds.append(facts["rollouts"] / facts["seconds"])
    ratio = statistics.median(speeds) / _LEAST_ROLLOUTS_PER_SECOND
    return Measured(
        what=f"simulated engine: rollouts/s, {_NUM_PROBLEMS:,} problems of {_NUM_ROLLOUTS} rollouts",
        figures=spread(speeds),
        ratio=f"{ratio:.2f} of the goal",
        goal=f"at least {_LEAST_ROLLOUTS_PER_SECOND:,}",
        met=ratio >= 1,
    )


def peak_memory() -> Measured:
    """Peak memory with few and with many problems, the same in flight."""
    peaks: dict[int, list[float]] = {_FEW: [], _MANY: []}
    for num_problems in (_FEW, _MANY, _FEW):
        with tempfile.TemporaryDirectory() as folder:
            problems = write_problems(Path(folder) / "p.jsonl", num_problems)
            _facts, peak = run_berry(
                "simulated.yaml",
                Path(folder) / "out",
                f"problems.path={problems}",
                "strategy.rollouts=1",
                *_OVERRIDES,
            )
            peaks[num_problems].append(peak / 2**20)
    apart = max(peaks[_MANY]) - min(peaks[_FEW])
    return Measured(
        what=f"peak memory of driver and worker, MB: {_MANY:,} problems, {_FEW:,} problems",
        figures=f"{spread(peaks[_MANY])}; {spread(peaks[_FEW])}",
        ratio=f"{apart:.0f} MB apart",
        goal=f"at most {_MOST_MEGABYTES_APART} MB apart",
        met=apart <= _MOST_MEGABYTES_APART,
    )
