"""Test code in a process of its own beside test code in the program's process, which can be forged.

The rows are HumanEval's problems with their canonical solutions, from the folder of data beside the
checkout, once as they are and once with their tests many times over, as sets with many inputs have it.
Each round runs all rows both ways, on all cores.
"""

import asyncio
import base64
import json
import statistics
import time
from typing import Any

from benchmarks.measure import Measured, spread
from sandbox import Limits, Status
from tests.conftest import SHARED_DATA
from verifiers.code.asserts.instrument import prepare
from verifiers.code.reading.extraction import preamble_of
from verifiers.code.runs import Runs

_FILE = SHARED_DATA / "humaneval_dev.jsonl"
_ROUNDS, _TIMES_OVER, _LEAST_RATIO = 5, 100, 0.7
_TEXT = """## Test code apart from the program
HumanEval's canonical solutions and tests, programs/s of {rounds} rounds. Apart: two processes and a
channel, which no program can forge. Inside: the tests in the program's own process.

| tests | programs | apart | inside | ratio | CPU a program, ms: apart | inside |
|---|---|---|---|---|---|---|
{lines}"""


def apart_and_inside() -> tuple[list[Measured], str]:
    """A row for each length of tests, and the section with the figures."""
    if not _FILE.exists():
        return [], f"## Test code apart from the program\nNot measured: {_FILE.name} is not there."
    rows, lines = [], []
    for name, times in (("as they are", 1), (f"{_TIMES_OVER} times over", _TIMES_OVER)):
        requests = [_request(json.loads(line), times) for line in _FILE.read_text().splitlines()]
        rates, milliseconds = asyncio.run(_measure(requests))
        ratios = [apart / inside for apart, inside in zip(rates[True], rates[False], strict=True)]
        figures = [spread(rates[True]), spread(rates[False]), spread(ratios, 2)]
        used = [f"{statistics.median(milliseconds[apart]):.1f}" for apart in (True, False)]
        lines.append(f"| {' | '.join([name, str(len(requests)), *figures, *used])} |")
        rows.append(
            Measured(
                what=f"tests in a process of their own, {name}",
                figures=f"{figures[0]} programs/s; inside {figures[1]}",
                ratio=figures[2],
                goal=f"at least {_LEAST_RATIO} of inside",
                met=statistics.median(ratios) >= _LEAST_RATIO,
            )
        )
    return rows, _TEXT.format(rounds=_ROUNDS, lines="\n".join(lines))


def _request(row: dict[str, Any], times: int) -> dict[str, Any]:
    entry_point, prompt = row["entry_point"], row["prompt"]
    tests = f"{row['test']}\nfor _ in range({times}):\n    check({entry_point})\n"
    prepared = prepare(tests, entry_point)
    return {
        "code": prompt + row["canonical_solution"],
        "entry_point": entry_point,
        "tests": base64.b64encode(prepared.code).decode(),
        "needs_pytest": False,
        "names": prepared.names,
        "given_literals": prepared.given_literals,
        "preamble": preamble_of(prompt, entry_point),
        "seeds_numpy": False,
    }


async def _measure(
    requests: list[dict[str, Any]],
) -> tuple[dict[bool, list[float]], dict[bool, list[float]]]:
    """Programs/s and milliseconds of CPU a program, of each round, apart (True) and inside."""
    rates: dict[bool, list[float]] = {True: [], False: []}
    milliseconds: dict[bool, list[float]] = {True: [], False: []}
    runs = Runs(None)
    await asyncio.gather(*(runs.run_tests({**r, "apart": True}, Limits()) for r in requests[:8]))
    for _ in range(_ROUNDS):
        for apart in (True, False):
            start = time.perf_counter()
            results = await asyncio.gather(
                *(runs.run_tests({**request, "apart": apart}, Limits()) for request in requests)
            )
            rates[apart].append(len(requests) / (time.perf_counter() - start))
            milliseconds[apart].append(1000 * sum(r.cpu_seconds for r in results) / len(results))
            if not all(r.status is Status.OK and b'"failure"' not in r.stdout for r in results):
                raise RuntimeError("a canonical solution failed")
    await runs.close()
    return rates, milliseconds
