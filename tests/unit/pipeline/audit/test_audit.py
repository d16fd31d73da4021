"""Runs of which nothing can be audited, and the counts of an audit."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.audit.audit import audit
from pipeline.audit.made import Known, Made, Source
from pipeline.audit.report import describe, facts
from pipeline.audit.tally import Audit
from pipeline.datasets.encoded import EncodedTrace, decode
from pipeline.datasets.folder import RunFolder
from pipeline.errors import UserMistake
from pipeline.records import Trace
from tests.conftest import make_problem, make_verdict
from tests.runs import commit_tables
from tests.unit.pipeline.datasets.test_card import make_trace
from tests.unit.pipeline.datasets.test_reader import RUN
from verifiers import Outcome, Target
from verifiers.catalog import VERIFIER, build_verifier


def run_of(path: Path, *traces: Trace) -> Path:
    folder = RunFolder.claim(path, RUN)
    done = [EncodedTrace.of(trace) for trace in traces]
    tables = {view: decode(view, done) for view in ("trees", "traces")}
    commit_tables(folder, 0, [trace.problem.id for trace in traces], tables, done[0].counts)
    folder.close()
    return path


def judged(path: Path) -> Audit:
    verifier = build_verifier(VERIFIER.part({"use": "exact"}))
    return asyncio.run(audit(path, verifier, num_problems=10, seed=0))


def with_target(trace: Trace, kind: str, value: str | None) -> Trace:
    return replace(trace, problem=replace(trace.problem, target=Target(kind=kind, value=value)))


def test_without_gold_answers_nothing_is_known(tmp_path: Path) -> None:
    out = run_of(tmp_path / "out", with_target(make_trace(1, 2), "math", None))
    with pytest.raises(UserMistake, match="expected problems with a gold answer or tests, found none"):
        judged(out)


def test_a_kind_without_rules_is_named(tmp_path: Path) -> None:
    odd = with_target(make_trace(1, 2), "countdown", "24")
    with pytest.raises(UserMistake, match=r"found none \(countdown: no rule for this kind\)"):
        judged(run_of(tmp_path / "out", odd))
    audited = judged(run_of(tmp_path / "both", odd, make_trace(2, 2)))
    assert audited.problems == 1
    assert facts(audited)["not_audited"] == {"countdown": 1}
    assert "countdown: 1 problems not audited: no rule for this kind" in describe(audited)


def test_errors_are_left_out_of_the_rates_and_abstentions_stay_in() -> None:
    audited, source = Audit(), Source(problem=make_problem())
    for outcome, number in zip(Outcome, (2, 5, 3, 4), strict=True):
        for _ in range(number):
            made = Made(rule="r", known=Known.WRONG, response="x")
            row = audited.add(source, made, make_verdict(outcome))
            assert (row is not None) == (outcome is Outcome.PASS)
    rate = audited.rate(Known.WRONG)
    assert (rate.mistakes, rate.judged, rate.abstained, rate.errors) == (2, 10, 3, 4)
    assert rate.value == 0.2
    assert rate.interval is not None
    assert rate.interval.low < 0.2 < rate.interval.high
    assert audited.rate(Known.RIGHT).value is None
    assert audited.failed is None
    assert "right answers that failed  unknown: none was judged" in describe(audited)


def test_a_verifier_that_only_breaks_has_failed() -> None:
    audited = Audit()
    made = Made(rule="r", known=Known.RIGHT, response="x")
    audited.add(Source(problem=make_problem()), made, make_verdict(Outcome.ERROR))
    assert audited.failed == "test"
    assert facts(audited)["right"]["rate"] is None
