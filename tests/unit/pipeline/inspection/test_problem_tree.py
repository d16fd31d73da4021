"""`berry show OUT PROBLEM_ID`: a tree that can be read, whatever is in it."""

import io
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from pipeline.cli.app import berry, complain
from pipeline.datasets.reader import RunReader
from pipeline.inspection.facts import tree_facts
from pipeline.inspection.plain_text import visible
from pipeline.inspection.problem_tree import problem_tree
from pipeline.prune import PruneConfig, Pruner
from pipeline.records import Problem, Trace, trajectories
from pipeline.tree import ROOT, Tree
from tests.conftest import make_rollout, make_verdict
from tests.runs import write_run
from tests.viewer_runs import HOSTILE, hostile_trace, large_trace
from verifiers import Outcome, Target


def grown(rollouts: list[tuple[list[int], int]]) -> Trace:
    """A tree of rollouts, each by the path to the node at which it starts (places among children) and
    its number of steps; every other one passes."""
    tree = Tree((7, 8), "a deep one")
    for number, (start, steps) in enumerate(rollouts):
        at = ROOT
        for place in start:
            at = tree.children(at)[place]
        texts = [f"Step {step} of rollout {number}, in words.\n" for step in range(steps)]
        leaf = tree.add(at, tree.reserve(at, 1), make_rollout(*texts, logprob=-0.5))
        tree.judge(leaf, make_verdict(Outcome.FAIL if number % 2 else Outcome.PASS))
    tree = tree.sorted()
    found = trajectories(tree)
    return Trace(
        problem=Problem.create(
            prompt="a deep one", target=Target(kind="math", value="1"), source="file", source_id="x"
        ),
        seed=1,
        tree=tree,
        trajectories=found,
        decisions=Pruner(PruneConfig()).prune(found, tree),
    )


def drawn(path: Path, trace: Trace, *, whole: bool = False, width: int = 100) -> list[str]:
    reader = RunReader.open(write_run(path, [trace]))
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(problem_tree(reader, trace.problem.id, whole=whole))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("steps", [40, 300])
def test_a_long_response_stays_on_the_screen(tmp_path: Path, steps: int) -> None:
    lines = drawn(tmp_path, grown([([], steps), ([], 2)]))
    for step in range(steps):
        (line,) = [one for one in lines if f"Step {step} of rollout 0" in one]
        assert line.endswith(f"1/1 15-100% Step {step} of rollout 0, in words.")
        assert len(line) < 60


def test_branches_show_where_they_begin(tmp_path: Path) -> None:
    lines = drawn(tmp_path, grown([([], 3), ([0], 1), ([], 1)]))
    assert [line.rstrip() for line in lines] == [
        "a deep one",
        f"gold: 1   id: {grown([]).problem.id}   source_id: x",
        "3 responses: 2 passed, 2 kept",
        "1/3 4-82%: 1 of 3 judged rollouts through the step passed; 95% interval",
        "├── 1/2 6-94% Step 0 of rollout 0, in words.",
        "│   ├── 1/1 15-100% Step 1 of rollout 0, in words.",
        "│   │   1/1 15-100% Step 2 of rollout 0, in words.",
        "│   │       pass: test (kept; all steps right: 91%; leaf 3)",
        "│   └── 0/1 0-85% Step 0 of rollout 1, in words.",
        "│           fail: test (dropped: failed; wrong from step 2 of 2 (95%); leaf 4)",
        "└── 1/1 15-100% Step 0 of rollout 2, in words.",
        "        pass: test (kept; all steps right: 98%; leaf 5)",
    ]


def test_many_levels_of_branches_keep_their_room(tmp_path: Path) -> None:
    rollouts: list[tuple[list[int], int]] = [([], 30)]
    rollouts += [([0] * depth, 2) for depth in range(1, 28)]
    lines = drawn(tmp_path, grown(rollouts), whole=True)
    assert any("after 'Step 12 of rollout 0, in words.':" in line for line in lines)
    assert sum("in words." in line for line in lines) >= 30 + 2 * 27
    assert all("Step" in line for line in lines if "1/1" in line)


def test_a_large_tree_is_folded_with_what_came_of_the_others(tmp_path: Path) -> None:
    lines = drawn(tmp_path, large_trace(40, 5))
    assert len(lines) < 60
    assert sum(" other" in line and "passed" in line for line in lines) >= 2
    assert "are folded; --all shows them" in lines[-1]


def test_a_terminal_obeys_nothing_of_what_is_shown(tmp_path: Path) -> None:
    trace = hostile_trace()
    lines = drawn(tmp_path, trace)
    shown = ["\n".join(lines)]
    for rest in (
        [],
        [trace.problem.id],
        *([trace.problem.id, f"--{how}", "2"] for how in ("path", "why")),
    ):
        done = CliRunner().invoke(berry, ["show", str(tmp_path), *rest], color=True)
        assert done.exit_code == 0, done.exception
        shown.append(done.output)
    for text in shown:
        assert not set(text) & set("\x00\x1b\u202e")
        assert "\\x1b[31m" in text or "<img" in text
    assert visible(HOSTILE) in shown[3]


def test_errors_do_not_reach_the_terminal_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert complain("no run \x1b]0;title\x07 \udcff here", 2) == 2
    assert capsys.readouterr().err == "berry: no run \\x1b]0;title\\x07 \\udcff here\n"


def test_nodes_have_their_intervals_as_json(tmp_path: Path) -> None:
    trace = grown([([], 2), ([0], 1)])
    facts = tree_facts(RunReader.open(write_run(tmp_path, [trace])), trace.problem.id)
    first = facts["nodes"][1]
    assert (first["passes"], first["trials"]) == (1, 2)
    assert (round(first["low"], 3), round(first["high"], 3)) == (0.061, 0.939)


@pytest.mark.parametrize("text", ["plain", "lines\nand\ttabs", "ü 漢字 🙂", "‏שלום"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert visible(text) == text
