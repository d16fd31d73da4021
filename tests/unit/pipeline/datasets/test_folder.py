"""The run folder: what is journalled is there, what is not does not exist."""

import contextlib
import json
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.datasets.counts import Counts
from pipeline.datasets.damage import check_files
from pipeline.datasets.folder import FolderError, RunFolder, StagedFile, ids_digest
from pipeline.datasets.views.table import VIEWS
from pipeline.files.publishing import write_parquet
from pipeline.files.storage import delete_folder, digest_of
from tests.runs import commit_tables

RUN: dict[str, Any] = {
    "config": {"seed": 0, "strategy": {"n": 1}},
    "digest": "d0",
    "created": "2026-01-01",
    "versions": {"berry": "0"},
}
OTHER: dict[str, Any] = {**RUN, "config": {"seed": 0, "strategy": {"n": 2}}, "digest": "d1"}
TABLES = {name: view.schema.empty_table() for name, view in VIEWS.items()}


def commit(folder: RunFolder, index: int, *ids: str) -> None:
    trees = pa.Table.from_pylist([{"problem_id": i} for i in ids], schema=VIEWS["trees"].schema)
    commit_tables(folder, index, ids, {**TABLES, "trees": trees}, Counts(problems=len(ids)))


def revise(folder: RunFolder, view: str, table: pa.Table) -> bool:
    path = folder.staging(0, "new") / f"{view}.parquet"
    return folder.revise(0, view, write_parquet(path, table.schema, table.to_batches()))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_what_is_committed_is_read_again(path: Path) -> None:
    folder = RunFolder.claim(path, RUN)
    commit(folder, 0, "a", "b")
    commit(folder, 1, "c")
    folder.close()
    again = RunFolder.read(path)
    assert dict(again.parts) == dict(folder.parts)
    assert again.counts == Counts(problems=3)
    assert pq.read_table(path / "data" / "trees" / "part-0000000.parquet").num_rows == 2


@pytest.mark.parametrize("left_behind", ["part-0000001.parquet", ".part-0000001.parquet"])
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
        again = RunFolder.claim(path, RUN)
        with pytest.raises(FolderError, match="another version of berry began"):
            check_files(again)
        again.close()
    folder.finish({})
    complete = RunFolder.claim(path, RUN)
    check_files(complete)
    complete.close()


def test_another_config_is_refused_once_something_is_committed(path: Path) -> None:
    RunFolder.claim(path, RUN).close()
    folder = RunFolder.claim(path, OTHER)
    assert json.loads((path / "run.json").read_text())["digest"] == "d1"
    commit(folder, 0, "a")
    folder.close()
    with pytest.raises(FolderError, match=r"strategy\.n was 2 and is now 1"):
        RunFolder.claim(path, RUN)
    RunFolder.claim(path, OTHER).close()


