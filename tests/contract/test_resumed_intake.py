"""A run that is killed and resumed takes the same problems, and counts the same, for every source."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import datasets
import pytest
from pydantic import Field

from pipeline.config import KINDS
from pipeline.datasets.shards import Shard, Shards
from pipeline.files.ranges import pick, rows_from
from pipeline.problems import BadRow, Intake, SourceConfig, intake
from pipeline.problems.border import OpenSource, open_source
from pipeline.records import Problem
from pipeline.templates import Template
from tests.contract.test_sources import CASES, Case
from verifiers import Target

SIZE = 3
LONG = "the answer is that one has to add all the numbers and then to take half of them"
Row = dict[str, str]


class OwnSource:
    """Yields what its Config lists; has neither a fingerprint nor `rows_in`."""

    class Config(SourceConfig):
        rows: list[Row] = Field(default_factory=list)
        preset: str = ""

    def __init__(self, config: Config, seed: int) -> None:
        self.config = config

    def rows(self) -> Iterator[Problem | BadRow]:
        for number, row in enumerate(self.config.rows):
            if not row["prompt"]:
                yield BadRow(where=f"row {number}", reason="no prompt")
                continue
            yield Problem.create(
                prompt=row["prompt"],
                target=Target(kind="math", value=row["answer"]),
                source="own",
                where=f"row {number}",
            )


class MarkedSource(OwnSource):
    """Has a fingerprint."""

    def fingerprint(self) -> str:
        return str(len(self.config.rows))


OWN = {"own": OwnSource, "own with a fingerprint": MarkedSource}


@pytest.fixture(params=[*CASES, *OWN])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def _small_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "BLOCK_SIZE", 5)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def make_rows(random: Random, number: int = 40) -> list[Row]:
    """Rows with duplicates, conflicts, doubtful answers and bad rows."""
    rows = []
    for _ in range(number):
        prompt = "" if random.random() < 0.15 else f"{random.randrange(25)} + 1?"
        answer = LONG if random.random() < 0.1 else str(random.randrange(3))
        rows.append({"prompt": prompt, "answer": answer})
    return [{"prompt": "0 + 0?", "answer": "0"}, *rows]


def build(name: str, rows: list[Row], place: Path, **options: object) -> OpenSource:
    if name in OWN:
        use = f"{__name__}:{OWN[name].__name__}"
        return open_source(KINDS["problems"].part({"use": use, "rows": rows, **options}), 0)
    case: Case = CASES[name]
    section: dict[str, object] = {"use": case.use, **case.options, **options}
    if case.write is None:
        section |= {"size": 30, "options": {"max_terms": 2, "min_digits": 1, "max_digits": 1}}
    else:
        path = place / case.name
        if not path.exists():
            case.write(rows, path)
        section["path" if case.use == "file" else "dataset"] = str(path)
        section["preset"] = "plain"
    return open_source(KINDS["problems"].part(section), 0)


@dataclass
class Entry:
    num_problems: int
    problems_digest: str


class Killed(Exception):
    """The process ends here."""


class Run:
    """A run that is killed now and then."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.parts: dict[int, Entry] = {}
        self.committed: dict[int, tuple[Problem, ...]] = {}
        self.doubts: list[str] = []

    def go(self, source: OpenSource, random: Random, *, kill: float) -> Intake:
        """One process; it finishes shards in any order. Raises Killed, FolderError, ProblemError."""
        self.doubts = []
        found = Intake(source, Template(), index=self.path / "intake", on_doubt=self.doubts.append)
        flying: list[Shard] = []
        for shard in Shards(self.path, self.parts, found, SIZE):
            flying.append(shard)
            while flying and random.random() < 0.5:
                self.commit(flying.pop(random.randrange(len(flying))))
            if random.random() < kill:
                raise Killed
        for shard in flying:
            self.commit(shard)
        return found

    def commit(self, shard: Shard) -> None:
        assert shard.index not in self.parts
        self.committed[shard.index] = shard.problems
        self.parts[shard.index] = Entry(len(shard.problems), shard.digest)

    def problems(self) -> list[Problem]:
        return [one for _, problems in sorted(self.committed.items()) for one in problems]


def counts(found: Intake, doubts: list[str]) -> dict[str, object]:
    return {
        "taken": found.num_taken,
        "duplicates": found.num_duplicates,
        "bad rows": found.num_bad_rows,
        "doubtful": found.num_doubtful,
        "doubts": doubts,
        "conflicts": found.conflicts.number,
        "examples": found.conflicts.examples,
        "unused": list(found.unused_columns),
    }


def uninterrupted(source: OpenSource) -> tuple[list[Problem], dict[str, object]]:
    doubts: list[str] = []
    found = Intake(source, Template(), on_doubt=doubts.append)
    problems = list(found)
    return problems, counts(found, doubts)


@pytest.mark.parametrize("seed", range(4))
def test_a_killed_run_takes_and_counts_the_same(name: str, tmp_path: Path, seed: int) -> None:
    random = Random(f"{name} {seed}")
    rows = make_rows(random)
    limit = random.choice([None, 1, 8, 11, 100])
    make = partial(build, name, rows, tmp_path, on_error="skip", limit=limit)
    problems, expected = uninterrupted(make())
    run = Run(tmp_path / "out")
    num_kills = 0
    while True:
        try:
            found = run.go(make(), random, kill=0.2)
        except Killed:
            num_kills += 1
            continue
        break
    assert run.problems() == problems
    assert counts(found, run.doubts) == expected
    # Once more, when everything is committed.
    again = run.go(make(), random, kill=0)
    assert counts(again, run.doubts) == expected


@pytest.mark.parametrize("seed", range(3))
def test_a_raised_or_lowered_limit_takes_and_counts_the_same(
    name: str, tmp_path: Path, seed: int
) -> None:
    random = Random(f"{name} {seed}")
    rows = make_rows(random)
    run = Run(tmp_path / "out")
    for limit in [*random.sample(range(1, 15), 4), None]:
        source = build(name, rows, tmp_path, on_error="skip", limit=limit)
        expected = uninterrupted(build(name, rows, tmp_path, on_error="skip", limit=limit))
        doubts: list[str] = []
        found = Intake(source, Template(), index=run.path / "intake", on_doubt=doubts.append)
        assert (list(found), counts(found, doubts)) == expected


@pytest.mark.parametrize("seed", range(3))
def test_rows_in_gives_those_of_rows(name: str, tmp_path: Path, seed: int) -> None:
    random = Random(f"{name} {seed}")
    source = build(name, make_rows(random), tmp_path)
    every = list(source.rows())
    bounds = sorted(random.sample(range(len(every) + 5), 6))
    ranges = [range(*bounds[0:2]), range(*bounds[2:4]), rows_from(bounds[5])]
    assert list(source.rows_in(ranges)) == list(pick(iter(every), ranges))
    assert list(source.rows_in([])) == []
