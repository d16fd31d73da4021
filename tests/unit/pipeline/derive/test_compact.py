"""Small parts become larger ones: the same rows, wherever a compaction is cut short."""

import asyncio
import contextlib
import multiprocessing
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from pipeline import parallel
from pipeline.cli.app import berry
from pipeline.datasets import folder as folder_module
from pipeline.datasets import journal as journal_module
from pipeline.datasets.damage import find_damage
from pipeline.datasets.encoded import EncodedTrace, decode
from pipeline.datasets.folder import FolderError, RunFolder, ids_digest
from pipeline.datasets.reader import RunReader
from pipeline.datasets.views.table import VIEWS
from pipeline.derive.compact import Compacted, compact
from pipeline.derive.export import export_view
from pipeline.derive.whole import check_run
from pipeline.files import publishing
from tests.conftest import ROOT
from tests.runs import RUN_JSON, commit_tables
from tests.unit.pipeline.datasets.test_reader import make_trace, undecided

NUM_PARTS = 9
STORED = ("trees", "steps")


class Crash(Exception):
    """The process ends here."""


def make(path: Path, *, num_parts: int = NUM_PARTS, without: int | None = None) -> RunFolder:
    """Parts of two problems each; `without` is not committed."""
    folder = RunFolder.claim(path, RUN_JSON)
    for number in range(num_parts):
        if number == without:
            continue
        traces = [undecided(make_trace(2 * number + k)) for k in (0, 1)]
        done = [EncodedTrace.of(trace, views=STORED) for trace in traces]
        ids = [trace.problem.id for trace in traces]
        tables = {view: decode(view, done) for view in STORED}
        commit_tables(folder, number, ids, tables, done[0].counts + done[1].counts)
    return folder


def content(path: Path) -> dict[str, list[object]]:
    reader = RunReader.open(path)
    return {view: list(reader.rows(view)) for view in VIEWS}


def files(path: Path) -> dict[str, bytes]:
    return {str(one.relative_to(path)): one.read_bytes() for one in path.glob("data/*/*")}


def target(folder: RunFolder) -> int:
    """Room for three parts and a bit."""
    return int(3.5 * max(part.sizes["trees"] for part in folder.parts.values()))


def merge(folder: RunFolder, target_bytes: int) -> Compacted:
    return asyncio.run(compact(folder, target_bytes))


def test_rows_stay_and_files_become_fewer(tmp_path: Path) -> None:
    path = tmp_path / "out"
    folder = make(path, without=4)
    before, counts, state = content(path), folder.counts, folder.state_digest()
    ids = [row["problem_id"] for row in before["trees"]]  # type: ignore[index]
    done = merge(folder, target(folder))
    assert (done.num_before, done.num_after) == (8, 4)
    assert {index: part.shards for index, part in folder.parts.items()} == {0: 3, 3: 1, 5: 3, 8: 1}
    assert (content(path), RunFolder.read(path).counts) == (before, counts)
    assert folder.state_digest() != state
    assert folder.parts[5].problems_digest == ids_digest(ids[8:14])
    assert find_damage(folder) == check_run(path).damage == []
    assert merge(folder, target(folder)).num_rows == 0
    folder.close()
    again = RunFolder.claim(path, RUN_JSON)
    assert dict(again.parts) == dict(folder.parts)
    assert content(path) == before
    again.close()


def test_a_compaction_that_is_cut_short_anywhere_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(tmp_path / "whole", num_parts=4)
    before, limit = content(tmp_path / "whole"), target(folder)
    shutil.copytree(tmp_path / "whole", tmp_path / "small")
    merge(folder, limit)
    folder.close()
    whole = files(tmp_path / "whole")
    assert len(whole) == 4
    for steps in range(60):
        path = tmp_path / str(steps)
        shutil.copytree(tmp_path / "small", path)
        folder, left = RunFolder.claim(path, RUN_JSON), steps

        def count(function: Callable[..., Any], *arguments: Any) -> Any:
            nonlocal left
            if left == 0:
                raise Crash
            left -= 1
            return function(*arguments)

        with monkeypatch.context() as patch:
            for module, name in (
                (folder_module, "move"),
                (folder_module, "delete"),
                (folder_module, "delete_staged"),
                (journal_module, "publish"),
                (journal_module, "move"),
                (journal_module, "delete"),
            ):
                real = getattr(module, name)
                patch.setattr(module, name, lambda *a, real=real: count(real, *a))
            crashed = False
            try:
                merge(folder, limit)
            except Crash:
                crashed = True
        folder.close()
        assert content(path) == before
        assert find_damage(RunFolder.read(path)) == []
        again = RunFolder.claim(path, RUN_JSON)
        assert content(path) == before
        merge(again, limit)
        again.close()
        assert files(path) == whole
        assert content(path) == before
        if not crashed:
            assert steps > 10
            return
    raise AssertionError("the compaction never ended")


