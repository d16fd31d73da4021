"""`berry verify`: judges a jsonl file row by row, in bounded memory and in the same order."""

import asyncio
import codecs
import json
import math
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.dispatch.judging import LocalJudge, close_judge, start_judge
from pipeline.errors import RunFailure, UserMistake, is_users
from pipeline.files.json_rows import read_row
from verifiers import Target, Verdict, Verifier
from verifiers.code.targets import check_target, target_of
from verifiers.mistakes import shown
from verifiers.records import gold_text, read_target

_IN_FLIGHT = 2048
_BYTES_IN_FLIGHT = 32_000_000
"""Maximum bytes of text in memory; parsed rows take a few times as much."""
_PEEK_BYTES = 4096
_OTHER_FORMATS = frozenset({".csv", ".tsv", ".parquet", ".xlsx", ".gz"})
"""Common file formats that are not supported."""


class RowError(UserMistake):
    """A row or file cannot be judged; the message names it for the user."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of one kind of check."""

    target: Callable[[dict[str, Any]], Target]
    """Reads a row's target. Raises ValueError for a fault."""
    verdict: Callable[[Verdict], dict[str, Any]]
    """Output columns for a verdict, in addition to the row's id."""


async def verify_file(
    verifier: Verifier,
    source: Path,
    output: Path,
    columns: Columns,
    on_verdict: Callable[[], None] = lambda: None,
) -> Counter[str]:
    """Writes a verdict for each row of `source`; returns the number of each outcome.

    A row whose target contains NaN or Infinity and cannot be judged gets an ERROR. Raises RowError at
    any other invalid row, after writing the verdicts before it, and RunFailure if the verifier cannot
    work.
    """
    _check_files(source, output)
    judge = LocalJudge(verifier)
    outcomes: Counter[str] = Counter()
    waiting: deque[tuple[object, int, asyncio.Task[Verdict]]] = deque()
    num_bytes = 0
    try:
        await start_judge(judge)
        with output.open("w", encoding="utf-8") as verdicts:

            async def write_first() -> None:
                nonlocal num_bytes
                row_id, size, task = waiting[0]
                verdict = await task
                waiting.popleft()
                num_bytes -= size
                outcomes[verdict.outcome.value] += 1
                line = {"id": row_id, **columns.verdict(verdict)}
                verdicts.write(json.dumps(line) + "\n")
                on_verdict()

            try:
                for question in _questions(source, columns):
                    task = asyncio.create_task(_verdict(judge, question))
                    waiting.append((question.id, question.num_bytes, task))
                    num_bytes += question.num_bytes
                    del question
                    while len(waiting) >= _IN_FLIGHT or (waiting and num_bytes > _BYTES_IN_FLIGHT):
                        await write_first()
            except asyncio.CancelledError:
                for *_, task in waiting:
                    task.cancel()
                raise
            finally:
                while waiting and not waiting[0][2].cancelled():
                    await write_first()
    except OSError as e:
        kind = RowError if is_users(e) else RunFailure
        raise kind(f"{e.filename or output}: {e.strerror or e}") from e
    finally:
        await close_judge(judge)
    return outcomes


def _check_files(source: Path, output: Path) -> None:
    """Raises RowError for a missing input, or one that is also the output, before writing anything."""
    try:
        with source.open("rb") as file:
            first = file.read(_PEEK_BYTES).removeprefix(codecs.BOM_UTF8).lstrip()[:1]
            same = output.exists() and output.samefile(source)
    except OSError as e:
        error = RowError if is_users(e) else RunFailure
        raise error(f"{source}: {e.strerror}") from e
    kind = source.suffix.lower()
    if first == b"[" or kind in _OTHER_FORMATS:
        got = "one list" if first == b"[" else f"a {kind} file"
        raise RowError(f"{source}: expected a .jsonl file, one JSON object on each line, got {got}")
    if same:
        raise RowError(f"{output}: expected an output file other than the input")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """A row of the file."""

    id: object
    """The row's id, else its line number."""
    prompt: str
    response: str
    target: Target | str
    """The target, or the reason why it cannot be judged."""
    num_bytes: int


async def _verdict(judge: LocalJudge, question: _Question) -> Verdict:
    if isinstance(question.target, Target):
        return await judge.verify(question.prompt, question.response, question.target)
    return judge.border.error(question.target)


def _questions(source: Path, columns: Columns) -> Iterator[_Question]:
    """Each row; the prompt is optional. Raises RowError."""
    with source.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _question(line, number, f"{source}, line {number}", columns)


def _question(line: bytes, number: int, where: str, columns: Columns) -> _Question:
    constants: list[str] = []
    try:
        row = read_row(line, ("gold",), ("target", "value"), constants=constants)
    except ValueError as e:
        raise RowError(f"{where}: {e}") from e
    if not isinstance(row, dict):
        raise RowError(f"{where}: expected an object with fields, got {shown(row)}")
    row_id = row.get("id", number)
    if isinstance(row_id, float) and not math.isfinite(row_id):
        raise RowError(f"{where}: field 'id': expected a text or a number, got {shown(row_id)}")
    response = _text(row.get("response"), f"{where}: field 'response'")
    prompt = _text(row.get("prompt") or "", f"{where}: field 'prompt'")
    target: Target | str
    try:
        target = columns.target(row)
    except ValueError as e:
        if not constants:
            raise RowError(f"{where}: {e}") from e
        target = f"line {number}: {e}"
    return _Question(id=row_id, prompt=prompt, response=response, target=target, num_bytes=len(line))


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise RowError(f"{where}: expected a text, got {shown(value)}")
    return value


def _math_target(row: dict[str, Any]) -> Target:
    try:
        return Target(kind="math", value=gold_text(row.get("gold")))
    except ValueError as e:
        raise ValueError(f"field 'gold': {e}") from e


def _math_verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "outcome": verdict.outcome.value,
        "reason": verdict.reason,
        "extracted": verdict.extracted,
        "verifier": f"{verdict.verifier}/{verdict.version}",
    }


def _code_target(row: dict[str, Any]) -> Target:
    given = row.get("target")
    if not isinstance(given, dict):
        raise ValueError(f"field 'target': expected an object with a kind, got {shown(given)}")
    target = target_of(given)
    check_target(target)
    return target


def _code_verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "outcome": verdict.outcome.value,
        "reason": verdict.reason,
        "evidence": dict(verdict.evidence),
    }


def _any_target(row: dict[str, Any]) -> Target:
    try:
        return read_target(row.get("target"))
    except ValueError as e:
        raise ValueError(f"field 'target': {e}") from e


def _whole_verdict(verdict: Verdict) -> dict[str, Any]:
    return {**_math_verdict(verdict), "evidence": dict(verdict.evidence)}


MATH = Columns(_math_target, _math_verdict)
"""Rows of {"id", "gold", "response"}."""
CODE = Columns(_code_target, _code_verdict)
"""Rows of {"id", "target", "response"}."""
ANY = Columns(_any_target, _whole_verdict)
"""Rows of {"id", "target", "response"} with any kind of target."""
