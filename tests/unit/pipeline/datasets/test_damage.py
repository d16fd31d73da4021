"""Files that are deleted, cut off or overwritten are noticed, and the line says what to do."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from pipeline.cli.app import berry
from pipeline.datasets.damage import check_files, find_damage, open_part
from pipeline.datasets.folder import FolderError, RunFolder
from pipeline.datasets.journal import sealed
from pipeline.datasets.reader import RunReader
from pipeline.datasets.views.table import VIEWS
from pipeline.errors import BerryError, PartlyDone, UserMistake
from pipeline.files.publishing import StorageError
from tests.unit.pipeline.datasets.test_folder import RUN, commit


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A run of two parts, in a folder whose name needs quotes."""
    folder = RunFolder.claim(tmp_path / "my out", RUN)
    commit(folder, 0, "a", "b")
    commit(folder, 1, "c")
    folder.finish({"problems": 3})
    folder.close()
    return tmp_path / "my out"


def delete(file: Path) -> None:
    file.unlink()


def empty(file: Path) -> None:
    file.write_bytes(b"")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def overwrite(file: Path) -> None:
    file.write_bytes(b"x" * file.stat().st_size)


def replace(file: Path) -> None:
    pq.write_table(pa.Table.from_pylist([{"problem_id": "z"}] * 5), file)


DAMAGES: dict[Callable[[Path], None], str] = {
    delete: "is missing",
    empty: "is damaged: it has 0 bytes",
    cut: "is damaged: it has ",
    replace: "has ",
}


@pytest.mark.parametrize("without_sizes", [False, True])
@pytest.mark.parametrize("view", list(VIEWS))
@pytest.mark.parametrize("damage", list(DAMAGES))
def test_a_damaged_file_is_named_with_its_cure(
    path: Path, view: str, damage: Callable[[Path], None], without_sizes: bool
) -> None:
    if without_sizes:  # as an earlier version journalled it
        for file in (path / "journal").glob("part-*.json"):
            entry = json.loads(file.read_text())
            del entry["sizes"]
            file.write_text(json.dumps(sealed(entry)))
    assert find_damage(RunFolder.read(path)) == []
    file = path / "data" / view / "part-0000001.parquet"
    damage(file)
    folder = RunFolder.read(path)
    (found,) = find_damage(folder)
    assert found.startswith(f"{file}: ")
    assert DAMAGES[damage] in found
    cure = (
        f"`berry check '{path}' --repair` and repeat `berry run`"
        if view == "trees"
        else f"`berry export '{path}' --as {view}`"
    )
    assert cure in found
    with pytest.raises(FolderError, match="part-0000001"):
        check_files(folder)
    with pytest.raises(FolderError, match="part-0000001"):
        open_part(folder, view, 1)


def test_a_file_of_the_right_size_is_looked_into_when_it_is_read(path: Path) -> None:
    file = path / "data" / "trees" / "part-0000000.parquet"
    content = bytearray(file.read_bytes())
    content[4:40] = bytes(36)
    file.write_bytes(content)
    folder = RunFolder.read(path)
    assert find_damage(folder) == []
    with pytest.raises(FolderError, match=r"part-0000000\.parquet: .*berry check '"):
        list(RunReader(folder).rows("trees"))
    overwrite(file)
    with pytest.raises(
        FolderError,
        match=r"part-0000000\.parquet: is damaged: it is not a parquet file; to .* `berry check",
    ):
        list(RunReader(folder).traces(0))


@pytest.mark.parametrize(("view", "missing"), [("trees", "nodes"), ("steps", "problem_id")])
def test_a_file_of_something_else_is_damage(path: Path, view: str, missing: str) -> None:
    folder = RunFolder.read(path)
    num_rows = folder.parts[0].rows[view]
    column = "problem_id" if view == "trees" else "x"
    pq.write_table(pa.table({column: ["a"] * num_rows}), folder.part_path(view, 0))
    with pytest.raises(FolderError, match=f"other columns than the view {view}: {missing} is missing"):
        open_part(folder, view, 0)


def test_rows_that_are_no_trees_are_damage_too(path: Path) -> None:
    with pytest.raises(FolderError, match="has a row that is not a tree"):
        list(RunReader.open(path).traces(0))


def test_status_counts_what_is_damaged(path: Path) -> None:
    (path / "data" / "traces" / "part-0000000.parquet").unlink()
    (path / "data" / "steps" / "part-0000000.parquet").unlink()
    done = CliRunner().invoke(berry, ["status", str(path)])
    assert isinstance(done.exception, PartlyDone)
    assert done.output.count("damage     ") == 2
    assert str(done.exception) == f"2 missing or damaged files in {path}"


COMPLETE = "journal/complete.json"


