"""`berry vary` with runs made by hand: what it asks, what it keeps, and why it drops the rest."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from pipeline.cli.app import berry
from pipeline.config import load_config
from pipeline.datasets.folder import RunFolder
from pipeline.derive.varying.report import describe, facts
from pipeline.derive.varying.settings import VarySettings
from pipeline.derive.varying.vary import vary
from pipeline.errors import RunFailure, UserMistake
from pipeline.labels.majority import Majority
from pipeline.problems import Intake
from pipeline.problems.variants.programs import Programs
from pipeline.prune import PruneConfig, Pruner
from pipeline.records import Problem, Trace, trajectories
from pipeline.tree import ROOT, Tree
from sandbox import SandboxConfig
from tests.conftest import make_rollout, make_verdict
from tests.runs import make_trace, write_run
from verifiers import Outcome, Target

CLIPS = "Ann has 48 clips. She buys 15 more. How many clips has she?"
PAGES = "A book has 120 pages. Bob reads 80 pages. How many are left?"
UNSOLVED = "What is the meaning of all of it?"
REWRITE = "Carl owns 48 coins and finds 15 others. What is the number of his coins?"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two solved problems and one that is not."""
    return write_run(
        tmp_path_factory.mktemp("original") / "run",
        [
            make_trace(CLIPS, "63", [("48 + 15 = 63\nThe answer is 63", True), ("It is 5", False)]),
            make_trace(PAGES, "40", [("120 - 80 = 40\nThe answer is 40", True)]),
            make_trace(UNSOLVED, "42", [("The answer is 7", False)]),
        ],
        engine={"use": "simulated"},
        prompt={"template": "{problem} Go.", "system": "Be brief."},
    )


def voted(prompt: str, source_id: str | None, responses: Sequence[str]) -> Trace:
    """A trace of a run without gold answers; each step is a whole response."""
    tree = Tree((7,), prompt)
    for text in responses:
        leaf = tree.add(ROOT, tree.reserve(ROOT, 1), make_rollout(text))
        tree.judge(leaf, make_verdict(Outcome.ABSTAIN))
    problem = Problem.create(
        prompt=prompt, target=Target(kind="math"), source="file", source_id=source_id
    )
    tree = tree.sorted()
    asyncio.run(Majority(Majority.Config(min_fraction=0.01)).vote(problem, tree))
    found = trajectories(tree)
    decisions = Pruner(PruneConfig()).prune(found, tree)
    return Trace(problem=problem, seed=0, tree=tree, trajectories=found, decisions=decisions)


@dataclass
class FakeRuns:
    """Stands for `berry run`: writes replies and answers."""

    reply: Callable[[str], list[str]]
    """The replies to an instruction, by its row's id."""
    answers: Callable[[str], list[str]]
    """The responses to a candidate, by its text."""
    configs: list[dict[str, Any]] = field(default_factory=list)
    broken: bool = False

    def __call__(self, config: Path, overrides: Sequence[str], log: Path) -> None:
        read = yaml.safe_load(config.read_text())
        self.configs.append(read)
        output = Path(read["output"])
        if output.exists():
            return
        rows = [json.loads(line) for line in Path(read["problems"]["path"]).read_text().splitlines()]
        if config.stem == "propose":
            traces = [voted(row["prompt"], row["id"], self.reply(row["id"])) for row in rows]
        elif self.broken:
            raise RunFailure("the engine died")
        else:
            traces = [voted(row["prompt"], None, self.answers(row["prompt"])) for row in rows]
        write_run(output, traces)


def right(prompt: str) -> list[str]:
    """Three of four responses are right, for texts that say a sum or a difference of two numbers."""
    numbers = [int(word.strip(".,?")) for word in prompt.split() if word.strip(".,?").isdigit()]
    value = numbers[0] - numbers[1] if "pages" in prompt else sum(numbers)
    return [f"The answer is {value}"] * 3 + ["no idea"]


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def settings(**options: Any) -> VarySettings:
    return VarySettings(**{"samples": 4, **options})


def test_what_is_well_posed_is_kept_with_its_origin(run: Path, tmp_path: Path) -> None:
    fake = FakeRuns(reply=lambda _: [REWRITE], answers=right)

    report = vary(run, tmp_path / "out", settings(kinds=("numbers",)), runs=fake)

    assert report.candidates == report.kept == {"numbers": 2}
    assert (report.num_originals, report.num_templates) == (2, 2)
    kept = rows_of(tmp_path / "out" / "problems.jsonl")
    for row in kept:
        assert row["answer"] == right(row["prompt"])[0].split()[-1]
        assert (row["variant_kind"], row["answer_from"], row["pass_rate"]) == (
            "numbers",
            "program",
            0.75,
        )
        assert len(row["variant_of"]) == 1
    assert fake.configs[0]["strategy"] == {"use": "best_of_n", "rollouts": 4}
    assert fake.configs[0]["prompt"] == {"template": "{problem} Go.", "system": "Be brief."}


