"""The problems of runs that a training leaves out, as a problem source for measurements."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.datasets.reader import RunReader
from pipeline.datasets.views.trees import read_problem
from pipeline.files.storage import place
from pipeline.problems import BadRow, ProblemError, SourceConfig
from pipeline.problems.variants.making import originals_of
from pipeline.records import Problem
from pipeline.training.rows import is_run
from reward_models.training.examples import is_held_out

_COLUMNS = (
    "problem_id",
    "domain",
    "problem",
    "target_kind",
    "target_value",
    "target_tests",
    "source",
    "split",
    "meta",
    "source_id",
)


class HeldOutProblems:
    """Problems of runs, solved or not, by their ids."""

    class Config(SourceConfig):
        """Where the problems are."""

        runs: tuple[str, ...]
        """Paths or URLs of run folders."""
        ids: Path
        """A JSON file with the list of the ids, in order."""

    def __init__(self, config: Config, seed: int = 0) -> None:
        self.config = config

    def size(self) -> int:
        """Number of ids."""
        return len(self._ids())

    def rows(self) -> Iterator[Problem | BadRow]:
        """The problems in the order of the ids. Raises ProblemError if one is missing."""
        ids = self._ids()
        there = {
            problem.id: problem for problem in problems_of([*map(place, self.config.runs)], set(ids))
        }
        for id_ in ids:
            if id_ not in there:
                raise ProblemError(f"problems.ids: {self.config.ids}: no run has the problem {id_}")
            yield there[id_]

    def _ids(self) -> list[str]:
        ids: list[str] = json.loads(self.config.ids.read_text(encoding="utf-8"))
        return ids


def held_out_problems(folders: Sequence[Path], fraction: float, seed: int, limit: int) -> list[Problem]:
    """The problems of the run folders on the held-out side, by id, at most `limit`.

    Folders of `berry export` have no problems that were not solved, and are passed over. Raises
    FolderError.
    """
    runs = [folder for folder in folders if is_run(folder)]
    ids = {
        id_
        for reader in map(RunReader.open, runs)
        for part in reader.parts
        for id_, meta in _ids_with_meta(reader, part)
        if all(is_held_out(one, fraction, seed) for one in originals_of(id_, meta))
    }
    chosen = set(sorted(ids)[:limit])
    return sorted(problems_of(runs, chosen), key=lambda problem: problem.id)


def _ids_with_meta(reader: RunReader, part: int) -> Iterator[tuple[str, str]]:
    found = reader.tree_columns(part, ["problem_id", "meta"])
    return zip(found["problem_id"].to_pylist(), found["meta"].to_pylist(), strict=True)


def problems_of(runs: Sequence[Path], ids: set[str]) -> Iterator[Problem]:
    """Each of these problems once, in the order of the runs. Raises FolderError."""
    missing = set(ids)
    for run in runs:
        if not missing:
            return
        for row in RunReader.open(run).rows("trees", _COLUMNS):
            if row["problem_id"] in missing:
                missing.remove(row["problem_id"])
                yield read_problem(row)
