"""The rounds: their order, what goes on after an interruption, and mistakes of stages."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.datasets.folder import RunFolder
from pipeline.errors import BerryError, RunFailure, UserMistake
from pipeline.files.publishing import require_run
from pipeline.files.storage import FolderError
from pipeline.loop.config import load_loop
from pipeline.loop.folder import LoopFolder, runs_in
from pipeline.loop.loop import run_loop
from pipeline.loop.report import describe, facts
from tests.unit.pipeline.loop.stages_for_tests import Noted, notes

_HERE = "tests.unit.pipeline.loop.stages_for_tests"
_RUN = {
    "problems": {"use": "reasoning_gym", "task": "chain_sum", "size": 20},
    "engine": {"use": "simulated"},
    "verifier": {"use": "exact"},
}
_STAGES: list[dict[str, Any]] = [
    {"use": f"{_HERE}:Prepared", "name": "first"},
    {"use": f"{_HERE}:Noted", "name": "second"},
    {"use": f"{_HERE}:EvenRounds", "name": "gate"},
]


class Lines:
    """A display that keeps what it is shown."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, text: str) -> None:
        self.lines.append(text)

    def live(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(autouse=True)
def _calls() -> Iterator[None]:
    Noted.calls, Noted.interrupt_at, Noted.fail_at = 0, None, None
    yield
    Noted.calls, Noted.interrupt_at, Noted.fail_at = 0, None, None


def _loop(folder: Path, stages: list[dict[str, Any]] = _STAGES, **more: Any) -> LoopFolder:
    path = folder / "loop.yaml"
    config = {"output": str(folder / "out"), "rounds": 3, "run": _RUN, "stages": stages, **more}
    path.write_text(yaml.safe_dump(config))
    loaded, run_config = load_loop(path)
    return run_loop(loaded, run_config, Lines(), {"command": "berry loop loop.yaml"})


def _state(folder: LoopFolder) -> list[Any]:
    """What the rounds have made, without times."""
    found = []
    for record in folder.rounds():
        content = record.model_dump(mode="json")
        for stage in content["stages"]:
            del stage["began"], stage["seconds"]
        found.append(content)
    return found


def test_stages_go_in_order_and_the_bundle_that_is_promoted_takes_over(tmp_path: Path) -> None:
    folder = _loop(tmp_path)
    assert notes(folder.path) == [
        "prepare first",
        *(f"{number} {name}" for number in (1, 2, 3) for name in ("first", "second", "gate")),
    ]
    rounds = folder.rounds()
    assert [one.promoted for one in rounds] == [True, False, True, False]
    assert [one.ends_with.generator for one in rounds] == [None, None, "None+2", "None+2"]
    assert rounds[2].ends_with.name == "round-2"
    assert rounds[3].began_with == rounds[2].candidate
    assert all(one.is_complete for one in rounds)


@pytest.mark.parametrize("at", range(6))
def test_a_loop_that_was_interrupted_anywhere_ends_like_another(tmp_path: Path, at: int) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    undisturbed = _loop(tmp_path / "a")
    Noted.calls, Noted.interrupt_at = 0, at
    with pytest.raises(KeyboardInterrupt):
        _loop(tmp_path / "b")
    Noted.interrupt_at = None
    resumed = _loop(tmp_path / "b")
    assert _state(resumed) == _state(undisturbed)
    assert notes(resumed.path) == notes(undisturbed.path), "a finished stage was repeated"


def test_the_same_command_on_a_complete_loop_does_nothing(tmp_path: Path) -> None:
    before = _state(_loop(tmp_path))
    noted = notes(tmp_path / "out")
    assert _state(_loop(tmp_path)) == before
    assert notes(tmp_path / "out") == noted


def test_more_rounds_go_on_from_a_complete_loop(tmp_path: Path) -> None:
    before = _state(_loop(tmp_path))
    after = _state(_loop(tmp_path, rounds=4))
    assert after[:4] == before
    assert len(after) == 5


def test_options_of_stages_may_change_and_are_written_down(tmp_path: Path) -> None:
    _loop(tmp_path, rounds=1)
    changed = [{**_STAGES[0], "label": "other"}, *_STAGES[1:]]
    folder = _loop(tmp_path, changed, rounds=2)
    ran_with = [one.stages[0].options for one in folder.rounds()[1:]]
    assert ran_with == [{}, {"label": "other"}]


def test_another_config_is_refused_in_the_same_folder(tmp_path: Path) -> None:
    _loop(tmp_path)
    with pytest.raises(UserMistake, match="another value of seed"):
        _loop(tmp_path, seed=7)


def test_a_failure_names_round_and_stage_and_keeps_what_is_done(tmp_path: Path) -> None:
    Noted.fail_at = 3
    with pytest.raises(RunFailure, match=r"^round 2, second: no disk$"):
        _loop(tmp_path)
    there = LoopFolder.read(tmp_path / "out")
    assert [len(one.stages) for one in there.rounds()] == [1, 3, 1]


def test_an_optional_stage_may_fail(tmp_path: Path) -> None:
    Noted.fail_at = 1
    stages = [_STAGES[0], {**_STAGES[1], "optional": True}, _STAGES[2]]
    folder = _loop(tmp_path, stages)
    record = folder.round(1)
    assert record is not None
    stage = record.stage("second")
    assert stage is not None
    assert stage.failed == "no disk"
    assert "second failed: no disk" in describe(folder)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        ("Broken", r"round 1, x: run\(\) raised ZeroDivisionError: .*stages_for_tests.py, line"),
        ("Chatty", r"round 1, x: run\(\): expected a Done of pipeline.loop.work, got 'done'"),
    ],
)
def test_a_stage_with_a_mistake_is_one_line(tmp_path: Path, use: str, message: str) -> None:
    with pytest.raises(BerryError, match=message):
        _loop(tmp_path, [{"use": f"{_HERE}:{use}", "name": "x"}])


