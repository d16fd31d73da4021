"""Helpers for readers of programming problems: columns, and limits as contests state them."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.problems.columns import wrong
from verifiers.mistakes import shown

Row = Mapping[str, object]
_FACTORS = {"cpp": 1.0, "java": 2.0, "python": 5.0, "javascript": 5.0}
"""Factors for a contest's time limits, which apply to programs in C++."""
_LEAST_MEMORY_MB = 1024
"""Minimum memory for languages whose objects take many times the memory of C++."""
_NUMBER = re.compile(r"\s*(\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of a run's config besides the preset."""

    language: str = "python"
    time_factor: float | None = None
    """Factor for a contest's time limit; None uses the language's factor."""
    rule: str | None = None
    """Rule that compares output; None uses the verifier's default."""

    def stdin_stdout(
        self, cases: Sequence[Row], *, seconds: float | None = None, megabytes: float | None = None
    ) -> dict[str, object]:
        """A target for programs that read standard input and print."""
        target: dict[str, object] = {"kind": "stdin_stdout", "cases": list(cases)}
        if self.language != "python":
            target["language"] = self.language
        if self.rule is not None:
            target["rule"] = self.rule
        limits: dict[str, object] = {}
        if seconds:
            limits["cpu_seconds"] = seconds * (self.time_factor or _FACTORS[self.language])
        if megabytes:
            least = 0 if self.language == "cpp" else _LEAST_MEMORY_MB
            limits["memory_mb"] = max(int(megabytes), least)
        return {**target, "limits": limits} if limits else target

    def refuse_other_languages(self, what: str) -> None:
        """Raises ValueError unless the language is Python."""
        if self.language != "python":
            raise ValueError(f"{what}: expected problems.language=python, got {self.language}")


@dataclass(frozen=True, slots=True)
class Reading:
    """The prompt and target of a row."""

    prompt: str
    target: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramPreset:
    """A reader for the rows of one set."""

    prompts: tuple[str, ...]
    """Columns that can hold the problem's text; the first in a row is used."""
    golds: tuple[str, ...]
    """Columns that hold or reveal the solution."""
    others: tuple[str, ...] = field(default=())
    """Further columns in use."""
    read: Callable[[Row, str, Options], Reading]
    """Converts a row; raises ValueError for a fault of the row."""


def text(row: Row, *names: str) -> str:
    """The text of the first of these columns that has any. Raises ValueError."""
    for name in names:
        value = row.get(name)
        if isinstance(value, str) and value.strip():
            return value
    raise ValueError(wrong(row, names[0], "a text that is not empty"))


def optional_text(row: Row, name: str) -> str:
    """The column's text; "" if it is missing."""
    value = row.get(name)
    return value if isinstance(value, str) else ""


def loaded(row: Row, name: str) -> object:
    """The column's value, parsed as JSON if it is text; None if it is missing or blank."""
    value = row.get(name)
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        found: object = json.loads(value)
    except (ValueError, RecursionError) as e:
        raise ValueError(f"field {name!r}: expected JSON, got {shown(value)} ({e})") from e
    return found


def pairs(inputs: object, outputs: object, where: str) -> list[tuple[object, object]]:
    """Each input with its output. Raises ValueError."""
    if not isinstance(inputs, list | tuple) or not isinstance(outputs, list | tuple):
        raise ValueError(f"{where}: expected lists of inputs and outputs, got {shown(inputs)}")
    if len(inputs) != len(outputs):
        raise ValueError(
            f"{where}: expected as many outputs as inputs, got {len(inputs)} inputs and "
            f"{len(outputs)} outputs"
        )
    return list(zip(inputs, outputs, strict=True))


def printed(value: object, where: str) -> str:
    """The text of an input or output, which some sets split into lines. Raises ValueError."""
    if isinstance(value, list | tuple):
        return "\n".join(printed(line, where) for line in value)
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"{where}: expected a text or a list of lines, got {shown(value)}")


def number(value: object) -> float | None:
    """A limit given as a number or a text that begins with a number; None if missing."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if value > 0 else None
    match = _NUMBER.match(value) if isinstance(value, str) else None
    return float(match[1]) or None if match else None


def with_starter_code(question: str, starter_code: str) -> str:
    """The problem's text with the starter code, if any, that an answer must begin with."""
    if not starter_code.strip():
        return question
    return f"{question.rstrip()}\n\nUse this starter code:\n```python\n{starter_code.strip()}\n```"
