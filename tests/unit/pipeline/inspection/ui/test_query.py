"""Selections of problems, checked against restored traces."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.datasets.counts import Counts
from pipeline.datasets.reader import RunReader
from pipeline.datasets.trust.people import Judgement
from pipeline.errors import UserMistake
from pipeline.inspection.ui.compare import Comparison
from pipeline.inspection.ui.index import PartIndex, ProblemIndex, ProblemTable
from pipeline.inspection.ui.query import SORTS, Query, ordered, select
from pipeline.inspection.ui.runs import domains
from pipeline.records import Trace
from tests.runs import make_trace, write_run
from tests.viewer_runs import hostile_trace, small_trace, viewer_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return viewer_run(tmp_path_factory.mktemp("viewer") / "run")


@pytest.fixture(scope="module")
def traces(run: Path) -> list[Trace]:
    return list(RunReader.open(run).traces())


@pytest.fixture(scope="module")
def table(run: Path) -> ProblemTable:
    reader = RunReader.open(run)
    return ProblemTable([PartIndex.read(reader, number) for number in reader.parts])


def outcomes(trace: Trace) -> list[str]:
    return [str(one.verdict.outcome) for one in trace.trajectories if one.verdict]


def rate(trace: Trace) -> float | None:
    counts = Counts.of(trace)
    known = counts.right + counts.not_right
    return counts.right / known if known else None


CASES: dict[str, tuple[dict[str, Any], Callable[[Trace], bool]]] = {
    "all": ({}, lambda trace: True),
    "text": ({"q": "COMPUTE $1"}, lambda trace: "Compute $1" in trace.problem.prompt),
    "source id": ({"q": "set/large"}, lambda trace: trace.problem.source_id == "set/large"),
    "domain": ({"domain": "geometry"}, lambda trace: trace.problem.domain == "geometry"),
    "least rate": ({"min_rate": 0.4}, lambda trace: (rate(trace) or 0) >= 0.4),
    "range": (
        {"min_rate": 0.1, "max_rate": 0.39},
        lambda trace: 0.1 <= (rate(trace) or 0) <= 0.39,
    ),
    "abstained": ({"outcome": "abstain"}, lambda trace: "abstain" in outcomes(trace)),
    "no error": ({"outcome": "error"}, lambda trace: "error" in outcomes(trace)),
    "no verdict": ({"outcome": "none"}, lambda trace: not outcomes(trace)),
    "not kept": ({"kept": "no"}, lambda trace: not trace.kept),
    "reason": (
        {"reason": "EQUAL"},
        lambda trace: any("equal" in one.verdict.reason for one in trace.trajectories if one.verdict),
    ),
    "dropped": (
        {"dropped": "truncated"},
        lambda trace: any(one.stage == "truncated" for one in trace.decisions),
    ),
    "version": ({"version": "test-1"}, lambda trace: len(trace.tree) > 1),
    "another version": ({"version": "test-2"}, lambda trace: False),
    "together": (
        {"domain": "algebra", "q": "compute", "min_rate": 0.4},
        lambda trace: (
            trace.problem.domain == "algebra"
            and "Compute" in trace.problem.prompt
            and (rate(trace) or 0) >= 0.4
        ),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_select_agrees_with_traces(case: str, table: ProblemTable, traces: list[Trace]) -> None:
    values, holds = CASES[case]
    found = select(table, Query.read(values), []).tolist()
    assert found == [row for row, trace in enumerate(traces) if holds(trace)]


def test_select_by_people(table: ProblemTable) -> None:
    ids = table.texts["problem_id"].to_pylist()

    def said(row: int, person: str, verifier: str) -> Judgement:
        return Judgement.model_validate(
            {"problem_id": ids[row], "leaf": 1, "outcome": person, "verifier_outcome": verifier}
        )

    judgements = [said(2, "right", "pass"), said(4, "wrong", "pass")]
    assert select(table, Query.read({"judged": "yes"}), judgements).tolist() == [2, 4]
    assert select(table, Query.read({"judged": "differs"}), judgements).tolist() == [4]
    assert len(select(table, Query.read({"judged": "no"}), judgements)) == len(ids) - 2
    # A problem of another run, or one that is not read yet.
    stranger = judgements[0].model_copy(update={"problem_id": "elsewhere"})
    assert select(table, Query.read({"judged": "yes"}), [stranger]).tolist() == []


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({"min_rate": "x"}, "min_rate: .*'x'"),
        ({"min_rate": "1.5"}, "min_rate"),
        ({"outcome": "maybe"}, "outcome"),
        ({"color": "red"}, "color: expected one of q, domain"),
        ({"q": "a" * 501}, "q: "),
    ],
)
def test_bad_query_is_explained(values: dict[str, str], wrong: str) -> None:
    with pytest.raises(UserMistake, match=wrong):
        Query.read(values)


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("descending", [False, True])
def test_every_sort_is_a_stable_order(table: ProblemTable, sort: str, descending: bool) -> None:
    rows = np.arange(table.num_problems)
    found = ordered(table, rows, sort, descending=descending)
    assert sorted(found.tolist()) == rows.tolist()
    values = SORTS[sort][1](table)[found].astype(float)
    steps = np.diff(-values if descending else values)
    assert (steps >= 0).all()
    assert all(a < b for a, b, step in zip(found, found[1:], steps, strict=False) if step == 0)


def test_unknown_rates_come_last(tmp_path: Path) -> None:
    traces = [make_trace("none", "2", []), *map(small_trace, range(3))]
    reader = RunReader.open(write_run(tmp_path / "run", traces))
    table = ProblemTable([PartIndex.read(reader, number) for number in reader.parts])
    for descending in (False, True):
        found = ordered(table, np.arange(4), "rate", descending=descending)
        assert found[-1] == 0
    assert np.isnan(table.rate[0])
    assert np.isnan(table.interval[0]).all()


def test_domains_add_up(table: ProblemTable, traces: list[Trace]) -> None:
    counts = Counts()
    for trace in traces:
        counts.add(Counts.of(trace))
    found = domains(table)
    assert sum(one["problems"] for one in found) == counts.problems
    assert sum(one["right"] for one in found) == counts.right
    assert sum(one["known"] for one in found) == counts.right + counts.not_right
    assert sum(one["kept"] for one in found) == counts.kept
    assert sum(one["solved"] for one in found) == counts.problems_solved


def test_index_reads_only_what_is_new(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = RunReader.open(run)
    index = ProblemIndex(3)
    read: list[int] = []
    original = PartIndex.read

    def counted(given: RunReader, number: int) -> PartIndex:
        read.append(number)
        return original(given, number)

    monkeypatch.setattr(PartIndex, "read", counted)
    # Else a page would take an empty table for the whole run.
    assert not index.is_complete
    index.refresh(reader)
    assert index.is_complete
    index.refresh(RunReader.open(run))
    assert read == [0, 1, 2]


def test_index_shows_the_rest_of_a_damaged_run(tmp_path: Path) -> None:
    run = viewer_run(tmp_path / "run", [*map(small_trace, range(11))])
    path = RunReader.open(run).folder.part_path("trees", 1)
    path.write_bytes(path.read_bytes()[:-30])
    index = ProblemIndex(3)
    index.refresh(RunReader.open(run))
    assert index.table.num_problems == 6
    assert not index.is_complete
    assert "part-0000001" in (index.error or "")


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=20))
def test_any_text_can_be_searched(table: ProblemTable, text: str) -> None:
    found = select(table, Query.read({"q": text, "reason": text}), [])
    assert len(found) <= table.num_problems


def test_comparison_joins_by_id(tmp_path: Path) -> None:
    def read(name: str, traces: list[Trace]) -> ProblemTable:
        reader = RunReader.open(write_run(tmp_path / name, traces))
        return ProblemTable([PartIndex.read(reader, number) for number in reader.parts])

    better = make_trace("shared", "2", [("2", True), ("2", True)])
    worse = make_trace("shared", "2", [("2", True), ("3", False)])
    a = read("a", [small_trace(1), worse, hostile_trace()])
    b = read("b", [better, small_trace(1), small_trace(2)])
    found = Comparison.of(a, b)
    facts = found.summary()
    assert (facts["both"], facts["only_a"], facts["only_b"]) == (2, 1, 1)
    assert facts["mean_difference"] == pytest.approx(0.25)
    assert facts["low"] < 0.25 < facts["high"]
    rows = [found.row(int(one), 300) for one in found.ordered(None, "difference", descending=True)]
    assert [one["problem"] for one in rows[:2]] == ["shared", "Compute $1 + 1$."]
    assert rows[0]["difference"] == pytest.approx(0.5)
    assert [one["difference"] for one in rows[2:]] == [None, None]
    only = [found.row(int(one), 300) for one in found.ordered("b", "text", descending=False)]
    assert [(one["problem"], one["a"]) for one in only] == [("Compute $2 + 1$.", None)]
    with pytest.raises(UserMistake, match="sort: expected one of"):
        found.ordered(None, "colour", descending=False)
