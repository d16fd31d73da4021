"""`berry verify`: judges a jsonl file row by row, in bounded memory and in the same order."""

import asyncio
import json
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import UserMistake
from pipeline.judging import LocalJudge
from verifiers import Target, Verdict, Verifier

_IN_FLIGHT = 2048


class RowError(UserMistake):
    """A row, or a file, that cannot be judged; the message names it for the user."""


async def verify_file(verifier: Verifier, source: Path, output: Path) -> Counter[str]:
    """Writes a verdict for each row of `source`; returns how often each outcome came.

    Raises RowError at the first row that is no question, after writing the verdicts before it.
    """
    judge = LocalJudge(verifier)
    outcomes: Counter[str] = Counter()
    waiting: deque[tuple[object, asyncio.Task[Verdict]]] = deque()
    try:
        with output.open("w", encoding="utf-8") as verdicts:

            async def write_first() -> None:
                row_id, task = waiting.popleft()
                verdict = await task
                outcomes[verdict.outcome.value] += 1
                line = {
                    "id": row_id,
                    "outcome": verdict.outcome.value,
                    "reason": verdict.reason,
                    "extracted": verdict.extracted,
                    "verifier": f"{verdict.verifier}/{verdict.version}",
                }
                verdicts.write(json.dumps(line) + "\n")

            try:
                for row_id, target, response in _questions(source):
                    task = asyncio.create_task(judge.verify("", response, target))
                    waiting.append((row_id, task))
                    if len(waiting) >= _IN_FLIGHT:
                        await write_first()
            finally:
                while waiting:
                    await write_first()
    except OSError as e:
        raise RowError(f"{e.filename or output}: {e.strerror}") from e
    finally:
        await judge.close()
    return outcomes


def _questions(source: Path) -> Iterator[tuple[object, Target, str]]:
    """Id, target and response of each row; the id is the line's number if the row has none."""
    with source.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            where = f"{source}, line {number}"
            try:
                row = json.loads(line)
            except ValueError as e:
                raise RowError(f"{where}: is not JSON ({e})") from e
            if not isinstance(row, dict):
                raise RowError(f"{where}: expected an object, got {type(row).__name__}")
            response = row.get("response")
            if not isinstance(response, str):
                raise RowError(f"{where}: field 'response': expected a text, got {response!r}")
            yield row.get("id", number), _target(row, where), response


def _target(row: dict[str, Any], where: str) -> Target:
    gold = row.get("gold")
    if isinstance(gold, int | float) and not isinstance(gold, bool):
        gold = str(gold)
    if not isinstance(gold, str):
        raise RowError(f"{where}: field 'gold': expected a text or a number, got {gold!r}")
    return Target(kind="math", value=gold)
