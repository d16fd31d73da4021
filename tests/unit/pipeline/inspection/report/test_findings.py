"""What speaks against training on a run: each finding appears when it should, and only then."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.datasets.counts import Counts
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.trust.people import Judgement, Judgements
from pipeline.datasets.trust.stored import measured_state
from pipeline.inspection.report.findings import Finding, Level, find_concerns
from pipeline.inspection.report.trust import Trust, read_measurements
from tests.runs import make_trace, write_run

RATE = {"rate": 0.001, "low": 0.0, "high": 0.01, "judged": 1000}
CLEAN: dict[str, Any] = {
    "audit": {"verifier": "math 1", "wrong": RATE, "right": RATE},
    "agreement": {"judged_by": "exact 2", "agreement": 0.99, "decided": 100},
    "hygiene": {
        "dropped": True,
        "duplicates": {"problems": 2, "responses": 3},
        "contamination": {"against": ["exam"], "problems": 1},
    },
}
LICENSES = {"problems": "mit", "model": "mit"}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    path = write_run(tmp_path / "run", [make_trace("one", "3", [("3", True), ("4", False)])])
    folder = RunFolder.read(path)
    folder.run["licenses"] = LICENSES
    return folder


def measure(folder: RunFolder, state: str | None = None, **changed: Any) -> Trust:
    (folder.path / "trust").mkdir(exist_ok=True)
    for name, facts in {**CLEAN, **changed}.items():
        content = {"facts": facts, "state": state or measured_state(folder), "berry": "0"}
        (folder.path / "trust" / f"{name}.json").write_text(json.dumps(content))
    return read_measurements(folder)


def found(folder: RunFolder, trust: Trust | None = None, **counts: Any) -> list[Finding]:
    base = Counts(problems=10, problems_solved=8, rollouts=100, kept=50)
    base.weighed, base.flawed_thousandths = 50, 500
    for name, value in counts.items():
        if isinstance(value, dict):
            getattr(base, name).update(value)
        else:
            setattr(base, name, value)
    folder.counts = base
    return find_concerns(folder, trust or measure(folder), [])


def test_a_run_that_was_measured_and_is_sound_has_no_finding(folder: RunFolder) -> None:
    assert found(folder) == []


@pytest.mark.parametrize(
    ("counts", "level", "text"),
    [
        ({"kept": 0, "weighed": 0}, Level.STOP, "no survivor"),
        ({"flawed_thousandths": 5000}, Level.WARNING, "10.0% of the survivors"),
        ({"weighed": 0, "flawed_thousandths": 0}, Level.NOTE, "is unknown"),
        ({"messages": {"other_text": 3}}, Level.WARNING, "changes the text of 3 survivors"),
        ({"messages": {"other_tokens": 3}}, Level.NOTE, "gives 3 survivors the same text in other"),
        ({"votes": {"pass": 4}}, Level.WARNING, "4 verdicts are majority votes"),
        ({"explored_trials": 10, "explored_passes": 1}, Level.WARNING, "would have been right"),
        ({"verdicts": {"pass": 90, "error": 2}}, Level.WARNING, "2.2% of the verdicts are errors"),
        ({"verdicts": {"pass": 50, "abstain": 50}}, Level.WARNING, "are abstentions"),
        ({"statuses": {"truncated": 11}}, Level.WARNING, "11.0% of the rollouts reached"),
        ({"problems_failed": 1}, Level.WARNING, "1 problems could not be fully explored"),
        ({"unscored": 2}, Level.NOTE, "left 2 steps or responses unscored"),
    ],
)
def test_counts(folder: RunFolder, counts: dict[str, Any], level: Level, text: str) -> None:
    (one,) = found(folder, **counts)
    assert one.level is level
    assert text in one.text


@pytest.mark.parametrize(
    "counts",
    [
        {"flawed_thousandths": 2000},
        {"explored_trials": 1000, "explored_passes": 1},
        {"verdicts": {"pass": 990, "error": 1}},
        {"statuses": {"truncated": 9}},
    ],
)
def test_small_fractions_are_no_finding(folder: RunFolder, counts: dict[str, Any]) -> None:
    assert found(folder, **counts) == []


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"audit": {**CLEAN["audit"], "wrong": {**RATE, "rate": 0.02}}}, "2.0% of 1000 wrong answers"),
        ({"audit": {**CLEAN["audit"], "right": {**RATE, "rate": 0.5}}}, "right answers failed"),
        ({"audit": {"verifier": "x"}}, "damaged: audit"),
        ({"audit": []}, "How often the verifier is wrong was not measured"),
        (
            {"hygiene": {"duplicates": CLEAN["hygiene"]["duplicates"]}},
            "Not checked: whether questions of test sets are among the problems.",
        ),
        ({"hygiene": {**CLEAN["hygiene"], "dropped": False}}, "1 problems are questions of exam"),
        ({"hygiene": {**CLEAN["hygiene"], "dropped": False}}, "2 problems and 3 responses repeat"),
        (
            {"hygiene": {"dropped": True, "contamination": CLEAN["hygiene"]["contamination"]}},
            "Not checked: whether problems or responses nearly repeat",
        ),
    ],
)
def test_measurements(folder: RunFolder, changed: dict[str, Any], text: str) -> None:
    assert any(text in one.text for one in found(folder, measure(folder, **changed)))


def test_what_was_never_measured_is_named_with_its_command(folder: RunFolder) -> None:
    said = found(folder, Trust())
    asked = {one.command.partition(f" {folder.path}")[0] for one in said}
    assert asked == {"berry audit-verifier", "berry clean"}
    assert all(str(folder.path) in one.command for one in said)


def test_measurements_of_an_earlier_state_are_named(folder: RunFolder) -> None:
    trust = measure(folder, state="before")
    assert trust.outdated == ("audit", "agreement", "hygiene")
    assert any("earlier state" in one.text for one in found(folder, trust))


def test_people_who_contradict_the_verifier_are_named(folder: RunFolder) -> None:
    said = Judgement(problem_id="p", leaf=1, outcome="wrong", verifier_outcome="pass", by="me")
    Judgements(folder.path).add(said)
    # Neither is a response of which both say something.
    for change in ({"node": 1}, {"outcome": "unsure", "leaf": 2}):
        Judgements(folder.path).add(said.model_copy(update=change))
    (one,) = found(folder)
    assert one.text == "People call 1 of 1 responses wrong that the verifier passed."


def test_the_most_serious_comes_first(folder: RunFolder) -> None:
    folder.run["licenses"] = {}
    folder.complete = None
    said = find_concerns(folder, Trust(), ["part-0 is missing", "part-1 is missing"])
    levels = [one.level for one in said]
    assert levels == sorted(levels, key=list(Level).index)
    assert set(levels) == set(Level)
    assert said[0].text == "2 missing or damaged files: part-0 is missing"


def test_what_the_intake_found(folder: RunFolder) -> None:
    folder.complete = {"conflicts": 2, "doubtful_golds": 1, "bad_rows": 0}
    said = [one.text for one in found(folder)]
    assert len(said) == 2
    assert said[0].startswith("1 gold answers look wrong")
