"""`berry show OUT PROBLEM_ID`: large trees fold, and a response shows what decided about it."""

import json
from pathlib import Path

import pytest

from pipeline.records import Problem, Trace
from tests.conftest import Berry
from tests.runs import make_trace, write_run

FEW = make_trace("few", "7", [("so 7", True), ("so 8", False), ("so 7", True)])
MANY = make_trace("many", "3", [(f"it is {n}", n == 40) for n in range(80)])


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", [FEW, MANY])


def lines(here: Berry, out: Path, trace: Trace, *arguments: object) -> str:
    problem: Problem = trace.problem
    done = here("show", out, problem.id, *arguments)
    assert done.returncode == 0, done.stderr
    return " ".join(done.stdout.replace("│", " ").split())


def test_a_large_tree_folds_to_its_best_response(here: Berry, out: Path) -> None:
    folded = lines(here, out, MANY)
    assert "it is 40" in folded
    assert "it is 39" not in folded
    assert "79 others: 0 of 79 passed" in folded
    assert "79 nodes are folded; --all shows them" in folded
    whole = lines(here, out, MANY, "--all")
    assert all(f"it is {n}" in whole for n in range(80))
    assert "others" not in whole
    assert "others" not in lines(here, out, FEW)


def test_what_decided_about_a_response_in_order(here: Berry, out: Path) -> None:
    right, wrong, again = (one.leaf for one in FEW.trajectories)
    kept = here("show", out, FEW.problem.id, "--why", right).stdout.splitlines()
    begins = ["sampled", "ended", "judged", "labelled", "kept"]
    assert [line.split()[0] for line in kept] == begins
    assert kept[0].endswith("by test-1 from the prompt, 4 tokens in all")
    assert kept[2] == "judged     pass by test 1: test"
    dropped = here("show", out, FEW.problem.id, "--why", wrong).stdout
    assert "dropped    by failed: failed" in dropped
    copy = here("show", out, FEW.problem.id, "--why", again).stdout
    assert f"dropped    by duplicate: the same text as leaf {right}" in copy


def test_a_whole_response_step_by_step(here: Berry, out: Path) -> None:
    leaf = FEW.trajectories[1].leaf
    shown = here("show", out, FEW.problem.id, "--path", leaf).stdout
    assert shown.startswith("few\n")
    assert f"--- step 1, node {leaf}: 4 tokens, log-probability -0.50, 0 of 1 rollouts" in shown
    assert "\nso 8\n---\nsampled" in shown
    found = json.loads(here("show", out, FEW.problem.id, "--path", leaf, "--json").stdout)
    assert (found["response"], found["kept"], found["decided_by"]) == ("so 8", False, "failed")
    assert [step["text"] for step in found["steps"]] == ["so 8"]
    assert found["verdict"]["outcome"] == "fail"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([FEW.problem.id, "--why", 99], "expected the leaf of a response to problem"),
        (["--path", 1], "--path and --why: expected a PROBLEM_ID with them"),
    ],
)
def test_mistakes_are_one_line(here: Berry, out: Path, arguments: list[object], message: str) -> None:
    done = here("show", out, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
