"""Figures on flat columns are those of plain Python on restored traces."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.datasets.counts import pass_rate_range
from pipeline.datasets.reader import RunReader
from pipeline.evaluation.curves import accuracy_curves
from pipeline.evaluation.design import Design, design_of
from pipeline.evaluation.samples import Samples
from pipeline.inspection.report.trees.coverage import coverage
from pipeline.inspection.report.trees.flat_trees import FlatTrees
from pipeline.inspection.report.trees.tally import TreeTally
from pipeline.labels.outcomes import has_gold, sample_outcome
from pipeline.records import Trace
from pipeline.tree import ROOT, Finish, Tree
from reward_models.evaluation.choosing import Sample
from tests.unit.pipeline.inspection.report.grown_run import grown_trace, write_grown

NUM = 40


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> RunReader:
    traces = [grown_trace(number, gold="" if number % 9 == 8 else "7") for number in range(NUM)]
    return RunReader.open(write_grown(tmp_path_factory.mktemp("run") / "run", traces))


@pytest.fixture(scope="module")
def traces(reader: RunReader) -> list[Trace]:
    return list(reader.traces())


def tally_of(reader: RunReader, *, truncated_fails: bool = False) -> TreeTally:
    tally = TreeTally(design=design_of(reader.folder), truncated_fails=truncated_fails)
    for part in reader.parts:
        tally.add(FlatTrees.read(reader, part))
    return tally


def test_each_node_has_its_rollout(reader: RunReader) -> None:
    for part in reader.parts:
        trees, base = FlatTrees.read(reader, part), 0
        for trace in reader.traces(part):
            tree = trace.tree
            leaves = trees.leaf[base + 1 : base + len(tree)] - base
            assert leaves.tolist() == [tree.leaf_of(node.id) for node in tree.nodes[1:]]
            starts = {tree.rollout(one)[0].id for one in map(tree.leaf_of, range(1, len(tree)))}
            assert set(np.flatnonzero(trees.begins[base : base + len(tree)])) == starts
            base += len(tree)
        assert base == len(trees.leaf)


def rollouts(tree: Tree) -> Iterator[tuple[int, int]]:
    """The node at which each rollout starts, and its leaf."""
    for node in tree.nodes[1:]:
        if node.finish is not None:
            start = tree.rollout(node.id)[0].parent
            assert start is not None
            yield start, node.id


@pytest.mark.parametrize("truncated_fails", [False, True])
def test_depths_and_labels(reader: RunReader, traces: list[Trace], truncated_fails: bool) -> None:
    tally = tally_of(reader, truncated_fails=truncated_fails)
    labels, started, passed, steps = Counter[tuple[int, int, int]](), Counter[int](), Counter[int](), 0
    for trace in traces:
        tree = trace.tree
        from_here = dict[int, list[bool]]()
        stopped = set[int]()
        for start, leaf in rollouts(tree):
            depth = tree.nodes[start].step
            started[depth] += 1
            outcome, finish = tree.passed(leaf), tree.nodes[leaf].finish
            passed[depth] += outcome is True
            if finish is Finish.LENGTH and truncated_fails:
                outcome = False
            if outcome is not None:
                from_here.setdefault(start, []).append(outcome)
            if finish in (Finish.PRUNED, Finish.STEP):
                stopped.add(start)
        for node in tree.nodes[1:]:
            steps += node.finish is None
            if node.finish is None and node.id in from_here and node.id not in stopped:
                found = from_here[node.id]
                labels[node.step, len(found), sum(found)] += 1
    assert tally.labels == labels
    assert {depth: one.rollouts for depth, one in tally.depths.items() if one.rollouts} == started
    assert {depth: one.passed for depth, one in tally.depths.items() if one.passed} == +passed
    assert sum(one.steps for one in tally.depths.values()) == steps
    assert labels.total() > 20


def test_coverage_is_that_of_an_evaluation(reader: RunReader, traces: list[Trace]) -> None:
    tally, design = tally_of(reader), design_of(reader.folder)
    found, incomplete = [], 0
    for trace in traces:
        if not has_gold(trace):
            continue
        leaves = design.samples(trace.tree)
        if leaves is None:
            incomplete += 1
            continue
        outcomes = [sample_outcome(trace.tree, leaf) for leaf in leaves]
        known = tuple(
            Sample(right=right, answer=None, is_complete=True)
            for right in outcomes
            if right is not None
        )
        found.append(
            Samples(problem_id=trace.problem.id, known=known, num_unknown=len(outcomes) - len(known))
        )
    assert tally.incomplete == incomplete > 0
    assert tally.without_gold == sum(not has_gold(trace) for trace in traces) > 0
    assert tally.samples == Counter(
        (len(one.known), sum(sample.right for sample in one.known)) for one in found
    )
    curve = coverage(tally.samples, seed=0)
    expected = accuracy_curves(found, ["pass@k"], [one.k for one in curve], seed=0)
    assert [one.value for one in curve] == pytest.approx([one.accuracy for one in expected])
    assert [one.problems for one in curve] == [one.num_problems for one in expected]
    for mine, evaluated in zip(curve, expected, strict=True):
        assert evaluated.interval is not None
        # Two sets of a thousand draws.
        assert (mine.low, mine.high) == pytest.approx(evaluated.interval, abs=0.05)


def test_samples_cut_by_a_budget_leave_their_problem_out(reader: RunReader) -> None:
    design = Design(num_samples=4, cut_below=10_000)
    tally = TreeTally(design=design, truncated_fails=False)
    for part in reader.parts:
        tally.add(FlatTrees.read(reader, part))
    expected = sum(
        has_gold(trace) and design.samples(trace.tree) is not None for trace in reader.traces()
    )
    assert sum(tally.samples.values()) == expected > 0
    assert expected < sum(tally_of(reader).samples.values())


def test_effort_by_pass_rate(reader: RunReader, traces: list[Trace]) -> None:
    expected: dict[str, Counter[str]] = {}
    with_pass = 0
    for trace in traces:
        with_pass += any(trace.tree.passed(one.leaf) for one in trace.trajectories)
        outcomes = [sample_outcome(trace.tree, one.leaf) for one in trace.trajectories]
        known = [one for one in outcomes if one is not None]
        if known and has_gold(trace):
            at = expected.setdefault(pass_rate_range(sum(known), len(known)), Counter())
            at.update(problems=1, rollouts=len(trace.trajectories), kept=len(trace.kept))
    tally = tally_of(reader)
    assert tally.with_pass == with_pass
    assert {name: +one for name, one in tally.effort.items()} == {
        name: +one for name, one in expected.items()
    }
    assert len(expected) > 3


def test_lengths_by_fate(reader: RunReader, traces: list[Trace]) -> None:
    tally = tally_of(reader)
    kept = Counter(one.num_tokens for trace in traces for one in trace.kept)
    assert tally.tokens["kept"] == kept
    passed = sum(trace.tree.passed(one.leaf) is True for trace in traces for one in trace.trajectories)
    assert tally.tokens["passed, dropped"].total() == passed - kept.total() > 0
    truncated = [
        trace.tree.nodes[one.leaf].step
        for trace in traces
        for one in trace.trajectories
        if one.status == "truncated"
    ]
    assert tally.steps["truncated"] == Counter(truncated)


def test_scores_meet_their_outcomes(reader: RunReader, traces: list[Trace]) -> None:
    tally = tally_of(reader)
    pairs = [
        (trace.tree.outcome_scores[one.leaf], sample_outcome(trace.tree, one.leaf))
        for trace in traces
        for one in trace.trajectories
        if one.leaf in trace.tree.outcome_scores
    ]
    known = [(score, right) for score, right in pairs if right is not None]
    assert tally.response_scores.trials.sum() == len(known)
    assert tally.response_scores.passes.sum() == sum(right for _, right in known)
    squared = sum((score - right) ** 2 for score, right in known)
    assert tally.response_scores.squared == pytest.approx(squared, rel=1e-5)
    assert tally.step_scores.trials.sum() == sum(
        trials * number for (_, trials, _), number in tally.labels.items()
    )


def test_certainty_of_survivors(reader: RunReader, traces: list[Trace]) -> None:
    known = [
        min(9, int(10 * decision.p_correct))
        for trace in traces
        for decision in trace.decisions
        if decision.kept and decision.p_correct is not None
    ]
    assert tally_of(reader).certainty == Counter(known)
    assert known


def test_a_tree_of_only_a_root_counts_nothing(tmp_path: Path) -> None:
    tree = Tree((1,), "nothing")
    assert tree.children(ROOT) == []
    trace = grown_trace(1)
    empty = Trace(problem=trace.problem, seed=1, tree=tree, trajectories=(), decisions=(), failures=())
    reader = RunReader.open(write_grown(tmp_path / "run", [empty]))
    tally = tally_of(reader)
    assert not tally.depths
    assert (tally.incomplete, tally.with_pass) == (1, 0)