@pytest.mark.parametrize(
    ("strategy", "complaint"),
    [
        ({"n": 1, "new": 3}, r"strategy\.new is new in this version of berry \(value: 3\)"),
        ({}, r"strategy\.n was 1 and does not exist in this version of berry"),
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
    with pytest.raises(FolderError, match=r"strategy\.use was 'beam' and is now 'mcts'"):
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
    (path / "journal" / "part-0000000.json").write_text("{")
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
    journal = path / "journal" / "part-0000000.json"
    before, state = journal.read_bytes(), folder.state_digest()
    assert not revise(folder, "steps", TABLES["steps"])
    assert (journal.read_bytes(), folder.state_digest()) == (before, state)
    other = pa.Table.from_pylist([{"problem_id": "a"}], schema=VIEWS["steps"].schema)
    assert revise(folder, "steps", other)
    assert json.loads(journal.read_text())["rows"]["steps"] == 1
    assert folder.state_digest() != state
    folder.close()
    assert RunFolder.read(path).state_digest() == folder.state_digest()
    assert sorted(file.name for file in (path / "data" / "steps").iterdir()) == ["part-0000000.parquet"]


def test_half_a_line_of_metrics_is_passed_over(path: Path) -> None:
    folder = RunFolder.claim(path, RUN)
    assert folder.last_metrics() is None
    folder.append_metrics({"problems": 1})
    with (path / "metrics.jsonl").open("a") as file:
        file.write('{"problems": ')
    last = folder.last_metrics()
    assert last is not None
    assert last.counts == Counts(problems=1)
    folder.close()


def test_a_staged_part_is_published_and_its_staging_is_deleted(path: Path) -> None:
    folder = RunFolder.claim(path, RUN)
    table = pa.Table.from_pylist([{"problem_id": "a"}], schema=VIEWS["trees"].schema)
    for token in ("late", "fast"):
        written = write_parquet(
            folder.staging(12, token) / "trees.parquet", table.schema, table.to_batches()
        )
    (folder.staging(12, "late") / "0.checkpoint").write_bytes(b"")
    (folder.staging(13, "other")).mkdir()
    staged = StagedFile(
        path=".staging/part-0000012.fast/trees.parquet",
        num_rows=1,
        num_bytes=written.num_bytes,
        digest=written.digest,
    )
    counts = Counts(problems=1)
    folder.commit(12, {"trees": staged}, num_problems=1, problems_digest="d", counts=counts)
    file = path / "data" / "trees" / "part-0000012.parquet"
    assert (file.stat().st_size, digest_of(file)) == (staged.num_bytes, staged.digest)
    assert [left.name for left in (path / ".staging").iterdir()] == ["part-0000013.other"]
    assert dict(RunFolder.read(path).parts) == dict(folder.parts)
    assert folder.parts[12].digests == {"trees": staged.digest}
    folder.finish({})
    assert not (path / ".staging").exists()
    folder.close()


def test_a_claim_keeps_nothing_but_checkpoints_of_shards_that_are_not_committed(path: Path) -> None:
    folder = RunFolder.claim(path, RUN)
    commit(folder, 0, "a")
    for shard in (0, 1, 2):
        for token in ("s1.1", "s1.2"):
            folder.staging(shard, token).mkdir(parents=True)
    for name in ("1.checkpoint", ".2.checkpoint.tmp", "trees.parquet"):
        (folder.staging(1, "s1.1") / name).write_bytes(b"")
        (folder.staging(0, "s1.1") / name).write_bytes(b"")
    (folder.staging(1, "s1.2") / "0.checkpoint").write_bytes(b"")
    (path / ".staging" / "something").mkdir()
    folder.close()
    again = RunFolder.claim(path, RUN)
    kept = [again.staging(1, "s1.1") / "1.checkpoint", again.staging(1, "s1.2") / "0.checkpoint"]
    assert again.checkpoints(1) == kept
    assert [file for file in sorted((path / ".staging").rglob("*")) if file.is_file()] == kept
    assert len(list((path / ".staging").iterdir())) == 2
    again.close()


def test_a_folder_of_an_earlier_version_keeps_its_names(path: Path) -> None:
    folder = RunFolder.claim(path, RUN)
    commit(folder, 3, "a", "b")
    folder.close()
    for file in path.rglob("part-0000003.*"):
        file.rename(file.with_name(file.name.replace("part-0000003", "part-00003")))
    journal = path / "journal" / "part-00003.json"
    entry = json.loads(journal.read_bytes())
    for key in ("num_problems", "problems_digest", "digests", "checksum"):
        del entry[key]
    journal.write_text(json.dumps(entry | {"problems": ["a", "b"]}))
    again = RunFolder.claim(path, RUN)
    assert again.parts[3].num_problems == 2
    assert again.parts[3].problems_digest == ids_digest(["a", "b"])
    check_files(again)
    commit(again, 4, "c")
    assert again.part_path("trees", 4).name == "part-00004.parquet"
    again.close()


def test_a_folder_is_deleted_although_a_late_worker_writes_to_it(tmp_path: Path) -> None:
    folder, ends = tmp_path / "staging", threading.Event()

    def write() -> None:
        while not ends.is_set():
            with contextlib.suppress(OSError):
                folder.mkdir(exist_ok=True)
                (folder / ".new").write_bytes(b"")
                (folder / ".new").rename(folder / "new")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(2000):
            delete_folder(folder)
    finally:
        ends.set()
        writer.join()
    delete_folder(folder)
    assert not folder.exists()
