"""Many workers: what each adds, and how even the work is when problems differ a hundred times."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from benchmarks.cluster.in_process import InProcess
from benchmarks.cluster.tiny import NOTE
from benchmarks.measure import Measured
from pipeline.engines import PromptFormat
from pipeline.engines.simulated import SimulatedEngine, _Task
from pipeline.records import Problem
from verifiers import Target

_WORKERS = (1, 2, 4, 8, 16)
_PLACES = 8
_ROUNDS = 10
"""Problems for each place."""
_MEAN_SECONDS = 2.0
_STEPS = 100
"""Most steps of a problem; the fewest are 1."""
_STEP_SECONDS = 0.14
_LEAST_EFFICIENCY, _MOST_IDLE, _LONGEST_TAIL = 0.95, 0.05, 1.0


def many_workers() -> tuple[list[Measured], str]:
    """Efficiency of 1 to 16 workers, idle places and the tail."""
    even, lines = _efficiency()
    uneven, more = _balance()
    section = [
        "## Many workers",
        f"In one process, {NOTE}: a real driver, real workers of {_PLACES} places, and a simulated "
        "engine that waits as long as a model would take. Calls between driver and workers do not go "
        "through Ray: 16 Ray processes would measure the machine.",
        "",
        *lines,
        "",
        *more,
    ]
    return [even, *uneven], "\n".join(section)


def _efficiency() -> tuple[Measured, list[str]]:
    """Problems of 1 to 3 seconds, as many for each worker.

    With equal ones, a single one that starts late would cost a whole round.
    """
    speeds: dict[int, float] = {}
    _run(1, list(_problems(_PLACES)), _PLACES, [], 0.0)  # what is loaded on first use
    lines = [
        "| workers | problems/s | efficiency | processor time of the process |",
        "|---|---|---|---|",
    ]
    for number in _WORKERS:
        problems = list(_problems(number * _PLACES * _ROUNDS))
        run, cpu = _run(
            number,
            problems,
            _PLACES,
            ["engine.min_steps=10", "engine.max_steps=30"],
            _MEAN_SECONDS / 20,
        )
        speeds[number] = len(problems) / run.seconds
        efficiency = speeds[number] / (number * speeds[_WORKERS[0]])
        busy = cpu / run.seconds
        lines.append(f"| {number} | {speeds[number]:.2f} | {efficiency:.3f} | {busy:.0%} of a core |")
    last = _WORKERS[-1]
    efficiency = speeds[last] / (last * speeds[1])
    row = Measured(
        what=f"simulated engines of {_PLACES} places in one process: problems/s of {last}, of 1",
        figures=f"{speeds[last]:.2f}; {speeds[1]:.2f}",
        ratio=f"{efficiency:.3f} of {last} times one's",
        goal=f"at least {_LEAST_EFFICIENCY}",
        met=efficiency >= _LEAST_EFFICIENCY,
    )
    return row, lines


def _balance() -> tuple[list[Measured], list[str]]:
    """Problems of 1 to 100 steps, by a log-uniform law: most are short."""
    lines = [
        "| problems of 1 to 100 steps | idle places before the tail | tail | longest problem | all |",
        "|---|---|---|---|---|",
    ]
    rows = []
    settings = ["engine.min_steps=1", f"engine.max_steps={_STEPS}"]
    for number, size in ((4, _PLACES), (16, _PLACES), (16, 1000)):
        problems = list(_uneven_problems(number * _PLACES * 15, settings))
        run, _ = _run(number, problems, size, settings, _STEP_SECONDS)
        tail = run.tail_seconds / run.longest
        what = f"{number} workers, {len(problems)} problems, {size} a part"
        lines.append(
            f"| {what} | {run.idle_share:.3f} | {run.tail_seconds:.1f} s | {run.longest:.1f} s | "
            f"{run.seconds:.1f} s |"
        )
        rows.append(
            Measured(
                what=f"problems that differ 100 times, {what}: idle places before the tail; tail, of "
                "the longest problem",
                figures=f"{run.idle_share:.3f}; {tail:.2f}",
                ratio=f"tail {run.tail_seconds:.1f} of {run.seconds:.1f} s",
                goal=f"under {_MOST_IDLE}; at most {_LONGEST_TAIL:.2f}",
                met=run.idle_share < _MOST_IDLE and tail <= _LONGEST_TAIL,
            )
        )
    return rows, lines


def _run(
    workers: int, problems: Sequence[Problem], size: int, settings: Sequence[str], step_seconds: float
) -> tuple[InProcess, float]:
    # A step has about 40 tokens, which are bytes.
    overrides = [
        f"cluster.workers={workers}",
        f"cluster.problems_in_flight={_PLACES}",
        f"dataset.problems_per_part={size}",
        f"engine.token_seconds={step_seconds / 40}",
        "sampling.max_tokens=8192",
        *settings,
    ]
    with tempfile.TemporaryDirectory() as folder:
        run = InProcess(Path(folder), problems, overrides)
        cpu = time.process_time()
        run.run()
        return run, time.process_time() - cpu


def _problems(count: int, start: int = 0) -> Iterator[Problem]:
    for n in range(start, start + count):
        target = Target(kind="number", value=str(n + 1))
        yield Problem.create(prompt=f"What is {n} + 1?", target=target, source="sums")


def _uneven_problems(count: int, settings: Sequence[str]) -> Iterator[Problem]:
    """Each number of steps in inverse proportion to itself."""
    options = dict(one.removeprefix("engine.").split("=") for one in settings)
    config, random, found = SimulatedEngine.Config.model_validate(options), Random(0), 0
    shown = PromptFormat()
    for problem in _problems(1_000_000):
        # What the engine makes of the prompt decides on the steps.
        steps = _Task(shown.render(problem), "", "", config).num_steps
        if random.random() < 1 / steps:
            yield problem
            found += 1
            if found == count:
                return
