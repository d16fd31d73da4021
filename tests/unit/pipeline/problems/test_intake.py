"""What the index saves a resumed run, and what happens if it or the problem set is not as it was."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.config import KINDS
from pipeline.datasets.folder import FolderError, ids_digest
from pipeline.datasets.shards import Shards
from pipeline.files.ranges import overlap, pick
from pipeline.problems import Intake, ProblemError, SourceConfig, files, intake
from pipeline.problems import rows as rows_module
from pipeline.problems.border import open_source
from pipeline.problems.files import FileSource
from pipeline.records import Problem
from tests.conftest import make_problem
from tests.contract.test_resumed_intake import Entry

ROWS = [{"prompt": f"{n} + 1?", "answer": str(n + 1), "level": n} for n in range(50)]
NUM_BLOCKS = 5


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "BLOCK_SIZE", 10)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "rows.jsonl", ROWS)
    return tmp_path


def write(path: Path, rows: Sequence[object]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def open_intake(path: Path, **options: object) -> Intake:
    config = {"path": path / "rows.jsonl", "preset": "plain", **options}
    return Intake(FileSource(FileSource.Config.model_validate(config)), index=path / "out/intake")


def blocks(path: Path) -> list[Path]:
    return sorted((path / "out" / "intake").iterdir())


def keep_time(path: Path, change: Sequence[object]) -> None:
    """Changes the rows of the file so that its fingerprint stays."""
    before = path.stat()
    write(path, change)
    assert path.stat().st_size == before.st_size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The rows that were parsed."""
    rows: list[object] = []
    convert = rows_module.to_problem

    def count(row: object, *others: object) -> object:
        rows.append(row)
        return convert(row, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(files, "to_problem", count)
    return rows


def test_only_uncommitted_shards_are_read_again(path: Path, parsed: list[object]) -> None:
    shards = list(Shards(path, {}, open_intake(path), 4))
    parts = {
        shard.index: Entry(len(shard.problems), shard.digest)
        for shard in shards
        if shard.index not in (2, 3, 7)
    }
    del parsed[:]
    again = list(Shards(path, parts, open_intake(path), 4))
    assert [shard.problems for shard in again] == [shards[n].problems for n in (2, 3, 7)]
    assert parsed == [*ROWS[8:16], *ROWS[28:32]]


def test_at_most_a_block_is_read_again_to_go_on(path: Path, parsed: list[object]) -> None:
    ids = [problem.id for problem in open_intake(path).take(37)]
    del parsed[:]
    shards = iter(Shards(path, {0: Entry(37, ids_digest(ids))}, open_intake(path), 37))
    assert next(shards).problems[0].prompt == ROWS[37]["prompt"]
    assert parsed == ROWS[30:]


def test_a_complete_index_needs_no_row(path: Path, parsed: list[object]) -> None:
    ids = [problem.id for problem in open_intake(path)]
    del parsed[:]
    again = open_intake(path)
    assert again.pass_over(100) == ids
    assert again.unused_columns == ["level"]
    assert parsed == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_index_is_made_again(path: Path, data: st.DataObject) -> None:
    """One block is cut, changed in one bit, or missing."""
    expected = list(open_intake(path))
    assert len(blocks(path)) == NUM_BLOCKS + 1
    block = data.draw(st.sampled_from(blocks(path)))
    content = bytearray(block.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    match data.draw(st.sampled_from(["cut", "flip", "delete"])):
        case "cut":
            block.write_bytes(content[:at])
        case "flip":
            content[at] ^= 1 << data.draw(st.integers(0, 7))
            block.write_bytes(content)
        case "delete":
            block.unlink()
    assert list(open_intake(path)) == expected
    assert len(blocks(path)) == NUM_BLOCKS + 1
    assert open_intake(path).num_known == len(ROWS)


def test_half_a_block_that_a_crash_left_changes_nothing(path: Path) -> None:
    list(open_intake(path))
    (path / "out" / "intake" / ".problems-0000000060.index").write_bytes(b"half")
    assert open_intake(path).num_known == len(ROWS)


def test_a_touched_problem_set_is_read_as_a_whole(path: Path, parsed: list[object]) -> None:
    expected = list(open_intake(path))
    os.utime(path / "rows.jsonl", (1, 1))
    del parsed[:]
    assert list(open_intake(path)) == expected
    assert len(parsed) == len(ROWS)
    assert open_intake(path).num_known == len(ROWS)


@pytest.mark.parametrize(
    "options", [{"preset": None, "prompt_field": "answer", "answer_field": "prompt"}, {"domain": "x"}]
)
def test_the_index_of_other_options_is_not_used(path: Path, options: dict[str, object]) -> None:
    list(open_intake(path))
    assert open_intake(path, **options).num_known == 0


def test_a_changed_row_is_refused_although_the_file_looks_the_same(path: Path) -> None:
    list(open_intake(path))
    changed = [*ROWS[:15], {**ROWS[15], "answer": "99"}, *ROWS[16:]]
    keep_time(path / "rows.jsonl", changed)
    resumed = open_intake(path)
    resumed.begin([range(10, 20)])
    assert len(resumed.pass_over(10) + [problem.id for problem in resumed.take(5)]) == 15
    with pytest.raises(FolderError, match=r"out: the problem set has changed since this run began"):
        resumed.take(1)


def test_a_bad_row_that_was_skipped_stops_a_run_that_must_stop(path: Path) -> None:
    write(path / "rows.jsonl", [*ROWS[:12], {"prompt": ""}, *ROWS[12:]])
    assert len(list(open_intake(path, on_error="skip"))) == 50
    with pytest.raises(ProblemError, match=r"line 13: .*; problems\.on_error=skip skips bad rows"):
        open_intake(path).take(1)
    with pytest.raises(ProblemError, match="line 13: "):
        list(Intake(open_intake(path)._source))


def test_a_run_that_a_bad_row_stopped_goes_on_without_it(path: Path, parsed: list[object]) -> None:
    write(path / "rows.jsonl", [*ROWS[:25], {"prompt": ""}, *ROWS[25:]])
    with pytest.raises(ProblemError, match="line 26: "):
        list(open_intake(path))
    del parsed[:]
    resumed = open_intake(path, on_error="skip")
    resumed.begin([])
    assert len(resumed.pass_over(20) + resumed.take(100)) == 50
    assert resumed.num_bad_rows == 1
    assert parsed[0] == ROWS[20]


@given(
    bounds=st.lists(st.integers(0, 30), max_size=8, unique=True).map(sorted),
    rows=st.tuples(st.integers(0, 30), st.integers(0, 10)),
)
def test_ranges_pick_and_overlap(bounds: list[int], rows: tuple[int, int]) -> None:
    ranges = [range(*pair) for pair in zip(bounds[::2], bounds[1::2], strict=False)]
    wanted = [number for one in ranges for number in one]
    assert list(pick(iter(range(25)), ranges)) == [number for number in wanted if number < 25]
    near = range(rows[0], rows[0] + rows[1])
    pieces = overlap(ranges, near)
    assert all(pieces)
    assert [number for one in pieces for number in one] == [n for n in wanted if n in near]


class Own:
    """A source whose optional methods have faults."""

    class Config(SourceConfig):
        fault: str

    def __init__(self, config: Config, seed: int) -> None:
        self.config = config

    def rows(self) -> Iterator[Problem]:
        yield make_problem("1 + 1?")

    def fingerprint(self) -> object:
        if self.config.fault == "raises":
            raise KeyError("x")
        return 3 if self.config.fault == "number" else "f"

    def rows_in(self, ranges: Sequence[range]) -> object:
        match self.config.fault:
            case "more":
                return iter([make_problem("1 + 1?")] * 5)
            case "breaks":
                return iter([1 // 0])
        return self.rows()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("raises", r"fingerprint\(\) raised KeyError"),
        ("number", r"fingerprint\(\): expected a text or None, got 3"),
        ("more", r"rows_in\(\): expected the rows in .*, got more"),
        ("breaks", r"rows_in\(\) raised ZeroDivisionError"),
    ],
)
def test_a_fault_of_an_optional_method_is_one_line(fault: str, message: str) -> None:
    source = open_source(KINDS["problems"].part({"use": f"{__name__}:Own", "fault": fault}), 0)
    with pytest.raises(ProblemError, match=message) as caught:
        print(source.fingerprint(), list(source.rows_in([range(2)])))
    assert "\n" not in str(caught.value)
