"""Any damage to any file of a run is found: one line names the file, and nothing else is read."""

import contextlib
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cli.app import berry
from pipeline.datasets.encoded import EncodedTrace, decode
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.journal import Journal
from pipeline.datasets.reader import RunReader
from pipeline.datasets.views.table import VIEWS
from pipeline.derive.whole import check_run
from pipeline.errors import BerryError
from tests.runs import RUN_JSON, commit_tables
from tests.unit.pipeline.datasets.test_reader import make_trace, undecided

NAMES = [
    "run.json",
    "journal/complete.json",
    "journal/folded-0000001.jsonl",
    "journal/part-0000002.json",
    *(f"data/{view}/part-000000{number}.parquet" for view in VIEWS for number in range(3)),
]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run of three parts, of which two are folded."""
    path = tmp_path_factory.mktemp("sound") / "out"
    folder = RunFolder.claim(path, RUN_JSON)
    for number in range(3):
        traces = [undecided(make_trace(seed)) for seed in range(2 * number, 2 * number + 2)]
        done = [EncodedTrace.of(trace) for trace in traces]
        tables = {view: decode(view, done) for view in VIEWS}
        ids = [trace.problem.id for trace in traces]
        commit_tables(folder, number, ids, tables, done[0].counts + done[1].counts)
        if number == 1:
            folder.journal.fold(folder.parts)
    folder.finish({"problems": 6})
    folder.close()
    assert all((path / name).is_file() for name in NAMES)
    return path


def content(path: Path) -> dict[str, list[object]]:
    reader = RunReader.open(path)
    return {view: list(reader.rows(view)) for view in VIEWS}


@given(st.sampled_from(NAMES), st.sampled_from(["flip", "cut", "delete"]), st.integers(0), st.data())
@settings(max_examples=50, deadline=None)
def test_any_damage_is_named(
    sound: Path, name: str, harm: str, place: int, data: st.DataObject
) -> None:
    path = sound.with_name("damaged")
    if path.exists():
        shutil.rmtree(path)
    shutil.copytree(sound, path)
    file = path / name
    before = bytearray(file.read_bytes())
    place %= len(before)
    if harm == "flip":
        before[place] ^= 1 << data.draw(st.integers(0, 7))
        file.write_bytes(before)
    elif harm == "cut":
        file.write_bytes(before[:place])
    else:
        file.unlink()
    found = check_run(path).damage
    if found:
        folder = str(file if harm != "delete" or "journal" not in name else path)
        assert folder in " ".join(found)
    else:
        # White space, or a file that says nothing about the data.
        assert content(path) == content(sound)
    for command in (["status"], ["show"], ["export", "--as", "steps"]):
        done = CliRunner().invoke(berry, [*command, str(path)])
        assert done.exit_code == 0 or isinstance(done.exception, BerryError), done.exception
        if isinstance(done.exception, BerryError):
            assert "\n" not in str(done.exception)
    if name == "run.json" and found:
        return
    shutil.rmtree(path)
    shutil.copytree(sound, path)
    with contextlib.suppress(FileNotFoundError):
        file.unlink() if harm == "delete" else file.write_bytes(
            before[:place] if harm == "cut" else before
        )
    check_run(path, repair=True)
    assert check_run(path).damage == []
    whole, repaired = content(sound), content(path)
    for view, rows in repaired.items():
        assert all(row in whole[view] for row in rows)


def test_repair_derives_views_and_withdraws_parts_without_trees(sound: Path, tmp_path: Path) -> None:
    path = tmp_path / "out"
    shutil.copytree(sound, path)
    (path / "data/steps/part-0000000.parquet").unlink()
    trees = path / "data/trees/part-0000001.parquet"
    trees.write_bytes(trees.read_bytes()[:-9])
    done = CliRunner().invoke(berry, ["check", str(path)])
    assert done.exit_code == 1
    assert done.output.count("damage  ") == 2
    done = CliRunner().invoke(berry, ["check", str(path), "--repair"])
    assert done.exit_code == 0, done.exception
    assert "part-0000000.parquet: derived again" in done.output
    assert "withdrawn; repeat `berry run` to explore its 2 problems again" in done.output
    folder = RunFolder.read(path)
    assert (list(folder.parts), folder.complete) == ([0, 2], None)
    steps = "data/steps/part-0000000.parquet"
    assert (path / steps).read_bytes() == (sound / steps).read_bytes()
    assert not trees.exists()
    assert list(Journal(path).read()) == [0, 2]
