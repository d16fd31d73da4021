"""The dataset card: what it says of the data, and what a user's edits survive."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from pipeline.datasets.card import CardError, render_card, renew_card, split_card
from pipeline.datasets.counts import Counts
from pipeline.datasets.encoded import EncodedTrace, decode
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.views.table import VIEWS
from pipeline.prune import PruneConfig, Pruner
from pipeline.records import Trace, trajectories
from pipeline.tree import ROOT, Tree
from tests.conftest import make_problem, make_rollout, make_verdict
from tests.runs import commit_tables
from tests.unit.pipeline.datasets.test_reader import RUN
from verifiers import Outcome

VIEWS_STORED = ("trees", "traces")


def make_trace(number: int, num_right: int) -> Trace:
    """Four responses, the first of which are right."""
    tree = Tree((1, 2), "ask", number)
    for slot in range(4):
        leaf = tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout(f"so {slot} | it is {number}"))
        outcome = Outcome.PASS if slot < num_right else Outcome.FAIL
        tree.judge(leaf, replace(make_verdict(outcome), reason="compared"))
    found = trajectories(tree)
    decisions = Pruner(PruneConfig(max_per_problem=2)).prune(found, tree)
    problem = make_problem(f"What is {number}?", str(number))
    return Trace(problem=problem, seed=number, tree=tree, trajectories=found, decisions=decisions)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    config = RUN["config"] | {"dataset": {"views": ["traces"]}}
    made = RunFolder.claim(tmp_path / "out", RUN | {"config": config})
    traces = [make_trace(number, number) for number in range(5)]
    done = [EncodedTrace.of(trace, views=VIEWS_STORED) for trace in traces]
    counts = sum((one.counts for one in done), Counts())
    tables = {view: decode(view, done) for view in VIEWS_STORED}
    commit_tables(made, 0, [trace.problem.id for trace in traces], tables, counts)
    made.finish({"problems": 5})
    made.close()
    return RunFolder.read(tmp_path / "out")


def test_it_says_what_was_dropped_and_how_hard_the_problems_are(folder: RunFolder) -> None:
    card = render_card(folder)
    assert f"| {folder.counts.kept} | kept |" in card
    assert "| 10 | `failed` | the verifier judged the answer wrong |" in card
    assert "| pass | 10 (50.0%) |" in card
    histogram = card.split("## Pass rates of the problems")[1].split("```")[1]
    assert [line.split()[-1] for line in histogram.strip().splitlines()] == [
        "1",
        "0",
        "1",
        "1",
        "1",
        "0",
        "1",
    ]
    assert card.count("```json") == 3
    for view in VIEWS_STORED:
        for name in VIEWS[view].schema.names:
            assert f"| `{name}` |" in card


def test_licences_come_from_the_config(folder: RunFolder) -> None:
    assert "missing (set dataset.licenses.problems)" in render_card(folder)
    assert split_card(render_card(folder))[0]["license"] == "unknown"
    folder.run["licenses"] = {"dataset": "apache-2.0", "problems": "MIT", "model": None}
    card = render_card(folder)
    assert split_card(card)[0]["license"] == "apache-2.0"
    assert "| Licence of the problems | MIT |" in card
    assert "missing (set dataset.licenses.model)" in card


def test_a_card_that_was_edited_keeps_the_edits(folder: RunFolder) -> None:
    card = render_card(folder)
    assert renew_card(card, folder.path, folder.state_digest(), sorted(VIEWS_STORED)) == card
    edited = card.replace("license: unknown", "license: mit\nlanguage: de").replace(
        "# Verified", "# My"
    )
    renewed = renew_card(edited, "me/mine", "new", ["traces"])
    head, body = split_card(renewed)
    assert (head["license"], head["language"]) == ("mit", "de")
    assert [one["config_name"] for one in head["configs"]] == ["traces"]
    assert "# My reasoning traces" in body
    loads = [line for line in body.splitlines() if line.startswith("load_dataset(")]
    assert loads == [f'load_dataset("me/mine", "traces")  # {VIEWS["traces"].about}']


@pytest.mark.parametrize(
    "text", ["", "of mine", "---\n[\n---\nx", "---\n- a\n---\nx", "x\n---\na: 1\n---\n"]
)
def test_a_card_without_yaml_is_refused(text: str) -> None:
    with pytest.raises(CardError, match=r"README\.md: expected YAML"):
        renew_card(text, "me/mine", "new", ["traces"])


def test_the_top_is_yaml(folder: RunFolder) -> None:
    head, _ = split_card(render_card(folder))
    assert yaml.safe_load(yaml.safe_dump(head)) == head
