"""`berry export --selection`: a view of the problems that a person chose."""

import errno
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.datasets.reader import ExportedView, RunReader
from pipeline.derive.export import ExportError, export_view
from pipeline.files.publishing import FolderError, StorageError
from pipeline.inspection.selections import read_selection, read_selections, save_selection
from tests.runs import write_run
from tests.viewer_runs import small_trace


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", [*map(small_trace, range(10))])


def ids(run: Path, *places: int) -> list[str]:
    found = [trace.problem.id for trace in RunReader.open(run).traces()]
    return [found[place] for place in places]


def test_only_the_selected_problems(run: Path, tmp_path: Path) -> None:
    chosen = ids(run, 1, 3, 9)
    save_selection(run, "mine", {"q": "a|b <i>"}, chosen)
    exported = export_view(run, "outcomes", tmp_path / "new", selection="mine")
    rows = list(ExportedView(tmp_path / "new", "outcomes").rows())
    assert exported.num_problems == 3
    assert list(dict.fromkeys(row["problem_id"] for row in rows)) == chosen
    whole = RunReader.open(run).rows("outcomes")
    assert rows == [row for row in whole if row["problem_id"] in chosen]
    assert "| Selection | mine, saved " in (tmp_path / "new" / "README.md").read_text()
    assert "q=a\\|b &lt;i>" in (tmp_path / "new" / "README.md").read_text()


def test_a_single_file(run: Path, tmp_path: Path) -> None:
    save_selection(run, "mine", {}, ids(run, 0))
    export_view(run, "outcomes", tmp_path / "rows.parquet", selection="mine")
    assert set(pq.read_table(tmp_path / "rows.parquet")["problem_id"].to_pylist()) == {*ids(run, 0)}


def test_in_place_is_refused(run: Path) -> None:
    save_selection(run, "mine", {}, ids(run, 0))
    with pytest.raises(ExportError, match="--selection mine: expected --output"):
        export_view(run, "outcomes", selection="mine")


@pytest.mark.parametrize("name", ["other", "../run", ""])
def test_unknown_name_lists_the_known(run: Path, tmp_path: Path, name: str) -> None:
    save_selection(run, "mine", {}, ids(run, 0))
    with pytest.raises(FolderError, match=r"mine; got other|expected 1 to 64 letters"):
        export_view(run, "outcomes", tmp_path / "new", selection=name)
    assert not (tmp_path / "new").exists()


def test_damaged_selection_is_named(run: Path) -> None:
    saved = save_selection(run, "mine", {"domain": "algebra"}, ids(run, 0))
    assert read_selection(run, "mine") == saved
    (run / "selections" / "bad.json").write_text("{")
    found, damage = read_selections(run)
    assert found == [saved]
    assert "bad.json: is damaged" in damage[0]


def test_two_people_save_under_the_same_name_at_once(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one saves while the first one's file is on its way to the disk."""
    sync = os.fsync

    def save_another(descriptor: int) -> None:
        monkeypatch.setattr(os, "fsync", sync)
        save_selection(run, "mine", {"q": "second"}, ids(run, 1))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", save_another)
    first = save_selection(run, "mine", {"q": "first"}, ids(run, 0))
    assert read_selection(run, "mine") == first
    assert [one.name for one in (run / "selections").iterdir()] == ["mine.json"]


def test_a_selection_that_cannot_be_written_leaves_nothing(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    saved = save_selection(run, "mine", {}, ids(run, 0))
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError, match="No space left"):
        save_selection(run, "mine", {"q": "new"}, ids(run, 1))
    assert read_selection(run, "mine") == saved
    assert [one.name for one in (run / "selections").iterdir()] == ["mine.json"]
