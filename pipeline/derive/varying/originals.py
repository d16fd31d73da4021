"""The problems of a run that have a verified solution.

They are kept in a file, so that a resumed command uses the same ones.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.datasets.reader import RunReader
from pipeline.derive.varying.lines import read_lines, write_lines
from pipeline.records import Trace
from verifiers import Outcome

_MOST_SOLUTIONS = 4
"""Solutions kept of a problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A problem and its verified solutions."""

    id: str
    prompt: str
    answer: str
    domain: str
    source: str
    solutions: tuple[str, ...]
    """Survivors' texts, the shortest first."""


def read_originals(run: RunReader, path: Path, most: int | None) -> list[Original]:
    """The originals in the file, which is written first if it is not there.

    Raises FolderError for a damaged run, and StorageError.
    """
    if not path.exists():
        found = _find(run)
        chosen = [one for one, _ in zip(found, range(most), strict=False)] if most else list(found)
        write_lines(path, map(asdict, chosen))
    return [Original(**{**row, "solutions": tuple(row["solutions"])}) for row in read_lines(path)]


def _find(run: RunReader) -> Iterator[Original]:
    for trace in run.traces():
        problem = trace.problem
        answer = (problem.target.value or "").strip()
        solutions = sorted(set(_verified(trace)), key=lambda text: (len(text), text))
        if answer and not problem.target.tests and solutions:
            yield Original(
                id=problem.id,
                prompt=problem.prompt,
                answer=answer,
                domain=problem.domain,
                source=problem.source,
                solutions=tuple(solutions[:_MOST_SOLUTIONS]),
            )


def _verified(trace: Trace) -> Iterator[str]:
    """Texts of survivors that a verifier passed against the gold answer."""
    for one in trace.kept:
        if one.verdict is not None and one.verdict.outcome is Outcome.PASS:
            yield one.response.strip()
