"""Reasons of verdicts that are no trials: counted by name, within bounds."""

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pipeline.datasets.reasons import OTHER, commonest, count_reasons, trim, without_reasons
from pipeline.datasets.views import count
from pipeline.records import Trace, trajectories
from pipeline.tree import ROOT, Tree
from tests.conftest import make_problem, make_rollout, make_verdict
from verifiers import Outcome


def make_trace(*verdicts: tuple[Outcome, str], warnings: tuple[str, ...] = ()) -> Trace:
    tree = Tree((1,), "?")
    for outcome, reason in verdicts:
        leaf = tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout("x"))
        tree.judge(leaf, replace(make_verdict(outcome), reason=reason))
    return Trace(
        problem=make_problem(), seed=0, tree=tree, trajectories=trajectories(tree), warnings=warnings
    )


def test_reasons_of_errors_and_abstentions_are_counted_and_no_others() -> None:
    trace = make_trace(
        (Outcome.ERROR, "KeyError: 'x'"),
        (Outcome.ERROR, "KeyError: 'x'"),
        (Outcome.ERROR, "took too\nlong"),
        (Outcome.ABSTAIN, "no answer"),
        (Outcome.FAIL, "another number"),
        (Outcome.PASS, "equal"),
        warnings=("reward model prm: gone",),
    )
    counts = count(trace)
    assert commonest(counts, "error") == [("KeyError: 'x'", 2), ("took too long", 1)]
    assert commonest(counts, "abstain") == [("no answer", 1)]
    assert commonest(counts, "unscored") == [("reward model prm: gone", 1)]
    assert commonest(counts, "fail") == []
    assert not any("reason" in key for key in without_reasons(counts))
    assert without_reasons(counts)["verdict.error"] == 3


def test_zeros_stay_in_the_counts() -> None:
    assert count(make_trace((Outcome.ERROR, "x")))["problems_failed"] == 0
    assert "problems_failed" in count(make_trace((Outcome.ERROR, "x")))


@given(st.lists(st.tuples(st.sampled_from("error abstain".split()), st.integers(0, 300)), max_size=400))
def test_however_many_reasons_there_are_their_number_is_bounded_and_none_is_lost(
    told: list[tuple[str, int]],
) -> None:
    counts, exact = Counter[str](rollouts=7), Counter[str]()
    for kind, number in told:
        counts.update(count_reasons(make_trace((Outcome(kind), f"reason {number}"))))
        exact[kind] += 1
        trim(counts)
    assert counts["rollouts"] == 7
    assert len(counts) <= 1 + 2 * 41
    for kind, total in exact.items():
        assert sum(n for key, n in counts.items() if key.startswith(f"reason.{kind}.")) == total
    assert all(text != OTHER for text, _ in commonest(counts, "error", 100))


def test_what_is_common_survives_what_is_rare() -> None:
    counts = Counter[str]()
    for number in range(200):
        rare, often = (Outcome.ERROR, f"rare {number}"), (Outcome.ERROR, "often")
        counts.update(count_reasons(make_trace(rare, often)))
        trim(counts)
    assert commonest(counts, "error")[0] == ("often", 200)