def test_problems_and_origins_can_be_read_by_the_next_run(run: Path, tmp_path: Path) -> None:
    fake = FakeRuns(reply=lambda _: [], answers=right)
    vary(run, tmp_path / "out", settings(kinds="numbers"), runs=fake)
    problems = tmp_path / "out" / "problems.jsonl"

    config = load_config(
        Path("configs/simulated.yaml"),
        [f"problems={{use: file, path: {problems}, preset: plain, meta_fields: all}}"],
    )
    found = list(Intake(config.open_source(), config.prompt.parsed))

    assert [one.meta["variant_kind"] for one in found] == ["numbers"] * 2
    assert [one.target.value for one in found] == [row["answer"] for row in rows_of(problems)]


def test_a_rewrite_must_keep_the_answer(run: Path, tmp_path: Path) -> None:
    replies = {
        "right": [f"Problem: {REWRITE}"],
        "other": ["Carl owns 48 coins and finds 17 others. What is the number of his coins?"],
        "told": ["Carl owns 48 coins and finds 15 others. The answer is 63, is it not?"],
        "said": ["Carl owns 48 coins and finds 15 others, so has 63 coins. What is their number?"],
        "short": ["No."],
        "same": [CLIPS],
    }
    for name, reply in replies.items():
        fake = FakeRuns(reply=lambda _, reply=reply: reply, answers=right)  # type: ignore[misc]  # mypy infers no lambda with a default
        chosen = settings(kinds="rewrite", max_problems=1)
        report = vary(run, tmp_path / name, chosen, runs=fake)
        expected = {
            "right": {},
            "other": {"other_answer": 1},
            "told": {"tells_answer": 1},
            "said": {"tells_answer": 1},
            "short": {"empty": 1},
            "same": {"duplicate": 1},
        }[name]
        assert report.dropped == {"rewrite": expected}, name
        assert report.kept == {"rewrite": not expected}


def test_whoever_answers_a_candidate_sees_no_answer(run: Path, tmp_path: Path) -> None:
    fake = FakeRuns(reply=lambda _: [REWRITE], answers=right)
    vary(run, tmp_path / "out", settings(kinds="rewrite"), runs=fake)

    propose, check = fake.configs
    assert all(
        "63" in row["prompt"] or "40" in row["prompt"]
        for row in rows_of(tmp_path / "out/propose.jsonl")
    )
    assert all(set(row) == {"prompt"} for row in rows_of(tmp_path / "out/check.jsonl"))
    assert check["problems"]["answers"] == propose["problems"]["answers"] == "none"


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (["The answer is 63"] * 4, "too_easy"),
        (["The answer is 63", "no idea", "no idea", "no idea"], "too_hard"),
        (["The answer is 5"] * 4, "other_answer"),
        (["no idea"] * 4, "no_majority"),
        (["The answer is 63", "The answer is 5", "no idea", "no idea"], "no_majority"),
    ],
)
def test_the_reason_of_a_drop(run: Path, tmp_path: Path, answers: list[str], reason: str) -> None:
    fake = FakeRuns(reply=lambda _: [REWRITE], answers=lambda _: answers)
    chosen = settings(kinds="rewrite", max_problems=1, min_pass_rate=0.3)

    report = vary(run, tmp_path / "out", chosen, runs=fake)

    assert report.dropped == {"rewrite": {reason: 1}}
    (row,) = rows_of(tmp_path / "out" / "dropped.jsonl")
    assert (row["reason"], row["prompt"]) == (reason, REWRITE)


def test_a_written_composition_takes_the_answer_on_which_samples_agree(
    run: Path, tmp_path: Path
) -> None:
    text = "Ann sorts 63 clips into bags that Bob numbers from 1 to 40. What is the number of bags?"
    answers = [["The answer is 40"] * 3 + ["no idea"], ["The answer is 40"] + ["no idea"] * 3]
    for number, given in enumerate(answers):
        fake = FakeRuns(reply=lambda _: [text], answers=lambda _, given=given: given)  # type: ignore[misc]  # as above
        output = tmp_path / f"out{number}"
        chosen = settings(kinds="written", max_problems=2, min_pass_rate=0)
        report = vary(run, output, chosen, runs=fake)
        kept = rows_of(output / "problems.jsonl")
        # The second proposal repeats the first.
        assert report.dropped["written"] == {"duplicate": 1} | ({"unstable": 1} if number else {})
        assert [(row["answer"], row["answer_from"]) for row in kept] == [("40", "majority")] * (
            not number
        )


