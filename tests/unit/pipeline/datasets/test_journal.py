"""The journal is folded into few files, and no crash or reader sees a part less or more."""

import contextlib
import json
import shutil
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.datasets import journal as journal_module
from pipeline.datasets.counts import Counts
from pipeline.datasets.folder import FolderError, RunFolder
from pipeline.datasets.journal import SCHEMA, Journal, sealed
from pipeline.datasets.part import PartTable
from pipeline.files.storage import files_in, read_bytes, read_many
from tests.unit.pipeline.datasets.test_folder import RUN, commit


class Crash(Exception):
    """The process ends here."""


def entry(index: int, shards: int = 1) -> dict[str, Any]:
    return {
        "part": index,
        "num_problems": 64 * shards,
        "problems_digest": f"{index:016x}",
        "rows": {"trees": 64 * shards, "traces": index % 7},
        "sizes": {"trees": 10_000 + index, "traces": 5},
        "digests": {"trees": f"{index:032x}", "traces": f"{index + 1:032x}"},
        "counts": {"problems": 64 * shards, "rollouts": 500, "tokens": 100_000, "verdict.pass": 7},
        **({"shards": shards} if shards > 1 else {}),
    }


def written(path: Path, num_parts: int) -> tuple[Journal, PartTable]:
    (path / "journal").mkdir(parents=True)
    journal, parts = Journal(path), PartTable()
    for index in range(num_parts):
        journal.put(entry(index), parts)
    return journal, parts


def read(path: Path) -> dict[int, Any]:
    parts = Journal(path).read()
    return {index: parts.entry(index) for index in parts}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "FOLD_AT", 4)


@pytest.mark.usefixtures("small")
def test_there_are_few_files_however_many_parts(tmp_path: Path) -> None:
    _, parts = written(tmp_path, 203)
    names = [file.name for file in (tmp_path / "journal").iterdir()]
    assert len([name for name in names if name.startswith("part-")]) == 3
    assert len(names) < 3 + 8
    assert read(tmp_path) == {index: entry(index) for index in range(203)}
    assert len(parts) == 203


