"""`berry verify OUT --with FILE`: judges the stored responses of a run by another verifier.

The run does not change. The result says how often the two verifiers agree, and a file has the responses
on which they differ: what a new version of a verifier would change, or how far to trust the old one.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict

from pipeline.config import KINDS
from pipeline.config.messages import Origin
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.identity import config_with_sandbox
from pipeline.datasets.reader import RunReader
from pipeline.derive.export_file import check_new_file
from pipeline.derive.sections import read_sections, sections_of
from pipeline.dispatch.judging import Response, judge_all
from pipeline.errors import UserMistake
from pipeline.files.new_lines import NewLines
from pipeline.labels.majority import is_vote
from pipeline.records import Problem, Status
from sandbox import SandboxConfig
from verifiers import Outcome, Verdict, Verifier
from verifiers.catalog import CannotBuild, build_verifier
from verifiers.plugins import Part, PartOf

_DECIDED = frozenset({Outcome.PASS.value, Outcome.FAIL.value})
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
    def num_decided(self) -> int:
        """Responses that both verifiers decided."""
        return sum(number for pair, number in self.outcomes.items() if set(pair) <= _DECIDED)

    @property
    def agreement(self) -> float | None:
        """Fraction of equal outcomes among responses that both verifiers decided; None without any."""
        same = sum(self.outcomes[one, one] for one in _DECIDED)
        return same / total if (total := self.num_decided) else None


def read_verifier(path: Path) -> Verifier:
    """The verifier of a config, which may have other sections too. Raises ConfigError, UserMistake."""
    return _built(read_sections(path, _Sections))


def verifier_of(folder: RunFolder) -> Verifier:
    """The verifier of a run's own config, with its sandbox. Raises ConfigError, UserMistake."""
    origin = Origin(file=str(folder.path / "run.json"))
    return _built(sections_of(config_with_sandbox(folder.run), _Sections, origin))


def _built(sections: _Sections) -> Verifier:
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
    with ExitStack() as stack:
        file = None if output is None else stack.enter_context(NewLines(output))
        async with aclosing(judge_all(verifier, _responses(reader))) as judged:
            async for stored, new in judged:
                _compare(stored, new, compared, file)
                advance()
    return compared


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """A complete response of the run."""

    problem: Problem
    leaf: int
    response: str
    verdict: Verdict | None
    """The stored verdict; None without one, or with only a vote's."""


def _responses(reader: RunReader) -> Iterator[tuple[_Stored, Response]]:
    for trace in reader.traces():
        problem = trace.problem
        for one in trace.trajectories:
            if one.status is Status.COMPLETED:
                stored = _Stored(
                    problem=problem,
                    leaf=one.leaf,
                    response=one.response,
                    verdict=None if is_vote(one.verdict) else one.verdict,
                )
                asked = Response(prompt=problem.prompt, text=one.response, target=problem.target)
                yield stored, asked


def _compare(stored: _Stored, new: Verdict, compared: Compared, file: NewLines | None) -> None:
    """Counts a new verdict."""
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
            file.add(_difference(stored, new))


def _difference(stored: _Stored, new: Verdict) -> dict[str, object]:
    """The row of a response on which the verifiers differ."""
    return {
        "problem_id": stored.problem.id,
        "leaf": stored.leaf,
        "problem": stored.problem.prompt,
        "target": stored.problem.target.value,
        "response": stored.response,
        "old": None if stored.verdict is None else _columns(stored.verdict),
        "new": _columns(new),
    }


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
        "decided": compared.num_decided,
        "differing": compared.num_differing,
    }