def test_a_completion_without_facts_is_as_good_as_one_of_an_earlier_version(path: Path) -> None:
    (path / COMPLETE).write_bytes(b"{}")
    assert RunFolder.read(path).complete == {}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (name, content)
        for name in ("run.json", "journal/part-0000000.json", COMPLETE)
        for content in (b"", b"{", b"[]", b"\xff", b'"x"', b"NaN", b"{}")
        if (name, content) != (COMPLETE, b"{}")
    ],
)
def test_a_damaged_journal_is_named(path: Path, name: str, content: bytes) -> None:
    (path / name).write_bytes(content)
    for command in (["status"], ["show"], ["export", "--as", "steps"], ["eval"]):
        done = CliRunner().invoke(berry, [*command, str(path)])
        assert isinstance(done.exception, UserMistake)
        assert str(done.exception).startswith(f"{path}/{name}: is damaged")
        assert "expecting" not in str(done.exception).lower()
        assert "char 0" not in str(done.exception)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("part-0000000", "counts", {"problems": "x"}),
        ("part-0000000", "counts", {"problems": float("inf")}),
        ("part-0000000", "counts", {"problems": None}),
        ("part-0000000", "problems", [1, 2]),
        ("part-0000000", "rows", {"trees": "2"}),
        ("part-0000000", "sizes", [1]),
        ("part-0000000", "sizes", {"trees": None}),
        ("part-0000000", "digests", {"trees": 1}),
        ("part-0000000", "part", False),
        ("complete", "problems", None),
        ("complete", "problems", float("nan")),
    ],
)
def test_a_journal_with_values_of_another_type_is_named(
    path: Path, name: str, key: str, value: object
) -> None:
    file = path / "journal" / f"{name}.json"
    file.write_text(json.dumps(json.loads(file.read_bytes()) | {key: value}))
    done = CliRunner().invoke(berry, ["status", str(path)])
    assert isinstance(done.exception, UserMistake)
    assert str(done.exception).startswith(f"{file}: is damaged, expected {key} to be")


def test_a_folder_in_the_journal_is_named(path: Path) -> None:
    (path / "journal" / "part-0000009.json").mkdir()
    with pytest.raises(FolderError, match=r"part-0000009\.json: expected a file, got a folder"):
        RunFolder.read(path)


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "NaN", "1e999", "1" + "0" * 400])
def test_a_line_of_metrics_without_a_sound_number_is_read(path: Path, number: str) -> None:
    (path / "journal" / "complete.json").unlink()
    line = f'{{"problems": {number}, "total": {number}, "new_tokens": 5}}\n'
    (path / "metrics.jsonl").write_text(line)
    metrics = RunFolder.read(path).last_metrics()
    assert metrics is not None
    assert (metrics.counts.problems, metrics.total, metrics.new_tokens) == (0, None, 5)
    assert CliRunner().invoke(berry, ["status", str(path)]).exit_code == 0


@pytest.mark.parametrize("harm", [delete, cut, overwrite])
def test_a_run_that_goes_on_names_the_damaged_first_part_with_its_cure(
    path: Path, harm: Callable[[Path], None]
) -> None:
    (path / "journal" / "complete.json").unlink()
    harm(path / "data" / "trees" / "part-0000000.parquet")
    for _ in range(2):
        folder = RunFolder.claim(path, RUN)
        with pytest.raises(
            FolderError, match=r"trees/part-0000000\.parquet: is .*; .* run `berry check .*` and repeat"
        ):
            check_files(folder)
        folder.close()


def test_an_entry_in_the_wrong_place_is_damage(path: Path) -> None:
    journal = path / "journal"
    (journal / "part-0000007.json").write_bytes((journal / "part-0000000.json").read_bytes())
    with pytest.raises(FolderError, match=r"part-0000007\.json: is damaged, it is the entry of part 0"):
        RunFolder.read(path)


def test_a_complete_run_is_not_complete_without_one_of_its_entries(path: Path) -> None:
    assert RunFolder.read(path).complete is not None
    (path / "journal" / "part-0000000.json").unlink()
    folder = RunFolder.read(path)
    assert folder.complete is None
    assert folder.counts.problems == 1


@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.EIO, StorageError), (errno.EMFILE, StorageError), (errno.EACCES, FolderError)],
)
@pytest.mark.parametrize("opens", [False, True])
def test_nobody_is_told_to_delete_a_file_that_the_machine_cannot_read(
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    expected: type[BerryError],
    opens: bool,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    if opens:
        monkeypatch.setattr(pq.ParquetFile, "iter_batches", lambda *_, **__: iter(fail, None))
    else:
        monkeypatch.setattr(pq, "ParquetFile", fail)
    with pytest.raises(expected) as caught:
        list(RunReader.open(path).traces())
    assert os.strerror(number) in str(caught.value)
    assert "`rm" not in str(caught.value)
