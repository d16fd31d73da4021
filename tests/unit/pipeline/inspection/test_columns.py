"""Flat columns say the same as restored traces."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.datasets.counts import Counts
from pipeline.datasets.folder import FolderError
from pipeline.datasets.reader import RunReader
from pipeline.files import publishing
from pipeline.inspection.columns import (
    has_gold,
    node_columns,
    plain_column,
    problem_columns,
    response_columns,
    right,
)
from pipeline.inspection.report.figures import report_figures
from pipeline.inspection.ui.index import ProblemIndex
from pipeline.labels.outcomes import has_gold as trace_has_gold
from pipeline.labels.outcomes import sample_outcome
from pipeline.prune import PruneConfig, Pruner
from pipeline.records import Problem, Trace, trajectories
from pipeline.tree import ROOT, Finish, Tree
from tests.conftest import make_rollout, make_verdict
from tests.runs import make_trace, write_run
from verifiers import Outcome, Target, Verdict


def varied_trace(number: int, *, gold: str = "7", vote: bool = False) -> Trace:
    """Rollouts of every kind of end and verdict."""
    tree = Tree((7, 8), f"problem {number}")
    verdicts = [
        make_verdict(Outcome.PASS),
        make_verdict(Outcome.FAIL),
        Verdict(outcome=Outcome.ABSTAIN, reason="no answer", no_answer=True),
        Verdict(outcome=Outcome.ABSTAIN, reason="undecided"),
        make_verdict(Outcome.ERROR),
        None,
    ]
    for verdict in verdicts:
        finish = Finish.LENGTH if verdict is None else Finish.STOP
        rollout = make_rollout("one", f"two {number}", logprob=-0.5, finish=finish)
        leaf = tree.add(ROOT, tree.reserve(ROOT, 1), rollout)
        if verdict is not None:
            if vote:
                verdict = Verdict(
                    outcome=verdict.outcome, reason="a vote", verifier="consensus", version="1"
                )
            tree.judge(leaf, verdict)
    tree = tree.sorted()
    found = trajectories(tree)
    target = Target(kind="math", value=gold)
    return Trace(
        problem=Problem.create(prompt=f"problem {number}", target=target, source="file"),
        seed=1,
        tree=tree,
        trajectories=found,
        decisions=Pruner(PruneConfig()).prune(found, tree),
    )


@pytest.fixture
def reader(tmp_path: Path) -> RunReader:
    traces = [
        varied_trace(0),
        make_trace("all right", "3", [("3", True), ("3", True)]),
        varied_trace(1, gold=""),
        varied_trace(2, gold="", vote=True),
        make_trace("no rollouts", "3", []),
    ]
    return RunReader.open(write_run(tmp_path / "run", traces, per_part=3))


def test_columns_agree_with_traces(reader: RunReader) -> None:
    for part in reader.parts:
        problems, responses = problem_columns(reader, part), response_columns(reader, part)
        nodes = node_columns(reader, part)
        traces = list(reader.traces(part))
        assert problems["problem_id"].to_pylist() == [one.problem.id for one in traces]
        assert has_gold(problems, responses).tolist() == [trace_has_gold(one) for one in traces]
        expected = [
            (row, one.leaf, str(one.status), sample_outcome(trace.tree, one.leaf))
            for row, trace in enumerate(traces)
            for one in trace.trajectories
        ]
        columns = (responses[name].to_pylist() for name in ("row", "leaf", "status"))
        assert list(zip(*columns, right(responses).to_pylist(), strict=True)) == expected
        assert nodes["row"].to_pylist() == [
            row for row, trace in enumerate(traces) for _ in trace.tree.nodes
        ]
        assert nodes["trials"].to_pylist() == [s.trials for one in traces for s in one.tree.stats]
        assert nodes["step"].to_pylist() == [n.step for one in traces for n in one.tree.nodes]


def test_right_adds_up_to_the_counts(reader: RunReader) -> None:
    num_right = num_wrong = 0
    for part in reader.parts:
        problems, responses = problem_columns(reader, part), response_columns(reader, part)
        golden = has_gold(problems, responses)
        for row, is_right in zip(
            responses["row"].to_pylist(), right(responses).to_pylist(), strict=True
        ):
            num_right += golden[row] and is_right is True
            num_wrong += golden[row] and is_right is False
    counts = Counts()
    for trace in reader.traces():
        counts.add(Counts.of(trace))
    assert (num_right, num_wrong) == (counts.right, counts.not_right)
    assert num_right > 0
    assert num_wrong > 0


def test_damaged_file_is_named(reader: RunReader) -> None:
    path = reader.folder.part_path("trees", reader.parts[0])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(FolderError, match="part-0000000"):
        response_columns(reader, reader.parts[0])


def test_files_of_earlier_versions_have_the_problem_in_another_column(tmp_path: Path) -> None:
    run = write_run(tmp_path, [make_trace("What is 1 + 1?", "2", [("2", True)])])
    file = next((run / "data" / "trees").glob("part-*"))
    table = pq.read_table(file)
    pq.write_table(
        table.drop_columns(["problem", "prompt"]).append_column("prompt", table["problem"]), file
    )
    assert problem_columns(RunReader.open(run), 0)["problem"].to_pylist() == ["What is 1 + 1?"]


def test_files_of_several_row_groups_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As in every part that `berry run` merges at the end of a large run.
    traces = [varied_trace(number) for number in range(8)]
    one = RunReader.open(write_run(tmp_path / "one", traces, per_part=8))
    monkeypatch.setattr(publishing, "_GROUP_BYTES", 4000)
    several = RunReader.open(write_run(tmp_path / "several", traces, per_part=8))
    with pq.ParquetFile(several.folder.part_path("trees", 0)) as file:
        assert file.num_row_groups > 2
    for read in (problem_columns, response_columns, node_columns):
        tables = [read(reader, 0) for reader in (several, one)]
        found, expected = (
            [plain_column(t, name).to_pylist() for name in t.schema.names] for t in tables
        )
        assert found == expected
    index = ProblemIndex(len(several.parts))
    index.refresh(several)
    assert (index.error, index.table.num_problems) == (None, 8)
    assert index.table.num_responses("reason", "undecided", np.arange(8)) == 8
    figures = report_figures(several.folder)
    assert (figures.damage, len(figures.samples)) == ([], 8)