@pytest.mark.usefixtures("small")
def test_a_fold_that_is_cut_short_anywhere_loses_and_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Crashes before and after every step of the last fold, then goes on."""
    expected = {index: entry(index) for index in range(16)}
    for steps in range(20):
        path = tmp_path / str(steps)
        journal, parts = written(path, 15)
        left = steps

        def count(function: Callable[..., None], *arguments: Any) -> None:
            nonlocal left
            if left == 0:
                raise Crash
            left -= 1
            function(*arguments)

        with monkeypatch.context() as patch:
            for name in ("delete", "move"):
                real = getattr(journal_module, name)
                patch.setattr(journal_module, name, lambda *a, real=real: count(real, *a))
            crashed = False
            try:
                journal.put(entry(15), parts)
            except Crash:
                crashed = True
        assert read(path) == expected
        again = Journal(path)
        table = again.read()
        for index in range(16, 24):
            again.put(entry(index), table)
        assert read(path) == {index: entry(index) for index in range(24)}
        if not crashed:
            return
    raise AssertionError("the fold never ended")


@pytest.mark.usefixtures("small")
def test_a_reader_during_a_fold_reads_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, parts = written(tmp_path, 3)

    def fold_meanwhile(folder: Path, names: list[str]) -> Iterator[tuple[str, bytes]]:
        monkeypatch.setattr(journal_module, "read_many", read_many)
        journal.fold(parts)
        yield from read_many(folder, names)

    monkeypatch.setattr(journal_module, "read_many", fold_meanwhile)
    assert list(read(tmp_path)) == [0, 1, 2]


@pytest.mark.usefixtures("small")
def test_a_reader_whose_listing_fell_into_a_fold_reads_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, parts = written(tmp_path, 3)
    journal.fold(parts)

    def after_the_old_before_the_new(_: Path) -> dict[str, int]:
        monkeypatch.setattr(journal_module, "files_in", files_in)
        return {}

    monkeypatch.setattr(journal_module, "files_in", after_the_old_before_the_new)
    assert list(read(tmp_path)) == [0, 1, 2]


@pytest.mark.usefixtures("small")
def test_a_part_is_withdrawn_wherever_it_is_recorded(tmp_path: Path) -> None:
    journal, parts = written(tmp_path, 10)
    journal.put(entry(4, shards=3), parts)
    assert list(parts) == [0, 1, 2, 3, 4, 7, 8, 9]
    assert parts.num_shards == 10
    journal.withdraw({1, 4, 5, 6, 9})
    assert list(read(tmp_path)) == [0, 2, 3, 7, 8]
    journal = Journal(tmp_path)
    journal.fold(journal.read(), whole=True)
    assert list(read(tmp_path)) == [0, 2, 3, 7, 8]
    assert len(list((tmp_path / "journal").iterdir())) == 1


def test_a_merged_part_takes_the_place_of_its_shards(tmp_path: Path) -> None:
    journal, parts = written(tmp_path, 6)
    journal.fold(parts)
    journal.put(entry(2, shards=3), parts)
    assert read(tmp_path) == {0: entry(0), 1: entry(1), 2: entry(2, shards=3), 5: entry(5)}
    assert [parts.covers(shard) for shard in range(7)] == [True] * 6 + [False]


def test_what_crashes_left_is_deleted_and_undoes_no_merge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, parts = written(tmp_path, 6)
    single = journal.entry_path(3).read_bytes()
    journal.put(entry(2, shards=3), parts)
    # The first crash: a merge is recorded, and the entries of its shards are not all deleted.
    journal.entry_path(3).write_bytes(single)
    (tmp_path / "journal" / ".folded-0000001.jsonl").write_bytes(b"half a li")
    merged = {0: entry(0), 1: entry(1), 2: entry(2, shards=3), 5: entry(5)}
    assert read(tmp_path) == merged
    journal = Journal(tmp_path)
    journal.clean(parts := journal.read())
    assert not list((tmp_path / "journal").glob(".*"))

    def crash(path: Path) -> None:
        if path.name == "part-0000003.json":
            raise Crash
        path.unlink()

    # The second: a fold deletes the entry of the merged part, but not yet the other.
    monkeypatch.setattr(journal_module, "delete", crash)
    with contextlib.suppress(Crash):
        journal.fold(parts)
    assert read(tmp_path) == merged


def test_a_claimed_folder_has_nothing_temporary_in_its_journal(tmp_path: Path) -> None:
    folder = RunFolder.claim(tmp_path, RUN)
    commit(folder, 0)
    folder.close()
    left = tmp_path / "journal" / ".part-0000001.json"
    left.write_text("{")
    RunFolder.claim(tmp_path, RUN).close()
    assert not left.exists()


def test_a_run_of_a_later_version_is_refused_and_one_of_an_earlier_is_read(tmp_path: Path) -> None:
    path = tmp_path / "out"
    folder = RunFolder.claim(path, RUN)
    commit(folder, 0, "a")
    folder.close()
    run = json.loads((path / "run.json").read_bytes())
    assert run["schema"] == SCHEMA
    (path / "run.json").write_text(json.dumps(sealed(run | {"schema": SCHEMA + 1})))
    for command in (RunFolder.read, RunFolder.reopen, lambda path: RunFolder.claim(path, RUN)):
        with pytest.raises(FolderError, match=f"schema {SCHEMA} or earlier, got {SCHEMA + 1}: a later"):
            command(path)
    del run["schema"], run["checksum"]
    (path / "run.json").write_text(json.dumps(run))
    assert list(RunFolder.read(path).parts) == [0]
    shutil.rmtree(path)


def test_a_committed_part_takes_little_memory() -> None:
    parts = PartTable()
    tracemalloc.start()
    try:
        for index in range(3000):
            parts.put(entry(index))
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size < 500 * len(parts)
    assert parts.counts().problems == 64 * 3000
    for index in range(3000):
        parts.drop(index)
    assert parts.counts() == Counts()
    assert parts.state == 0


def test_a_run_that_is_resumed_while_it_is_read_is_not_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder.claim(tmp_path, RUN)
    folder.finish({"problems": 0})

    def resumed_before(path: Path) -> bytes:
        if path.name == "complete.json" and path.exists():
            folder.resume()
        return read_bytes(path)

    monkeypatch.setattr(journal_module, "read_bytes", resumed_before)
    assert RunFolder.read(tmp_path).complete is None
    folder.close()
