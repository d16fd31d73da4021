"""Sample problems: of every kind, the same however parts were merged, and folded if large."""

from pathlib import Path

from pipeline.datasets.reader import RunReader
from pipeline.inspection.report.choice import NUM_SAMPLES, Choice, Kind
from pipeline.inspection.report.samples import Sample, read_samples
from pipeline.inspection.report.trees.flat_trees import FlatTrees
from pipeline.labels.step_labels import DEFAULT, label_tree
from pipeline.records import Decision, Trace, trajectories
from pipeline.tree import ROOT, Tree
from tests.conftest import make_rollout, make_verdict
from tests.runs import make_trace, write_run
from tests.unit.pipeline.inspection.report.grown_run import grown_trace
from verifiers import Outcome


def samples_of(path: Path) -> tuple[list[Sample], Choice]:
    reader, choice = RunReader.open(path), Choice()
    for part in reader.parts:
        choice.add(part, FlatTrees.read(reader, part))
    damage: list[str] = []
    found = read_samples(reader, choice, DEFAULT, damage)
    assert not damage
    return found, choice


def test_every_kind_has_samples(tmp_path: Path) -> None:
    traces = [grown_trace(number) for number in range(60)]
    traces += [make_trace(f"easy {n}", "3", [("3", True), ("3!", True)]) for n in range(9)]
    traces += [make_trace(f"hard {n}", "3", [("4", False)]) for n in range(9)]
    one, choice = samples_of(write_run(tmp_path / "one", traces, per_part=5))
    other, _ = samples_of(write_run(tmp_path / "other", traces[::-1], per_part=50))
    assert one == other
    assert len(one) == NUM_SAMPLES == len({sample.problem_id for sample in one})
    assert sum(choice.numbers.values()) == len(traces)
    for kind in (Kind.ERRORS, Kind.KEPT, Kind.UNSOLVED):
        assert sum(sample.kind is kind for sample in one) >= 3, kind
    assert all(sample.num_kept == 0 for sample in one if sample.kind is Kind.UNSOLVED)
    assert all(sample.num_kept > 0 for sample in one if sample.kind is Kind.KEPT)


def test_few_problems_are_all_samples(tmp_path: Path) -> None:
    traces = [make_trace(f"p {n}", "3", [("3", True)]) for n in range(3)]
    found, _ = samples_of(write_run(tmp_path / "run", traces))
    assert {sample.prompt for sample in found} == {"p 0", "p 1", "p 2"}


def test_lines_say_what_the_tree_says(tmp_path: Path) -> None:
    trace = grown_trace(3)
    (found,), _ = samples_of(write_run(tmp_path / "run", [trace]))
    tree = trace.tree
    assert [one.node for one in found.lines] == [node.id for node in tree.nodes[1:]]
    labels = {}
    for labelled in label_tree(tree, DEFAULT):
        for node, label in zip(tree.path(labelled.leaf)[1:], labelled.steps, strict=True):
            labels[node.id] = label
    decisions = {one.leaf: one for one in trace.decisions}
    for line in found.lines:
        assert line.node is not None
        stats = tree.stats[line.node]
        assert (line.text, line.passes, line.trials) == (
            tree.nodes[line.node].text,
            stats.passes,
            stats.trials,
        )
        assert line.label == labels[line.node]
        assert (line.ending is not None) == (line.node in decisions)
        if line.ending is not None and not decisions[line.node].kept:
            assert line.ending.fate.startswith(f"dropped: {decisions[line.node].reason}")


def large_trace(rollouts: int, steps: int, doubted: int | None = None) -> Trace:
    """A tree of whole rollouts that are all kept, of which one passed and one may be doubted."""
    tree = Tree((1,), "large")
    for number in range(rollouts):
        rollout = make_rollout(*(f"{number} {step}" for step in range(steps)), logprob=-0.5)
        leaf = tree.add(ROOT, tree.reserve(ROOT, 1), rollout)
        tree.judge(leaf, make_verdict(Outcome.PASS if number == 5 else Outcome.FAIL))
    tree = tree.sorted()
    small = make_trace("large", "3", [])
    return Trace(
        problem=small.problem,
        seed=1,
        tree=tree,
        trajectories=trajectories(tree),
        decisions=tuple(
            Decision(leaf=one.leaf, stage=None, reason="", p_correct=0.3 if place == doubted else 0.9)
            for place, one in enumerate(trajectories(tree))
        ),
    )


def test_a_large_tree_is_folded_to_its_best_path(tmp_path: Path) -> None:
    (found,), _ = samples_of(write_run(tmp_path / "run", [large_trace(30, 10)]))
    assert found.num_nodes == 300
    assert found.lines[0].text == "29 others: 0 of 29 passed"
    assert len([one for one in found.lines if one.node is not None]) == 10


def test_a_doubtful_problem_is_folded_to_the_survivor_that_is_in_doubt(tmp_path: Path) -> None:
    (found,), _ = samples_of(write_run(tmp_path / "run", [large_trace(30, 10, doubted=7)]))
    assert found.kind is Kind.DOUBTFUL
    assert {one.text.split()[0] for one in found.lines if one.node is not None} == {"7"}


def test_the_middle_of_a_long_path_is_left_out(tmp_path: Path) -> None:
    (found,), _ = samples_of(write_run(tmp_path / "run", [large_trace(2, 500)]))
    (note,) = [one for one in found.lines if "left out" in one.text]
    shown = sum(one.node is not None for one in found.lines)
    assert note.text == f"{500 - shown} steps left out"
    assert found.lines[-1].ending is not None