def test_without_a_stage_that_decides_the_candidate_takes_over(tmp_path: Path) -> None:
    folder = _loop(tmp_path, _STAGES[:1], rounds=1)
    record = folder.round(1)
    assert record is not None
    assert (record.promoted, record.why) == (True, "no stage decides")


def test_two_loops_do_not_share_a_folder(tmp_path: Path) -> None:
    folder = _loop(tmp_path)
    held = LoopFolder.claim(folder.path, folder.about, {})
    try:
        with pytest.raises(FolderError, match="another run is writing"):
            _loop(tmp_path)
    finally:
        held.close()


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    with pytest.raises(FolderError, match="expected a new folder or one of `berry loop`"):
        _loop(tmp_path)


def test_a_damaged_record_is_one_line(tmp_path: Path) -> None:
    folder = _loop(tmp_path)
    (folder.path / "rounds" / "round-1.json").write_text("{")
    with pytest.raises(FolderError, match=r"round-1.json: is damaged"):
        _loop(tmp_path)


def test_facts_are_json_with_a_row_for_each_round(tmp_path: Path) -> None:
    found = json.loads(json.dumps(facts(_loop(tmp_path))))
    assert [one["round"] for one in found["rounds"]] == [0, 1, 2, 3]
    assert found["running"] is False


def test_if_the_stage_that_decides_fails_nothing_takes_over(tmp_path: Path) -> None:
    stages = [_STAGES[0], {"use": f"{_HERE}:Undecided", "name": "gate", "optional": True}]
    folder = _loop(tmp_path, stages, rounds=2)
    for record in folder.rounds()[1:]:
        assert (record.promoted, record.why) == (False, "the stage that decides has failed")
        assert record.ends_with.generator is None


def test_a_loop_that_was_refused_can_be_corrected_in_the_same_folder(tmp_path: Path) -> None:
    given = {"use": "reasoning_gym", "task": "chain_sum", "size": 5, "seed": 0}
    with pytest.raises(UserMistake, match="no round trains on"):
        _loop(tmp_path, evaluation={"problems": given})
    other = {"use": "reasoning_gym", "task": "chain_sum", "size": 5, "seed": 99}
    assert _loop(tmp_path, evaluation={"problems": other}).rounds()[-1].is_complete
    with pytest.raises(UserMistake, match=r"another value of evaluation.problems.seed;"):
        _loop(tmp_path, evaluation={"problems": {**other, "seed": 98}})


def test_problems_that_change_between_rounds_are_compared_again(tmp_path: Path) -> None:
    own, measured = tmp_path / "own.jsonl", tmp_path / "measured.jsonl"
    own.write_text('{"prompt": "2 + 3 = ?", "answer": "5"}\n')
    measured.write_text('{"prompt": "4 + 5 = ?", "answer": "9"}\n')
    problems = {"use": "file", "preset": "plain", "path": str(own)}
    asked: dict[str, Any] = {
        "run": {**_RUN, "problems": problems},
        "evaluation": {"problems": str(measured)},
    }
    _loop(tmp_path, rounds=1, **asked)
    own.write_text(own.read_text() + measured.read_text())
    with pytest.raises(UserMistake, match=r"run\.problems has one of them: '4 \+ 5 = "):
        _loop(tmp_path, rounds=2, **asked)


