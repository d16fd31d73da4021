"""One reader of runs: in order, by id, by columns, a few rows at a time."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.datasets.card import render_card
from pipeline.datasets.counts import Counts
from pipeline.datasets.encoded import EncodedTrace, decode
from pipeline.datasets.folder import FolderError, RunFolder
from pipeline.datasets.reader import ExportedView, RunReader, UnknownProblem
from pipeline.datasets.views.table import VIEWS
from pipeline.records import Problem, Trace, trajectories
from pipeline.tree import ROOT, Tree
from tests.conftest import make_rollout
from tests.runs import commit_tables
from verifiers import Target

CONFIG: dict[str, Any] = {
    "seed": 0,
    "engine": {"use": "simulated"},
    "problems": {"use": "file", "path": "p"},
    "strategy": {"use": "best_of_n"},
    "verifier": {"use": "exact"},
}
RUN: dict[str, Any] = {
    "config": CONFIG,
    "digest": "d",
    "created": "2026-01-01",
    "versions": {"berry": "0"},
}


def make_trace(number: int) -> Trace:
    tree = Tree((1, 2), f"problem {number}")
    tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout("a", "b"))
    problem = Problem.create(
        prompt=f"problem {number}",
        target=Target(kind="math", value=str(number)),
        source="test",
        source_id=f"source-{number}",
    )
    return Trace(problem=problem, seed=number, tree=tree, trajectories=trajectories(tree))


@pytest.fixture
def traces() -> list[Trace]:
    return [make_trace(number) for number in range(30)]


@pytest.fixture
def run(tmp_path: Path, traces: list[Trace]) -> Path:
    """Three parts of ten problems, of which the last but one was committed last."""
    folder = RunFolder.claim(tmp_path / "out", RUN)
    for part in (0, 2, 1):
        done = [EncodedTrace.of(undecided(trace)) for trace in traces[10 * part : 10 * part + 10]]
        ids = [trace.problem.id for trace in traces[10 * part : 10 * part + 10]]
        commit_tables(
            folder, part, ids, {name: decode(name, done) for name in VIEWS}, Counts(problems=10)
        )
    folder.close()
    return tmp_path / "out"


def undecided(trace: Trace) -> Trace:
    from dataclasses import replace

    from pipeline.records import Decision, Stage

    decisions = [Decision(leaf=t.leaf, stage=Stage.NOT_JUDGED, reason="-") for t in trace.trajectories]
    return replace(trace, decisions=tuple(decisions))


def test_traces_come_in_the_order_of_the_problem_set(run: Path, traces: list[Trace]) -> None:
    found = list(RunReader.open(run).traces())
    assert [one.problem.id for one in found] == [one.problem.id for one in traces]
    assert [one.tree.nodes for one in found] == [one.tree.nodes for one in traces]


def test_rows_have_the_columns_asked_for_alone(run: Path) -> None:
    reader = RunReader.open(run)
    rows = list(reader.rows("steps", ["problem_id", "num_tokens"]))
    assert len(rows) == 30
    assert {tuple(row) for row in rows} == {("problem_id", "num_tokens")}
    assert reader.columns("steps") == set(VIEWS["steps"].schema.names)


def test_a_column_that_files_of_an_earlier_version_lack_is_left_out(run: Path) -> None:
    assert {tuple(row) for row in RunReader.open(run).rows("trees", ["problem_id", "nothing"])} == {
        ("problem_id",)
    }


def test_a_problem_is_found_by_its_id_a_beginning_of_it_or_the_sources_id(
    run: Path, traces: list[Trace]
) -> None:
    reader = RunReader.open(run)
    wanted = traces[17].problem
    for name in (wanted.id, wanted.id[:12], "source-17"):
        assert reader.find(name)["problem_id"] == wanted.id
    with pytest.raises(FolderError, match="of a committed problem, got nowhere"):
        reader.find("nowhere")


def test_the_beginning_of_several_ids_names_some_of_them(run: Path, traces: list[Trace]) -> None:
    ids = [one.problem.id for one in traces]
    wanted = next(one[0] for one in ids if sum(other[0] == one[0] for other in ids) > 1)
    several = [one for one in ids if one.startswith(wanted)]
    with pytest.raises(UnknownProblem, match=f"with which {len(several)} begin: {several[0]}, "):
        RunReader.open(run).find(wanted)
    with pytest.raises(UnknownProblem, match=r"with which 30 begin: .* and 25 more"):
        RunReader.open(run).find("")


def test_an_exact_id_goes_before_an_earlier_beginning(run: Path, traces: list[Trace]) -> None:
    """The problem set's own ids are free: one may be the beginning of another problem's hash."""
    first = traces[0].problem.id
    path = run / "data" / "trees" / "part-0000002.parquet"
    table = pq.read_table(path)
    ids = table.column("source_id").to_pylist()
    ids[4] = first[:6]
    place = table.schema.get_field_index("source_id")
    pq.write_table(table.set_column(place, "source_id", [ids]), path)
    assert RunReader.open(run).find(first[:6])["problem_id"] == traces[24].problem.id


def test_nothing_is_read_before_it_is_wanted(run: Path) -> None:
    """The last part can be gone: whoever reads the first problems does not notice."""
    (run / "data" / "trees" / "part-0000002.parquet").unlink()
    rows = RunReader.open(run).rows("trees", ["problem_id"])
    assert len([next(rows) for _ in range(20)]) == 20
    with pytest.raises(FolderError, match="is missing"):
        next(rows)


def test_a_run_without_a_part_says_so(tmp_path: Path) -> None:
    RunFolder.claim(tmp_path / "out", RUN).close()
    reader = RunReader.open(tmp_path / "out")
    assert list(reader.traces()) == []
    assert reader.columns("trees") == set()
    with pytest.raises(FolderError, match="expected a run with a committed part"):
        reader.require_parts()


@pytest.mark.parametrize("view", ["steps", "traces"])
def test_a_view_that_is_not_stored_is_derived(
    run: Path, tmp_path: Path, traces: list[Trace], view: str
) -> None:
    stored = RunReader.open(run)
    folder = RunFolder.claim(tmp_path / "lean", RUN)
    for part in range(3):
        some = [undecided(trace) for trace in traces[10 * part : 10 * part + 10]]
        done = [EncodedTrace.of(trace, views=["trees"]) for trace in some]
        tables = {"trees": decode("trees", done)}
        commit_tables(folder, part, [one.problem.id for one in some], tables, Counts(problems=10))
    folder.close()
    lean = RunReader.open(tmp_path / "lean")
    assert lean.folder.parts[0].rows == {"trees": 10}
    assert list(lean.rows(view)) == list(stored.rows(view))
    assert list(lean.rows(view, ["problem_id", "seed"])) == list(
        stored.rows(view, ["problem_id", "seed"])
    )
    assert lean.columns(view) == stored.columns(view)
    card = render_card(RunFolder.read(tmp_path / "lean"))
    assert f"config_name: {view}" not in card
    assert "config_name: trees" in card


def test_derived_labels_follow_the_runs_config(tmp_path: Path, traces: list[Trace]) -> None:
    done = [EncodedTrace.of(undecided(traces[0]), views=["trees"])]
    for truncated_fails in (False, True):
        path = tmp_path / str(truncated_fails)
        config = {"labels": {"truncated_fails": truncated_fails, "interval": 0.5}}
        folder = RunFolder.claim(path, RUN | {"config": config})
        commit_tables(folder, 0, ["a"], {"trees": decode("trees", done)}, Counts(problems=1))
        folder.close()
        assert RunReader.open(path)._rules.labels.truncated_fails is truncated_fails


def test_an_exported_folder_reads_like_a_run(run: Path) -> None:
    exported = ExportedView(run, "steps")
    reader = RunReader.open(run)
    assert list(exported.rows()) == list(reader.rows("steps"))
    assert exported.columns() == reader.columns("steps")


def test_a_damaged_exported_file_is_named_with_its_cure(run: Path) -> None:
    path = run / "data" / "steps" / "part-0000001.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(
        FolderError, match=r"part-0000001.parquet: is damaged; .* `berry export --as steps`"
    ):
        list(ExportedView(run, "steps").rows())
