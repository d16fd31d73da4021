"""What every problem source does, each with good rows and, where it can have any, bad ones."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config import KINDS
from pipeline.problems import SOURCES, BadRow, Intake, ProblemError
from pipeline.problems.border import OpenSource, open_source
from pipeline.records import Problem

ROWS = [{"prompt": f"{n} + 1?", "answer": str(n + 1)} for n in range(7)]
BAD = {"prompt": "", "answer": "x"}


@dataclass(frozen=True)
class Case:
    """A source, where its rows come from, and how it names its third row."""

    use: str
    options: dict[str, object] = field(default_factory=dict)
    write: Callable[[list[dict[str, str]], Path], None] | None = None
    """Writes these rows to a file or folder, which the option `path` or `dataset` names."""
    name: str = ""
    third: str = ""


def write_jsonl(rows: list[dict[str, str]], path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_json(rows: list[dict[str, str]], path: Path) -> None:
    path.write_text(json.dumps(rows, indent=1))


def write_csv(rows: list[dict[str, str]], path: Path) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ["prompt", "answer"])
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode("utf-8-sig"))


def write_parquet(rows: list[dict[str, str]], path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(rows), path)


def write_folder(rows: list[dict[str, str]], path: Path) -> None:
    path.mkdir()
    write_jsonl(rows, path / "train.jsonl")


CASES = {
    "jsonl": Case("file", write=write_jsonl, name="p.jsonl", third="p.jsonl, line 3"),
    "csv": Case("file", write=write_csv, name="p.csv", third="p.csv, line 4"),
    "json": Case("file", write=write_json, name="p.json", third="p.json, item 3"),
    "parquet": Case("file", write=write_parquet, name="p.parquet", third="p.parquet, row 3"),
    "hugging_face": Case("hugging_face", write=write_folder, name="set", third="set, train row 3"),
    "reasoning_gym": Case("reasoning_gym", options={"task": "chain_sum", "size": 7}),
}


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


Make = Callable[..., OpenSource]


@pytest.fixture
def make(case: Case, tmp_path: Path) -> Make:
    """The case's source, on these rows, with more options."""

    def build(rows: list[dict[str, str]] = ROWS, **options: object) -> OpenSource:
        section: dict[str, object] = {"use": case.use, **case.options, **options}
        if case.write is not None:
            place = tmp_path / case.name
            if not place.exists():
                case.write(rows, place)
            section["path" if case.use == "file" else "dataset"] = str(place)
            section["preset"] = "plain"
        return open_source(KINDS["problems"].part(section), 0)

    return build


def problems(source: OpenSource) -> Iterator[Problem]:
    for row in source.rows():
        assert isinstance(row, Problem), row
        yield row


def test_every_built_in_source_has_a_case() -> None:
    assert {case.use for case in CASES.values()} == set(SOURCES)


def test_the_rows_are_the_same_at_each_call(make: Make) -> None:
    source = make()
    first = list(problems(source))
    assert len(first) == 7
    assert list(problems(source)) == first == list(problems(make()))


def test_its_size_is_right_or_none(make: Make) -> None:
    assert make().size() in (7, None)
    assert make(limit=3).size() in (3, None)
    assert make(limit=100).size() in (7, 100, None)


def test_the_intake_ends_at_the_limit(make: Make) -> None:
    assert len(list(Intake(make(limit=3)))) == 3


def test_a_bad_row_is_named_and_passed_over(case: Case, make: Make) -> None:
    if case.write is None:
        pytest.skip("it makes its rows itself")
    rows = [*ROWS[:2], BAD, *ROWS[2:]]
    found = [row for row in make(rows).rows() if isinstance(row, BadRow)]
    assert len(found) == 1
    assert str(found[0]).removeprefix(found[0].where).startswith(": field 'prompt': expected a text")
    assert found[0].where.endswith(case.third)
    intake = Intake(make(rows, on_error="skip"))
    assert len(list(intake)) == 7
    assert intake.num_bad_rows == 1
    with pytest.raises(ProblemError, match=r"problems\.on_error=skip"):
        list(Intake(make(rows)))


def test_what_is_not_there_is_named(case: Case, make: Make, tmp_path: Path) -> None:
    if case.write is None:
        pytest.skip("it reads nothing")
    key = "path" if case.use == "file" else "dataset"
    section = {"use": case.use, key: str(tmp_path / f"nowhere.{case.name}")}
    source = open_source(KINDS["problems"].part(section), 0)
    with pytest.raises(ProblemError, match="nowhere") as caught:
        list(source.rows())
    assert "Errno" not in str(caught.value)
    assert source.size() is None
