"""A run folder in a real S3 server: also while the server fails for a while."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from s3fs import S3FileSystem

from pipeline.cli.app import berry
from pipeline.datasets.card import update_card
from pipeline.datasets.damage import find_damage
from pipeline.datasets.encoded import EncodedTrace, decode
from pipeline.datasets.folder import FolderError, RunFolder
from pipeline.datasets.reader import RunReader
from pipeline.datasets.views.table import VIEWS
from pipeline.derive.export import export_view
from pipeline.derive.trust import read_trust, record
from pipeline.derive.whole import check_run
from pipeline.errors import RunFailure, UserMistake
from pipeline.files import retries
from pipeline.files.locks import has_writer
from pipeline.files.storage import files_in, folders_in, place, publish, read_bytes
from pipeline.inspection.watching import look
from pipeline.records import Problem, Trace
from pipeline.tree import Tree
from tests.conftest import make_problem
from tests.runs import RUN_JSON, commit_tables
from tests.stores import Store, running_store

RUN = {**RUN_JSON, "config": {**RUN_JSON["config"], "dataset": {"views": ["traces", "steps"]}}}


@pytest.fixture(scope="module")
def server() -> Iterator[Store]:
    with running_store() as store:
        yield store


@pytest.fixture
def store(server: Store) -> Iterator[Store]:
    yield server
    server.heal()


@pytest.fixture
def out(store: Store, request: pytest.FixtureRequest) -> Path:
    bucket = place("s3://runs")
    bucket.mkdir(exist_ok=True)
    return place(f"s3://runs/{request.node.name}")


def encoded(text: str) -> tuple[Problem, EncodedTrace]:
    problem = make_problem(text)
    trace = Trace(problem=problem, seed=0, tree=Tree((), ""), trajectories=())
    return problem, EncodedTrace.of(trace)


def commit(folder: RunFolder, index: int, *texts: str) -> None:
    done = [encoded(text) for text in texts]
    counts = sum((one.counts for _, one in done[1:]), done[0][1].counts)
    tables = {view: decode(view, [one for _, one in done]) for view in VIEWS}
    commit_tables(folder, index, [problem.id for problem, _ in done], tables, counts)


def test_a_run_is_written_and_read_in_a_store(out: Path, tmp_path: Path) -> None:
    folder = RunFolder.claim(out, RUN)
    assert has_writer(out) is True
    with pytest.raises(FolderError, match=r"s3://.*another run is writing .*seen . s ago"):
        RunFolder.claim(out, RUN)
    commit(folder, 0, "a", "b")
    commit(folder, 1, "c")
    for number in (1, 2):
        folder.append_metrics({"problems": number})
    metrics = folder.last_metrics()
    assert metrics is not None
    assert metrics.counts.problems == 2
    assert "running; last report" in look(RunFolder.read(out)).header
    update_card(folder)
    card = read_bytes(out / "README.md").decode()
    assert f'load_dataset("parquet", data_files="{out}/data/traces/part-*.parquet")' in card
    folder.finish({"problems": 3})
    folder.close()
    assert has_writer(out) is False
    assert folders_in(out / ".staging") == []

    again = RunFolder.read(out)
    assert again.complete == {"problems": 3}
    assert dict(again.parts) == dict(folder.parts)
    assert find_damage(again) == []
    reader = RunReader(again)
    assert [trace.problem.prompt for trace in reader.traces()] == ["a", "b", "c"]
    assert check_run(out).damage == []
    for command in (
        ["status"],
        ["status", "--watch"],
        ["show"],
        ["check"],
        ["export", "--as", "steps"],
    ):
        done = CliRunner().invoke(berry, [*command, str(out)])
        assert done.exit_code == 0, (done.output, done.exception)
    for output in (tmp_path / "local", place(f"{out}-exported"), place(f"{out}.parquet")):
        export_view(out, "steps", output)
    assert list(files_in(place(f"{out}-exported") / "data" / "steps")) == [
        "part-0000000.parquet",
        "part-0000001.parquet",
    ]


def test_a_killed_run_in_a_store_goes_on(out: Path) -> None:
    folder = RunFolder.claim(out, RUN)
    commit(folder, 0, "a")
    publish(folder.part_path("traces", 1), b"half a part")
    publish(folder.staging(1, "x") / "0.checkpoint", b"so far")
    publish(folder.staging(1, "x") / "trees.parquet", b"half a part")
    folder.close()
    again = RunFolder.claim(out, RUN)
    assert [one.name for one in again.checkpoints(1)] == ["0.checkpoint"]
    assert list(files_in(again.staging(1, "x"))) == ["0.checkpoint"]
    assert list(files_in(out / "data" / "traces")) == ["part-0000000.parquet"]
    commit(again, 1, "b")
    assert again.checkpoints(1) == []
    again.close()


def test_a_store_that_fails_for_a_while_costs_only_time(out: Path, store: Store) -> None:
    folder = RunFolder.claim(out, RUN)
    store.fails_every = 7
    for index in range(2):
        store.fails_until = time.monotonic() + 0.5
        commit(folder, index, f"{index}")
    folder.finish({"problems": 2})
    folder.close()
    reader = RunReader.open(out)
    assert [trace.problem.prompt for trace in reader.traces()] == ["0", "1"]
    store.heal()
    assert check_run(out).damage == []


def test_a_store_that_keeps_failing_ends_the_run_with_one_line(
    out: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder.claim(out, RUN)
    monkeypatch.setattr(retries, "PATIENCE_SECONDS", 0.0)
    store.fails_until = float("inf")
    with pytest.raises(RunFailure, match=r"s3://runs/.*the store keeps failing: .*; committed work"):
        commit(folder, 0, "a")
    store.heal()
    commit(folder, 0, "a")
    folder.close()


def test_a_missing_bucket_and_an_unknown_kind_are_named(store: Store) -> None:
    with pytest.raises(UserMistake, match=r"s3://nowhere/x: .*bucket does not exist"):
        RunFolder.claim(place("s3://nowhere/x"), RUN)
    with pytest.raises(UserMistake, match=r"s3://nowhere/x: expected a run folder"):
        RunFolder.read(place("s3://nowhere/x"))
    with pytest.raises(UserMistake, match="expected a local path or a URL of a known kind"):
        place("floppy://x/y")


def test_missing_credentials_are_named(
    out: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    S3FileSystem.clear_instance_cache()
    with pytest.raises(UserMistake, match=r"s3://runs/.*: cannot be used \(.*credentials"):
        RunFolder.claim(place(str(out)), RUN)
    S3FileSystem.clear_instance_cache()


def test_a_measurement_is_recorded_in_a_store(out: Path) -> None:
    folder = RunFolder.claim(out, RUN)
    commit(folder, 0, "a", "b")
    folder.finish({"problems": 2})
    folder.close()
    facts = {"duplicates": {"problems": 1, "responses": 2}}
    record(out, "hygiene", facts)
    record(out, "hygiene", facts)
    assert read_trust(out)["hygiene"]["facts"] == facts
    found = "| Duplicates | 1 problems and 2 responses that repeat an earlier one |"
    assert found in read_bytes(out / "README.md").decode()
    RunFolder.claim(out, RUN).close()
    assert list(read_trust(out)) == ["hygiene"]
