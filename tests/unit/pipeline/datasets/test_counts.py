"""Reasons of verdicts that are no trials: counted by name, within bounds."""

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pipeline.datasets.counts import OTHER, Counts
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
    counts = Counts.of(trace)
    assert counts.most_common("error") == [("KeyError: 'x'", 2), ("took too long", 1)]
    assert counts.most_common("abstain") == [("no answer", 1)]
    assert counts.most_common("unscored") == [("reward model prm: gone", 1)]
    assert counts.most_common("fail") == []
    assert counts.to_dict(reasons=False)["verdict.error"] == 3


def test_zeros_stay_in_the_counts() -> None:
    assert Counts.of(make_trace((Outcome.ERROR, "x"))).to_dict()["problems_failed"] == 0


@given(st.lists(st.tuples(st.sampled_from("error abstain".split()), st.integers(0, 300)), max_size=400))
def test_the_number_of_reasons_is_bounded_and_none_is_lost(
    given_reasons: list[tuple[str, int]],
) -> None:
    counts, exact = Counts(rollouts=7), Counter[str]()
    for kind, number in given_reasons:
        counts.add(Counts.of(make_trace((Outcome(kind), f"reason {number}"))))
        exact[kind] += 1
    assert counts.rollouts == 7 + len(given_reasons)
    assert all(len(texts) <= 41 for texts in counts.reasons.values())
    for kind, total in exact.items():
        assert counts.reasons[kind].total() == total
    assert all(text != OTHER for text, _ in counts.most_common("error", 100))


def test_what_is_common_survives_what_is_rare() -> None:
    counts = Counts()
    for number in range(200):
        rare, often = (Outcome.ERROR, f"rare {number}"), (Outcome.ERROR, "often")
        counts.add(Counts.of(make_trace(rare, often)))
    assert counts.most_common("error")[0] == ("often", 200)


COUNTS = st.builds(
    Counts,
    problems=st.integers(0, 9),
    unscored=st.integers(0, 9),
    verdicts=st.dictionaries(st.sampled_from(["pass", "fail"]), st.integers(1, 9)).map(Counter),
    dropped=st.dictionaries(st.sampled_from(["failed", "a.b"]), st.integers(1, 9)).map(Counter),
    reasons=st.dictionaries(
        st.sampled_from(["error", "failed"]),
        st.dictionaries(st.text(max_size=5), st.integers(1, 9), min_size=1).map(Counter),
    ),
)


@given(COUNTS)
def test_the_flat_form_gives_the_counts_back(counts: Counts) -> None:
    assert Counts.from_dict(counts.to_dict()) == counts
    without = counts.to_dict(reasons=False)
    assert not any(key.startswith("reason") for key in without)


@given(COUNTS, COUNTS)
def test_counts_add_up_key_by_key(one: Counts, other: Counts) -> None:
    flat = Counter(one.to_dict(reasons=False))
    flat.update(other.to_dict(reasons=False))
    total = one + other
    assert total.to_dict(reasons=False) == dict(flat)
    for kind in total.reasons:
        parts = [counts.reasons.get(kind, Counter[str]()).total() for counts in (one, other)]
        assert total.reasons[kind].total() == sum(parts)


def test_keys_of_other_versions_are_left_out() -> None:
    assert Counts.from_dict({"problems": 2, "something_new": 3, "status": 1}) == Counts(problems=2)


@given(st.lists(st.tuples(st.integers(0, 90), st.integers(1, 9)), max_size=150))
def test_the_number_of_domains_is_bounded_and_none_is_lost(rows: list[tuple[int, int]]) -> None:
    counts, total = Counts(), Counter[str]()
    for name, number in rows:
        columns = Counter(problems=number, kept=1)
        counts.add(Counts(by_domain={f"domain.{name}": columns}))
        total.update(columns)
    assert len(counts.by_domain) <= 40
    assert sum(counts.by_domain.values(), Counter[str]()) == total
    assert Counts.from_dict(counts.to_dict()) == counts


def test_tables_are_left_out_with_the_reasons() -> None:
    counts = Counts.of(make_trace((Outcome.PASS, "equal")))
    assert counts.by_domain["math"]["problems"] == 1
    assert counts.by_verifier
    assert not any(key.startswith("by_") for key in counts.to_dict(reasons=False))
