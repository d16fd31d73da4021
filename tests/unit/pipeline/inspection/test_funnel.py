"""What the summary says of a run's losses, domains and verifiers."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.datasets.counts import Counts
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.tallies.domains import PassRate
from pipeline.datasets.tallies.verifier_work import (
    VerifierFigures,
    verdict_columns,
    verifier_figures,
    worst,
)
from pipeline.inspection.breakdown import breakdown_facts
from pipeline.inspection.facts import count_facts
from pipeline.inspection.funnel import funnel
from pipeline.inspection.terminal_report import summary
from tests.conftest import make_verdict
from tests.runs import make_trace
from verifiers import Outcome


def shown(counts: Counts) -> list[str]:
    folder = RunFolder(Path("runs/some"), {})
    folder.counts = counts
    return summary(folder).splitlines()


COUNTS = Counts(
    problems=23,
    rollouts=362,
    tokens=15843,
    kept=21,
    statuses=Counter(completed=349, truncated=13),
    verdicts=Counter({"pass": 27, "fail": 241, "abstain": 80}),
    dropped=Counter(
        truncated=13, failed=241, abstained=80, doubtful_prefix=2, duplicate=1, beyond_max=3
    ),
    reasons={"abstain": Counter({"no answer": 80})},
)


def test_each_stage_has_what_is_left_and_why_the_rest_is_lost() -> None:
    lines = shown(COUNTS)
    first = lines.index("rollouts   362, 15843 tokens")
    assert lines[first + 1 : first + 6] == [
        "completed  349 (96.4%); lost: 13 truncated",
        "judged     268 (74.0%); lost: 1 not_judged, 80 abstained",
        "           abstained 80: 80 x no answer",
        "passed     27 (7.5%); lost: 241 failed",
        "survivors  21 traces (5.8%); lost: 2 doubtful_prefix, 1 duplicate, 3 beyond_max",
    ]


def test_what_is_lost_adds_up_from_stage_to_stage() -> None:
    stages = funnel(COUNTS)
    for before, after in pairwise(stages):
        assert before.count - after.count == sum(after.lost.values()), after.stage
    assert [one["stage"] for one in count_facts(COUNTS)["funnel"]] == [one.stage for one in stages]


def test_a_loss_without_a_recorded_reason_is_not_left_out() -> None:
    kept = funnel(replace(COUNTS, dropped=Counter(beyond_max=4)))[-1]
    assert kept.lost == {"beyond_max": 4, "no_reason": 2}


def test_votes_judge_too_and_what_only_they_accept_is_lost_later() -> None:
    counts = Counts(
        rollouts=4,
        statuses=Counter(completed=4),
        votes=Counter({"pass": 3, "fail": 1}),
        dropped=Counter(majority_only=3, failed=1),
    )
    judged, passed, kept = funnel(counts)[2:]
    assert (judged.count, judged.lost, passed.count) == (4, {}, 3)
    assert (kept.count, kept.lost) == (0, {"majority_only": 3})
    assert "           4 by a majority vote: 3 pass, 1 fail, 0 abstain" in shown(counts)


def test_no_rollouts_have_no_fractions() -> None:
    assert [one.fraction for one in funnel(Counts())] == [None] * 5


def in_domain(name: str, *passed: bool) -> Counts:
    trace = make_trace(f"What of {name}?", "1", [(f"so {n}", one) for n, one in enumerate(passed)])
    return Counts.of(replace(trace, problem=replace(trace.problem, domain=name)))


def test_domains_have_their_pass_rates_the_largest_first() -> None:
    counts = in_domain("sums", True, False) + in_domain("sums", False, False) + in_domain("sets", True)
    sums, sets = breakdown_facts(counts)["domains"]
    assert (sums["domain"], sums["problems"], sums["right"], sums["not_right"]) == ("sums", 2, 1, 3)
    assert (sums["pass_rate"], sets["pass_rate"]) == (0.25, 1.0)
    assert sums["interval"][0] < 0.25 < sums["interval"][1] < 1 == sets["interval"][1]
    lines = [line for line in shown(counts) if " right  " in line]
    assert lines[0].startswith("domains    sums  25.0% (95% interval 2.")
    assert lines[1].endswith("1 problems  1 survivors")


def test_a_single_domain_has_the_rate_of_the_whole_run() -> None:
    lines = shown(in_domain("sums", True, False))
    assert not any(line.startswith("domains") for line in lines)
    (difficulty,) = [line for line in lines if line.startswith("difficulty")]
    assert "difficulty 50.0% (95% interval" in difficulty


def test_a_rate_of_nothing_is_unknown() -> None:
    assert PassRate.of(0, 0) is None


def judged(name: str, *seconds: float | None, outcome: Outcome = Outcome.PASS) -> Counts:
    counts = Counts()
    for one in seconds:
        verdict = replace(make_verdict(outcome), verifier=name, version="1", seconds=one)
        found = Counts(by_verifier={f"{name} 1": Counter(verdict_columns(verdict))})
        counts.add(found)
    return counts


def test_times_of_verdicts_add_up_where_they_are_known() -> None:
    counts = judged("math", *[0.002] * 18, 0.05, 2.0, None)
    (found,) = verifier_figures(counts.by_verifier)
    assert (found.verdicts, found.errors, found.p95_seconds) == (21, 0, 0.1)
    assert found.mean_seconds == pytest.approx((18 * 0.002 + 0.05 + 2.0) / 20)
    assert Counts.from_dict(counts.to_dict()) == counts
    assert (
        "verifiers  math 1  21 verdicts  0 errors (0.0%)  0 abstained  mean 104 ms, 95% within 100 ms"
        in (shown(counts))
    )


def test_unknown_and_very_long_times_are_not_0() -> None:
    (unknown,) = verifier_figures(judged("math", None).by_verifier)
    assert (unknown.mean_seconds, unknown.p95_seconds) == (None, None)
    assert any("time unknown" in line for line in shown(judged("math", None)))
    slow = judged("proofs", 100.0)
    assert any("mean 100 s, over 5% took more than 30 s" in line for line in shown(slow))


def test_the_flakiest_come_first_then_the_slowest_and_the_rest_is_named() -> None:
    counts = judged("breaks", 0.1, outcome=Outcome.ERROR) + judged("slow", 9.0)
    for number in range(9):
        counts.add(judged(f"quick{number}", 0.001 * (number + 1)))
    names = [one.verifier for one in worst(verifier_figures(counts.by_verifier), 8)]
    assert names[:3] == ["breaks 1", "slow 1", "quick8 1"]
    assert len(names) == 8
    assert "           and 3 more, which --json lists" in shown(counts)
    assert len(breakdown_facts(counts)["verifiers"]) == 11


def test_a_slow_verifier_is_seen_among_many_that_fail() -> None:
    figures = [
        VerifierFigures(
            verifier=f"v{n}",
            verdicts=10,
            errors=9 - n,
            abstentions=0,
            mean_seconds=0.1,
            p95_seconds=0.1,
        )
        for n in range(9)
    ]
    figures.append(replace(figures[0], verifier="slow", errors=0, mean_seconds=9.0))
    assert [one.verifier for one in worst(figures, 4)] == ["v0", "v1", "v2", "slow"]


def test_runs_of_earlier_versions_have_no_lines_of_them() -> None:
    assert not any(line.startswith(("domains", "verifiers")) for line in shown(COUNTS))