def test_a_loop_goes_on_from_another_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = _state(_loop(tmp_path, output="out"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert _state(_loop(tmp_path, output=str(tmp_path / "out"))) == before
    assert not list((tmp_path / "elsewhere").iterdir())


def test_the_seed_in_the_file_of_the_run_belongs_to_the_loop(tmp_path: Path) -> None:
    """It decides which problems a generator makes."""
    run = tmp_path / "run.yaml"
    run.write_text(yaml.safe_dump({**_RUN, "output": "x", "seed": 1}))
    _loop(tmp_path, run={"config": str(run)})
    run.write_text(yaml.safe_dump({**_RUN, "output": "x", "seed": 2}))
    with pytest.raises(UserMistake, match=r"another value of run.seed;"):
        _loop(tmp_path, run={"config": str(run)})


def test_fewer_rounds_than_are_done_is_a_complete_loop(tmp_path: Path) -> None:
    created = _loop(tmp_path).about["created"]
    folder = _loop(tmp_path, rounds=1)
    assert "3 of 3 rounds (complete)" in describe(folder)
    assert folder.about["created"] == created


@pytest.mark.parametrize("text", ["[]", '{"schema": 1, "config": 3}', "\x00", '{"schema": 1}'])
def test_a_damaged_loop_json_is_one_line(tmp_path: Path, text: str) -> None:
    folder = _loop(tmp_path)
    (folder.path / "loop.json").write_text(text)
    with pytest.raises(FolderError, match=r"loop.json: is damaged"):
        LoopFolder.read(folder.path)


def test_a_record_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    folder = _loop(tmp_path)
    (folder.path / "rounds" / "round-1.json").write_bytes(b"\xff\xfe")
    with pytest.raises(FolderError, match=r"round-1.json: is damaged"):
        folder.rounds()


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([{"use": "evaluate"}, {"use": "gate", "by": "mine"}], "expected a stage 'mine' before it"),
        ([{"use": "evaluate"}, {"use": "vary"}], "vary: stages: expected a search before vary"),
        (
            [{"use": "evaluate"}, {"use": "search"}, {"use": "search", "name": "again"}],
            "expected one search in a round, got search, again",
        ),
    ],
)
def test_mistakes_in_stages_are_found_before_the_base_is_measured(
    tmp_path: Path, stages: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(UserMistake, match=message):
        _loop(tmp_path, stages)
    assert not (tmp_path / "out" / "evaluate").exists()
    assert not (tmp_path / "out" / "logs").exists()


@pytest.mark.parametrize(
    ("fraction", "side"), [(1e-9, "held out"), (1 - 1e-9, "on the side that trains")]
)
def test_a_side_without_problems_is_found_before_the_base_is_measured(
    tmp_path: Path, fraction: float, side: str
) -> None:
    stages = [{"use": "search"}, {"use": "evaluate"}]
    with pytest.raises(
        UserMistake, match=rf"evaluation.held_out: expected problems {side}, got none of 20"
    ):
        _loop(tmp_path, stages, evaluation={"held_out": fraction})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"run": {"prune": {"min_scor": 0.5}}}, "stages: prm.run: prune.min_scor: unknown key"),
        ({"serve": {"nope": 1}}, "reward_models.0.nope: unknown key"),
        ({"run": {"problems": {"limit": 1}}}, "prm.run.problems: the loop sets it"),
    ],
)
def test_keys_of_the_next_rounds_run_are_checked_before_the_first(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    run = {**_RUN, "engine": {"use": "vllm", "model": "base"}}
    stages = [{"use": "search"}, {"use": "prm", **options}]
    with pytest.raises(UserMistake, match=message):
        _loop(tmp_path, stages, run=run)


def test_commands_for_runs_say_where_those_of_a_loop_are(tmp_path: Path) -> None:
    folder = _loop(tmp_path)
    with pytest.raises(
        FolderError, match=r"got that of a loop; name one of its runs, such as .*round-1$"
    ):
        RunFolder.read(folder.path)


def test_the_viewer_and_the_check_know_a_loop_by_its_runs(tmp_path: Path) -> None:
    folder = _loop(tmp_path)
    assert runs_in(folder.path) == [folder.path]
    for number in (1, 2):
        folder.run_folder(number).mkdir()
        (folder.run_folder(number) / "run.json").touch()
    assert runs_in(folder.path) == [folder.run_folder(1), folder.run_folder(2)]
    assert runs_in(tmp_path) == [tmp_path]
    with pytest.raises(FolderError, match="expected a run folder, got that of a loop"):
        require_run(folder.path)
