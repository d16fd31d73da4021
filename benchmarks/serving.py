"""Verdicts over HTTP against the same rows judged in this process.

Both take turns in rounds on the same machine; a ratio is that of one round. Four clients send requests
of 250 rows (`math`) or 25 (`code`) at the same time. Here all rows of a round are judged at once. No
response comes twice, and every verdict is checked.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.measure import Measured, spread
from pipeline.dispatch.judging import LocalJudge
from verifiers import Verifier
from verifiers.code import CodeVerifier
from verifiers.math.verifier import MathVerifier
from verifiers.records import read_target

_ROUNDS, _CLIENTS = 10, 4
_ROWS_IN_REQUEST = {"math": 250, "code": 25}
_GOALS = {"math": 0.3, "code": 0.9}
_TEXT = """## Verdicts over HTTP
{clients} clients at the same time, each with a request of {math} answers or {code} programs, against as
many rows judged in process, in {rounds} rounds. Answers are plain numbers and programs one `print`,
where what a row costs beside its check counts most."""
_Row = dict[str, Any]


def against_in_process() -> tuple[list[Measured], str]:
    """A row for answers, which cost little, and one for programs; and the section about them."""
    rows = []
    for name in ("math", "code"):
        here, there = asyncio.run(_measure(name))
        ratios = [ours / theirs for ours, theirs in zip(there, here, strict=True)]
        rows.append(
            Measured(
                what=f"`berry serve verify --use {name}`: rows/s, of the same in process",
                figures=f"{spread(there)}; {spread(here)}",
                ratio=spread(ratios, 2),
                goal=f"at least {_GOALS[name]:.2f} of it",
                met=statistics.median(ratios) >= _GOALS[name],
            )
        )
    return rows, _TEXT.format(clients=_CLIENTS, rounds=_ROUNDS, **_ROWS_IN_REQUEST)


async def _measure(name: str) -> tuple[list[float], list[float]]:
    verifier: Verifier = (
        MathVerifier(MathVerifier.Config()) if name == "math" else CodeVerifier(CodeVerifier.Config())
    )
    judge = LocalJudge(verifier)
    await judge.start()
    here, there = [], []
    try:
        with _served(name) as address:
            async with aiohttp.ClientSession() as session:
                for number in range(-1, _ROUNDS):
                    rates = (
                        await _rate(_judge_here(judge, _rows(name, 2 * number))),
                        await _rate(_judge_there(session, address, name, _rows(name, 2 * number + 1))),
                    )
                    # The first round is not counted.
                    if number >= 0:
                        here.append(rates[0])
                        there.append(rates[1])
    finally:
        await judge.close()
    return here, there


def _rows(name: str, round_number: int) -> list[_Row]:
    count = _CLIENTS * _ROWS_IN_REQUEST[name]
    return [_row(name, round_number * count + number) for number in range(count)]


def _row(name: str, number: int) -> _Row:
    """Every other one is wrong."""
    answer = number + number % 2
    if name == "math":
        target: _Row = {"kind": "math", "value": str(number)}
        return {"response": f"We add and get \\boxed{{{answer}}}.", "target": target}
    target = {"kind": "stdin_stdout", "cases": [{"input": "", "output": str(number)}]}
    return {"response": f"```python\nprint({answer})\n```", "target": target}


async def _rate(judged: Any) -> float:
    start = time.perf_counter()
    outcomes = await judged
    seconds = time.perf_counter() - start
    assert outcomes == ["pass", "fail"] * (len(outcomes) // 2), outcomes[:10]
    return len(outcomes) / seconds


async def _judge_here(judge: LocalJudge, rows: list[_Row]) -> list[str]:
    verdicts = await asyncio.gather(
        *(judge.verify("", row["response"], read_target(row["target"])) for row in rows)
    )
    return [verdict.outcome.value for verdict in verdicts]


async def _judge_there(
    session: aiohttp.ClientSession, address: str, name: str, rows: list[_Row]
) -> list[str]:
    size = _ROWS_IN_REQUEST[name]
    answers = await asyncio.gather(
        *(_ask(session, address, rows[at : at + size]) for at in range(0, len(rows), size))
    )
    return [verdict["outcome"] for verdicts in answers for verdict in verdicts]


async def _ask(session: aiohttp.ClientSession, address: str, rows: list[_Row]) -> list[_Row]:
    async with session.post(f"{address}/verify", data=json.dumps({"rows": rows}).encode()) as answer:
        content = await answer.json()
    verdicts: list[_Row] = content["verdicts"]
    return verdicts


@contextmanager
def _served(name: str) -> Iterator[str]:
    """The address of a service in a process of its own."""
    berry = str(Path(sys.executable).parent / "berry")
    command = [berry, "serve", "verify", "--use", name, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().partition(" on ")[2].strip()
        finally:
            process.terminate()