def test_questions_of_a_test_set_are_dropped(run: Path, tmp_path: Path) -> None:
    test_set = tmp_path / "test.jsonl"
    test_set.write_text(json.dumps({"question": REWRITE, "answer": "63"}) + "\n")
    fake = FakeRuns(reply=lambda _: [REWRITE], answers=right)

    report = vary(
        run,
        tmp_path / "out",
        settings(kinds="rewrite", max_problems=1),
        against=[str(test_set)],
        runs=fake,
    )

    assert report.dropped == {"rewrite": {"contaminated": 1}}
    assert len(fake.configs) == 1  # nothing was left to answer


def test_the_same_command_goes_on_after_a_failure(run: Path, tmp_path: Path) -> None:
    fake = FakeRuns(reply=lambda _: [REWRITE], answers=right, broken=True)
    with pytest.raises(RunFailure, match="the engine died"):
        vary(run, tmp_path / "out", settings(), runs=fake)
    assert not (tmp_path / "out" / "report.json").exists()

    fake.broken = False
    report = vary(run, tmp_path / "out", settings(), runs=fake)
    undisturbed = vary(run, tmp_path / "other", settings(), runs=replace(fake))

    files = ("problems.jsonl", "dropped.jsonl")
    assert [(tmp_path / "out" / name).read_bytes() for name in files] == [
        (tmp_path / "other" / name).read_bytes() for name in files
    ]
    assert replace(report, output="") == replace(undisturbed, output="")
    num_runs = len(fake.configs)
    assert vary(run, tmp_path / "out", settings(), runs=fake) == report
    assert len(fake.configs) == num_runs


def test_a_folder_of_another_request_is_refused(run: Path, tmp_path: Path) -> None:
    fake = FakeRuns(reply=lambda _: [REWRITE], answers=right)
    vary(run, tmp_path / "out", settings(kinds="numbers"), runs=fake)

    with pytest.raises(UserMistake, match="expected the settings with which it began"):
        vary(run, tmp_path / "out", settings(kinds="rewrite"), runs=fake)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("x")
    with pytest.raises(UserMistake, match="expected a new folder"):
        vary(run, tmp_path / "full", settings(), runs=fake)


def test_a_run_without_a_verified_solution_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [make_trace(UNSOLVED, "42", [("The answer is 7", False)])])

    with pytest.raises(UserMistake, match="expected a run with verified solutions"):
        vary(run, tmp_path / "out", settings(), runs=FakeRuns(reply=lambda _: [], answers=right))


def test_a_prompt_with_other_columns_is_refused(tmp_path: Path) -> None:
    trace = make_trace(CLIPS, "63", [("48 + 15 = 63", True)])
    run = write_run(tmp_path / "run", [trace], prompt={"template": "{problem} {hint}"})

    with pytest.raises(UserMistake, match=r"uses \{problem\} alone, got one with \{hint\}"):
        vary(run, tmp_path / "out", settings(), runs=FakeRuns(reply=lambda _: [], answers=right))


def test_programs_and_runs_have_the_sandbox_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(tmp_path / "run", [make_trace(CLIPS, "63", [("48 + 15 = 63", True)])])
    wanted = SandboxConfig(allow_weak=True, recycle_after=7)
    RunFolder.read(run).change_run(sandbox=wanted.model_dump(mode="json"))
    opened: list[SandboxConfig] = []

    class Watched(Programs):
        def __init__(self, config: SandboxConfig) -> None:
            opened.append(config)
            super().__init__(config)

    monkeypatch.setattr("pipeline.derive.varying.vary.Programs", Watched)
    fake = FakeRuns(reply=lambda _: ["No."], answers=right)
    vary(run, tmp_path / "out", settings(), runs=fake)

    assert opened == [wanted]
    assert [SandboxConfig(**one["sandbox"]) for one in fake.configs] == [wanted] * 2


def test_the_report_is_a_table_and_json(run: Path, tmp_path: Path) -> None:
    fake = FakeRuns(reply=lambda _: ["No."], answers=right)
    report = vary(run, tmp_path / "out", settings(), runs=fake)

    text = describe(report)
    assert "2 problems of" in text
    assert [
        line.split()[:4] for line in text.splitlines() if line.startswith(("numbers", "rewrite"))
    ] == [
        ["numbers", "2", "2", "100%"],
        ["rewrite", "2", "0", "0%"],
    ]
    assert "2 empty" in text
    assert "next:" in text
    assert json.loads(json.dumps(facts(report)))["kept"]["numbers"] == 2


def test_without_a_new_problem_the_report_names_no_next_command(run: Path, tmp_path: Path) -> None:
    fake = FakeRuns(reply=lambda _: ["No."], answers=right)
    report = vary(run, tmp_path / "out", settings(kinds=("rewrite",)), runs=fake)

    assert "next:" not in describe(report)


def test_a_wrong_option_is_one_line(run: Path, tmp_path: Path) -> None:

    result = CliRunner().invoke(
        berry, ["vary", str(run), "--output", str(tmp_path / "o"), "kind=numbers"]
    )

    assert result.exception is not None
    assert "kinds" in str(result.exception)
    assert not (tmp_path / "o").exists()
