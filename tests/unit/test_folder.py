"""The run folder: what is journalled is there, what is not does not exist."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.datasets.folder import FolderError, RunFolder
from pipeline.datasets.views import SCHEMAS

RUN: dict[str, Any] = {
    "config": {"seed": 0, "strategy": {"n": 1}},
    "digest": "d0",
    "created": "2026-01-01",
    "versions": {"berry": "0"},
}
OTHER: dict[str, Any] = {**RUN, "config": {"seed": 0, "strategy": {"n": 2}}, "digest": "d1"}
TABLES = {view: schema.empty_table() for view, schema in SCHEMAS.items()}


def commit(folder: RunFolder, index: int, *ids: str) -> None:
    trees = pa.Table.from_pylist([{"problem_id": i} for i in ids], schema=SCHEMAS["trees"])
    folder.commit(index, ids, {**TABLES, "trees": trees}, Counter(problems=len(ids)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_what_is_committed_is_read_again(path: Path) -> None:
    folder = RunFolder.claim(path, RUN)
    commit(folder, 0, "a", "b")
    commit(folder, 1, "c")
    folder.close()
    again = RunFolder.read(path)
    assert again.parts == folder.parts
    assert again.counts == Counter(problems=3)
    assert pq.read_table(path / "data" / "trees" / "part-00000.parquet").num_rows == 2


@pytest.mark.parametrize("left_behind", ["part-00001.parquet", ".part-00001.parquet"])
def test_a_part_without_a_journal_entry_does_not_exist(path: Path, left_behind: str) -> None:
    folder = RunFolder.claim(path, RUN)
    commit(folder, 0, "a")
    folder.close()
    orphan = path / "data" / "traces" / left_behind
    orphan.write_bytes(b"half a file")
    folder = RunFolder.claim(path, RUN)
    assert not orphan.exists()
    assert list(folder.parts) == [0]
    folder.close()


def test_a_folder_has_one_writer_and_any_number_of_readers(path: Path) -> None:
    folder = RunFolder.claim(path, RUN)
    with pytest.raises(FolderError, match="another run is writing"):
        RunFolder.claim(path, RUN)
    RunFolder.read(path)
    folder.close()
    folder.close()
    RunFolder.claim(path, RUN).close()


def test_a_run_that_was_begun_with_other_columns_is_refused_and_a_complete_one_is_not(
    path: Path,
) -> None:
    folder = RunFolder.claim(path, RUN)
    commit(folder, 0, "a")
    trees = folder.part_path("trees", 0)
    old = pq.read_table(trees).drop_columns(["problem", "prompt"])
    pq.write_table(old.append_column("prompt", pa.array(["a?"])), trees)
    folder.close()
    for _ in range(2):
        with pytest.raises(FolderError, match="another version of berry began"):
            RunFolder.claim(path, RUN)
    folder.finish({})
    RunFolder.claim(path, RUN).close()


def test_another_config_is_refused_once_something_is_committed(path: Path) -> None:
    RunFolder.claim(path, RUN).close()
    folder = RunFolder.claim(path, OTHER)
    assert json.loads((path / "run.json").read_text())["digest"] == "d1"
    commit(folder, 0, "a")
    folder.close()
    with pytest.raises(FolderError, match=r"strategy\.n was 2 there and is 1 now"):
        RunFolder.claim(path, RUN)
    RunFolder.claim(path, OTHER).close()


@pytest.mark.parametrize(
    ("strategy", "complaint"),
    [
        ({"n": 1, "new": 3}, r"strategy\.new is new in this version of berry \(3 here\)"),
        ({}, r"strategy\.n was 1 there and is not in this version of berry"),
    ],
)
def test_a_key_of_another_version_is_named_as_one(
    path: Path, strategy: dict[str, int], complaint: str
) -> None:
    folder = RunFolder.claim(path, RUN)
    commit(folder, 0, "a")
    folder.close()
    other = {**RUN, "config": {"seed": 0, "strategy": strategy}, "digest": "d1"}
    with pytest.raises(FolderError, match=complaint):
        RunFolder.claim(path, other)


def test_another_choice_is_named_before_its_options(path: Path) -> None:
    def run(**strategy: object) -> dict[str, Any]:
        return {**RUN, "config": {"strategy": strategy}, "digest": str(strategy)}

    folder = RunFolder.claim(path, run(use="beam", beams=3))
    commit(folder, 0, "a")
    folder.close()
    with pytest.raises(FolderError, match=r"strategy\.use was 'beam' there and is 'mcts' now"):
        RunFolder.claim(path, run(use="mcts", depth=3))


def test_a_folder_of_something_else_is_left_alone(path: Path) -> None:
    path.mkdir()
    (path / "thesis.tex").write_text("dear")
    with pytest.raises(FolderError, match=r"found other files \(thesis\.tex\)"):
        RunFolder.claim(path, RUN)
    assert [entry.name for entry in path.iterdir()] == ["thesis.tex"]


def test_a_path_that_cannot_be_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderError, match="Not a directory"):
        RunFolder.claim(tmp_path / "file" / "out", RUN)
    with pytest.raises(FolderError, match=r"expected a run folder with run\.json"):
        RunFolder.read(tmp_path)


def test_a_damaged_journal_is_named(path: Path) -> None:
    folder = RunFolder.claim(path, RUN)
    commit(folder, 0, "a")
    folder.close()
    (path / "journal" / "part-00000.json").write_text("{")
    with pytest.raises(FolderError, match="is damaged"):
        RunFolder.read(path)


def test_the_state_changes_with_the_data(path: Path) -> None:
    folder = RunFolder.claim(path, RUN)
    states = [folder.state_digest()]
    for index, ids in enumerate(["a", "b"]):
        commit(folder, index, ids)
        states.append(folder.state_digest())
    assert len(set(states)) == 3
    assert RunFolder.read(path).state_digest() == states[-1]
    folder.close()


def test_a_view_that_is_derived_again_takes_the_place_of_the_old_one(path: Path) -> None:
    folder = RunFolder.claim(path, RUN)
    commit(folder, 0, "a", "b")
    folder.close()
    with pytest.raises(FolderError, match=r"expected a run folder with run\.json"):
        RunFolder.reopen(path / "journal")
    folder = RunFolder.reopen(path)
    with pytest.raises(FolderError, match="another run is writing"):
        RunFolder.reopen(path)
    journal = path / "journal" / "part-00000.json"
    before, state = journal.read_bytes(), folder.state_digest()
    assert not folder.revise(0, "steps", TABLES["steps"])
    assert (journal.read_bytes(), folder.state_digest()) == (before, state)
    other = pa.Table.from_pylist([{"problem_id": "a"}], schema=SCHEMAS["steps"])
    assert folder.revise(0, "steps", other)
    assert json.loads(journal.read_text())["rows"]["steps"] == 1
    assert folder.state_digest() != state
    folder.close()
    assert RunFolder.read(path).state_digest() == folder.state_digest()
    assert sorted(file.name for file in (path / "data" / "steps").iterdir()) == ["part-00000.parquet"]


def test_half_a_line_of_metrics_is_passed_over(path: Path) -> None:
    folder = RunFolder.claim(path, RUN)
    assert folder.last_metrics() is None
    folder.append_metrics({"problems": 1})
    with (path / "metrics.jsonl").open("a") as file:
        file.write('{"problems": ')
    last = folder.last_metrics()
    assert last is not None
    assert last.counts == {"problems": 1}
    folder.close()
