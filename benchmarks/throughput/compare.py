"""The part `throughput` of the benchmarks: `berry run`, vLLM's `LLM.generate` and `ray.data.llm`.

They run in turn, several times, and the ratio is taken within each round: the machine may be slower in
one minute than in the next.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import Measured, run_berry, spread
from benchmarks.throughput.work import CONFIG, OVERRIDES, ROLLOUTS

_ROUNDS = 2
_LEAST_OF_OFFLINE, _LEAST_OF_RAY_DATA = 0.95, 1.0
_WORK = f"64 problems of {ROLLOUTS} rollouts"
_SECTION = """## Sampling
SmolLM2-135M-Instruct on a CPU, {work}, at most 160 tokens each, {rounds} rounds.
`LLM.generate` only samples, and its time is without loading, as is that of `berry run` beside it.
`ray.data.llm` has a stage that verifies with berry's verifier, and writes parquet; its time and that of
`berry run` beside it are of the whole process, from its start to its end.

| | tokens | seconds without loading | seconds of the whole process |
|---|---|---|---|
{rows}
"""


def real_engine() -> tuple[list[Measured], str]:
    """Tokens/s of all three, and the ratios within the rounds."""
    berry, offline, ray_data = [], [], []
    for _ in range(_ROUNDS):
        berry.append(_berry())
        offline.append(_other("offline"))
        ray_data.append(_other("ray_data"))
    of_offline = [_speed(one) / _speed(other) for one, other in zip(berry, offline, strict=True)]
    of_ray_data = [
        _speed(one, "whole") / _speed(other, "whole")
        for one, other in zip(berry, ray_data, strict=True)
    ]
    rows = [
        Measured(
            what=f"real engine: tokens/s of `berry run`, of `LLM.generate` ({_WORK})",
            figures=f"{_speeds(berry)}; {_speeds(offline)}",
            ratio=spread(of_offline, 2),
            goal=f"at least {_LEAST_OF_OFFLINE:.2f} of it",
            met=statistics.median(of_offline) >= _LEAST_OF_OFFLINE,
        ),
        Measured(
            what="real engine: tokens/s from start to end of `berry run`, of `ray.data.llm` with a "
            f"stage that verifies ({_WORK})",
            figures=f"{_speeds(berry, 'whole')}; {_speeds(ray_data, 'whole')}",
            ratio=spread(of_ray_data, 2),
            goal=f"at least {_LEAST_OF_RAY_DATA:.2f} of it",
            met=statistics.median(of_ray_data) >= _LEAST_OF_RAY_DATA,
        ),
    ]
    named = {"`berry run`": berry, "`LLM.generate`": offline, "`ray.data.llm`": ray_data}
    lines = [
        f"| {name} | {_spread(found, 'tokens')} | {_spread(found, 'seconds', 1)} | "
        f"{_spread(found, 'whole', 1)} |"
        for name, found in named.items()
    ]
    return rows, _SECTION.format(work=_WORK, rounds=_ROUNDS, rows="\n".join(lines))


def _speed(found: dict[str, float], key: str = "seconds") -> float:
    return found["tokens"] / found[key]


def _speeds(found: list[dict[str, float]], key: str = "seconds") -> str:
    return spread([_speed(one, key) for one in found])


def _spread(found: list[dict[str, float]], key: str, digits: int = 0) -> str:
    return spread([one[key] for one in found], digits) if key in found[0] else "-"


def _berry() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        facts, _peak = run_berry(CONFIG, Path(folder) / "out", *OVERRIDES)
        whole = time.perf_counter() - began
    return {"tokens": facts["tokens"], "seconds": facts["seconds"], "whole": whole}


def _other(module: str) -> dict[str, float]:
    """A process of its own each time; what it prints is no result, so that is a file."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, "-m", f"benchmarks.throughput.{module}", str(result)]
        began = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        found: dict[str, float] = json.loads(result.read_text())
    return found | {"whole": time.perf_counter() - began}
