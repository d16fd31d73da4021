"""`berry verify OUT --with FILE`: judges the stored responses of a run by another verifier.

The run does not change. The result says how often the two verifiers agree, and a file has the responses
on which they differ: what a new version of a verifier would change, or how far to trust the old one.
"""

import asyncio
import json
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict

from pipeline.config import KINDS
from pipeline.datasets.reader import RunReader
from pipeline.derive.export_file import check_new_file
from pipeline.derive.sections import read_sections
from pipeline.dispatch.judging import LocalJudge, close_judge, start_judge
from pipeline.errors import UserMistake
from pipeline.files.publishing import REPEAT, explained
from pipeline.files.storage import NewFile, move
from pipeline.labels.majority import is_vote
from pipeline.records import Problem, Status
from sandbox import SandboxConfig
from verifiers import Outcome, Verdict, Verifier
from verifiers.catalog import CannotBuild, build_verifier
from verifiers.plugins import Part, PartOf

_IN_FLIGHT = 512
NONE = "none"
"""Stands for the verdict of a response that had none, or only a vote's."""


class _Sections(BaseModel):
    """What is read of the config: the sections of a verifier."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    verifier: Annotated[Part, PartOf(KINDS["verifier"])]
    sandbox: SandboxConfig = SandboxConfig()


@dataclass(slots=True, kw_only=True)
class Compared:
    """Verdicts of two verifiers on the same responses."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(stored outcome or NONE, new outcome) -> responses."""
    versions: set[str] = field(default_factory=set)
    """Names and versions of the stored verdicts' verifiers."""
    new_version: str = ""
    num_differing: int = 0
    """Responses whose outcome is another."""
    errors: Counter[str] = field(default_factory=Counter)
    """Reasons of new verdicts that are errors."""

    @property
    def failed(self) -> str | None:
        """Why the new verifier failed on every response; None if it did not."""
        if not self.errors or any(new != Outcome.ERROR for _, new in self.outcomes):
            return None
        return self.errors.most_common(1)[0][0]

    @property
    def agreement(self) -> float | None:
        """Fraction of equal outcomes among responses that both verifiers decided; None without any."""
        decided = {Outcome.PASS.value, Outcome.FAIL.value}
        both = {pair: number for pair, number in self.outcomes.items() if set(pair) <= decided}
        same = sum(number for (old, new), number in both.items() if old == new)
        return same / total if (total := sum(both.values())) else None


def read_verifier(path: Path) -> Verifier:
    """The verifier of a config, which may have other sections too. Raises ConfigError, UserMistake."""
    sections = read_sections(path, _Sections)
    try:
        return build_verifier(sections.verifier, sections.sandbox)
    except CannotBuild as e:
        raise UserMistake(str(e)) from e


async def verify_again(
    out: Path, verifier: Verifier, output: Path | None, advance: Callable[[], None] = lambda: None
) -> Compared:
    """Judges every complete response of a run; writes those with another outcome to `output`.

    `advance` is called for each response. Raises FolderError for an unusable run or output, and
    RunFailure if the verifier cannot work.
    """
    reader, compared = RunReader.open(out), Compared()
    reader.require_parts()
    if output is not None:
        check_new_file(output, out)
    judge = LocalJudge(verifier)
    waiting: deque[tuple[_Stored, asyncio.Task[Verdict]]] = deque()
    try:
        await start_judge(judge)
        with ExitStack() as stack:
            file = None if output is None else stack.enter_context(_Differences(output))
            for stored in _responses(reader):
                problem = stored.problem
                judged = judge.verify(problem.prompt, stored.response, problem.target)
                waiting.append((stored, asyncio.create_task(judged)))
                if len(waiting) >= _IN_FLIGHT:
                    await _compare(waiting, compared, file)
                    advance()
            while waiting:
                await _compare(waiting, compared, file)
                advance()
    finally:
        for _, task in waiting:
            task.cancel()
        await close_judge(judge)
    return compared


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """A complete response of the run."""

    problem: Problem
    leaf: int
    response: str
    verdict: Verdict | None
    """The stored verdict; None without one, or with only a vote's."""


