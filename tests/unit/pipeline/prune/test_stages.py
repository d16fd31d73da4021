"""Reasons for dropping: in the summary's order, and as earlier versions named them."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipeline.datasets.counts import Counts
from pipeline.datasets.encoded import EncodedTrace, decode
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.views.trees import read_trace
from pipeline.inspection.terminal_report import summary
from pipeline.prune import PruneConfig, Pruner
from pipeline.records import Stage, Trace, trajectories
from pipeline.tree import ROOT, Finish, Tree
from tests.conftest import make_problem, make_rollout, make_verdict
from verifiers import Outcome


def read_again(finish: Finish, outcome: Outcome | None, **stored: Any) -> Trace:
    """Of one trajectory, with these columns stored instead of today's."""
    tree = Tree([1], "?")
    leaf = tree.add(ROOT, 0, make_rollout("x", finish=finish))
    if outcome is not None:
        tree.judge(leaf, make_verdict(outcome))
    found = trajectories(tree)
    trace = Trace(
        problem=make_problem(),
        seed=0,
        tree=tree,
        trajectories=found,
        decisions=Pruner(PruneConfig()).prune(found, tree),
    )
    (row,) = decode("trees", [EncodedTrace.of(trace)]).to_pylist()
    row["trajectories"][0] |= stored
    return read_trace(row)


@pytest.mark.parametrize(
    ("finish", "outcome", "decided_by", "reason", "stage"),
    [
        (Finish.STOP, Outcome.PASS, "duplicate", "passed every rule", None),
        (Finish.STOP, Outcome.PASS, "beyond_max", "passed every rule", None),
        (Finish.STOP, Outcome.FAIL, "unverified", "fail", Stage.FAILED),
        (Finish.STOP, Outcome.ABSTAIN, "unverified", "abstain", Stage.ABSTAINED),
        (Finish.STOP, Outcome.ERROR, "unverified", "error", Stage.VERIFIER_ERROR),
        (Finish.ABORT, None, "unverified", "error", Stage.ENGINE_ERROR),
        (Finish.LENGTH, None, "unverified", "truncated", Stage.TRUNCATED),
        (Finish.STEP, None, "unverified", "unfinished", Stage.UNFINISHED),
        (Finish.STOP, None, "unverified", "not judged", Stage.NOT_JUDGED),
        (Finish.STOP, Outcome.PASS, "unverified", "majority vote only", Stage.MAJORITY_ONLY),
        (Finish.PRUNED, None, "branch", "pruned midway, score 0.1", Stage.PRUNED),
    ],
)
def test_decisions_of_earlier_versions_get_todays_names(
    finish: Finish, outcome: Outcome | None, decided_by: str, reason: str, stage: Stage | None
) -> None:
    kept = stage is None
    trace = read_again(finish, outcome, decided_by=decided_by, decision=reason, kept=kept)
    (decision,) = trace.decisions
    assert (decision.stage, decision.reason, decision.kept) == (stage, reason, kept)


def test_a_kept_row_has_no_rule_that_decided() -> None:
    (decision,) = read_again(Finish.STOP, Outcome.PASS).decisions
    assert decision.stage is None


def test_the_summary_names_what_was_dropped_in_the_order_of_the_rules() -> None:
    folder = RunFolder(Path("runs/some"), {})
    given = {"unverified": 1, "beyond_max": 2, "near_duplicate": 3, "failed": 4, "truncated": 5}
    folder.counts = Counts(kept=6, dropped=Counter(given), verdicts=Counter({"pass": 11, "fail": 4}))
    assert "survivors  6 traces; lost: 3 near_duplicate, 2 beyond_max" in summary(folder).splitlines()


@pytest.mark.parametrize(
    ("outcome", "reason", "no_answer"),
    [
        (Outcome.ABSTAIN, "the response states no answer", True),
        (Outcome.ABSTAIN, "math: the response states no answer", True),
        (Outcome.ABSTAIN, "multiple_choice: the response names A and B", True),
        (Outcome.ABSTAIN, "the answer repeats the question", True),
        (Outcome.ABSTAIN, "equal, but the question asks for a decimal number", True),
        (Outcome.ABSTAIN, "cannot be read: '\"' does not fit there", False),
        (Outcome.ABSTAIN, "the judge says ABSTAIN", False),
        (Outcome.FAIL, "another number", False),
    ],
)
def test_earlier_versions_said_by_the_reason_that_there_is_no_answer(
    outcome: Outcome, reason: str, no_answer: bool
) -> None:
    trace = read_again(Finish.STOP, outcome, no_answer=None, reason=reason)
    (verdict,) = trace.tree.verdicts.values()
    assert verdict.no_answer is no_answer