def test_processes_write_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, few in (("inside", 2**30), ("processes", 0)):
        monkeypatch.setattr(parallel, "FEW_BYTES", few)
        folder = make(tmp_path / name)
        merge(folder, target(folder))
        folder.close()
    assert files(tmp_path / "inside") == files(tmp_path / "processes")


_COMPACTS = """
import asyncio
import sys
from pathlib import Path

from pipeline import parallel
from pipeline.datasets.folder import RunFolder
from pipeline.derive import compact

parallel.FEW_BYTES = 0
folder = RunFolder.reopen(Path(sys.argv[1]))
print("begins", flush=True)
asyncio.run(compact.compact(folder, int(sys.argv[2])))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_command_that_ends_while_processes_merge_can_be_repeated(tmp_path: Path, number: int) -> None:
    folder = make(tmp_path / "whole")
    limit = target(folder)
    shutil.copytree(tmp_path / "whole", tmp_path / "small")
    merge(folder, limit)
    folder.close()
    for staged in (0, 1):
        path = tmp_path / str(staged)
        shutil.copytree(tmp_path / "small", path)
        command = [sys.executable, "-c", _COMPACTS, str(path), str(limit)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "begins\n"
        # While it starts, or once a merged file is there, which it commits at once.
        while staged and process.poll() is None and not list(path.glob(".staging/*.merged/*")):
            pass
        process.send_signal(number)
        process.communicate()
        again = RunFolder.reopen(path)
        merge(again, limit)
        again.close()
        assert files(path) == files(tmp_path / "whole")
        assert find_damage(RunFolder.read(path)) == []


def test_damage_that_a_process_finds_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "FEW_BYTES", 0)
    before = set(multiprocessing.active_children())
    with contextlib.closing(make(tmp_path / "out")) as folder:
        limit, damaged = target(folder), folder.part_path("trees", 4)
        damaged.write_bytes(damaged.read_bytes()[:-9])
        with pytest.raises(FolderError, match=f"{damaged.name}: is damaged.*--repair"):
            merge(folder, limit)
    assert set(multiprocessing.active_children()) <= before


def test_a_reader_that_began_before_a_merge_is_told_to_begin_again(tmp_path: Path) -> None:
    path = tmp_path / "out"
    folder = make(path)
    reader = RunReader.open(path)
    merge(folder, target(folder))
    folder.close()
    with pytest.raises(FolderError, match=r"were merged; repeat the command"):
        list(reader.rows("trees"))


def test_row_groups_are_bounded_and_rows_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "_GROUP_BYTES", 2000)
    folder = make(tmp_path / "out")
    merge(folder, 2**30)
    folder.close()
    for view in STORED:
        file = pq.ParquetFile(folder.part_path(view, 0))
        assert file.num_row_groups > 2
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            assert table.nbytes <= 2000 or table.num_rows == 1


def test_a_merged_view_that_is_derived_again_has_the_same_bytes(tmp_path: Path) -> None:
    folder = make(tmp_path / "out")
    merge(folder, 2**30)
    folder.close()
    assert export_view(tmp_path / "out", "steps").num_changed == 0


def test_the_command(tmp_path: Path) -> None:
    make(tmp_path / "out").close()
    done = CliRunner().invoke(berry, ["compact", str(tmp_path / "out")])
    assert done.exit_code == 0, done.exception
    assert "9 parts are now 1" in done.output
    assert (tmp_path / "out" / "README.md").exists()


def test_long_texts_are_split_into_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "_GROUP_BYTES", 1000)
    schema = pa.schema([("text", pa.list_(pa.string()))])
    batch = pa.RecordBatch.from_pylist([{"text": ["x" * 400]}] * 9, schema)
    path = tmp_path / "a.parquet"
    publishing.write_parquet(path, schema, [batch])
    file = pq.ParquetFile(path)
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [2, 2, 2, 2, 1]
    assert file.read().to_pylist() == batch.to_pylist()