def _responses(reader: RunReader) -> Iterator[_Stored]:
    for trace in reader.traces():
        for one in trace.trajectories:
            if one.status is Status.COMPLETED:
                yield _Stored(
                    problem=trace.problem,
                    leaf=one.leaf,
                    response=one.response,
                    verdict=None if is_vote(one.verdict) else one.verdict,
                )


async def _compare(
    waiting: "deque[tuple[_Stored, asyncio.Task[Verdict]]]",
    compared: Compared,
    file: "_Differences | None",
) -> None:
    """Counts the oldest verdict that is waited for."""
    stored, task = waiting[0]
    new = await task
    waiting.popleft()
    old = stored.verdict
    outcome = NONE if old is None else old.outcome.value
    compared.outcomes[outcome, new.outcome.value] += 1
    compared.new_version = f"{new.verifier} {new.version}"
    if new.outcome is Outcome.ERROR:
        compared.errors[new.reason] += 1
    if old is not None:
        compared.versions.add(f"{old.verifier} {old.version}")
    if outcome != new.outcome.value:
        compared.num_differing += 1
        if file is not None:
            file.add(stored, new)


class _Differences:
    """The file of responses on which the verifiers differ; appears once it is complete."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.partial")
        self._file = NewFile(self._temporary)

    def __enter__(self) -> "_Differences":
        with explained(self._path, cure=REPEAT):
            self._file.__enter__()
        return self

    def add(self, stored: _Stored, new: Verdict) -> None:
        """Adds a line."""
        row = {
            "problem_id": stored.problem.id,
            "leaf": stored.leaf,
            "problem": stored.problem.prompt,
            "target": stored.problem.target.value,
            "response": stored.response,
            "old": None if stored.verdict is None else _columns(stored.verdict),
            "new": _columns(new),
        }
        with explained(self._path, cure=REPEAT):
            self._file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")

    def __exit__(self, *error: Any) -> None:
        with explained(self._path, cure=REPEAT):
            self._file.__exit__(*error)
            if error[0] is None:
                move(self._temporary, self._path)


def _columns(verdict: Verdict) -> dict[str, object]:
    return {
        "outcome": verdict.outcome.value,
        "reason": verdict.reason,
        "extracted": verdict.extracted,
        "verifier": verdict.verifier,
        "version": verdict.version,
    }


def describe(compared: Compared) -> str:
    """A table of stored outcomes by new ones, and the agreement."""
    names = [one.value for one in Outcome]
    new = [name for name in names if any(pair[1] == name for pair in compared.outcomes)]
    old = [name for name in (*names, NONE) if any(pair[0] == name for pair in compared.outcomes)]
    total = sum(compared.outcomes.values())
    lines = [
        f"{'stored by':<10} {', '.join(sorted(compared.versions)) or NONE}",
        f"{'judged by':<10} {compared.new_version or NONE}",
        "",
        f"{'stored':<10} " + " ".join(f"{f'now {name}':>12}" for name in new),
    ]
    for name in old:
        numbers = (compared.outcomes.get((name, now), 0) for now in new)
        lines.append(f"{name:<10} " + " ".join(f"{number:>12}" for number in numbers))
    agreement = compared.agreement
    agreed = "unknown: no response" if agreement is None else f"{agreement:.2%} of the responses that"
    lines += [
        "",
        f"{'agreement':<10} {agreed} {'is decided by both' if agreement is None else 'both decide'}",
        f"{'differ':<10} {compared.num_differing} of {total} responses",
    ]
    return "\n".join(lines)


def facts(compared: Compared) -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "stored_by": sorted(compared.versions),
        "judged_by": compared.new_version,
        "outcomes": [
            {"stored": old, "now": new, "responses": number}
            for (old, new), number in sorted(compared.outcomes.items())
        ],
        "agreement": compared.agreement,
        "differing": compared.num_differing,
    }
