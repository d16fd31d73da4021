"""The stages of berry: what they ask of its commands, and what they make of the outcome.

The commands are stand-ins that write what the real ones would; `tests/integration/test_loop.py` and
`tests/real_engines/test_loop.py` have the real ones.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.config import load_config
from pipeline.errors import BerryError, UserMistake
from pipeline.loop.commands import Background, Commands
from pipeline.loop.config import LoopConfig, load_loop
from pipeline.loop.folder import LoopFolder
from pipeline.loop.loop import run_loop
from pipeline.loop.problems import key_of
from pipeline.loop.records import RoundRecord
from pipeline.loop.report import describe
from pipeline.problems.border import open_source
from pipeline.records import Problem
from pipeline.training.policy.manifest import Manifest, Request, Result
from reward_models.manifest import TrainedModel
from tests.runs import make_trace, write_run

_RUN: dict[str, Any] = {
    "problems": {"use": "reasoning_gym", "task": "chain_sum", "size": 40},
    "engine": {"use": "vllm", "model": "base-model"},
    "verifier": {"use": "math"},
}


class MadeCommands:
    """Writes what a command would write, and notes its arguments."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.right: Callable[[str, str], int] = lambda model, problem: 2
        """How many of four rollouts are right, by model and problem."""
        self.auc: float | None = 0.9

    def __call__(
        self,
        commands: Commands,
        arguments: Sequence[str],
        log: Path,
        launcher: Sequence[str] = (),
        fine: Sequence[int] = (0,),
    ) -> None:
        commands.background.take(log)
        given = list(arguments)
        self.calls.append([*launcher, *given])
        output = Path(given[given.index("--output") + 1]) if "--output" in given else None
        if given[0] == "run" and len(given) > 1:
            self.run(Path(given[1]))
        elif given[:2] == ["train", "policy"]:
            assert output is not None
            _write_policy(output, given)
        elif given[0] == "train":
            assert output is not None
            output.mkdir(parents=True)
            _reward_model(self.auc).write(output)
        elif given[0] == "vary":
            assert output is not None
            output.mkdir(parents=True)
            (output / "problems.jsonl").write_text('{"prompt": "What is 5 + 5?", "answer": "10"}\n')
            report = {"candidates": {"numbers": 3}, "kept": {"numbers": 1}}
            (output / "report.json").write_text(json.dumps(report))

    def run(self, path: Path) -> None:
        """Writes the run of a config."""
        raw = yaml.safe_load(path.read_text())
        if Path(raw["output"]).exists():
            return
        config = load_config(path)
        model = raw["engine"]["model"]
        traces = []
        for row in open_source(config.problems, config.seed, config.prompt.parsed).rows():
            assert isinstance(row, Problem)
            right = self.right(model, row.prompt)
            outcomes = [(f"{number}: so", number < right) for number in range(4)]
            traces.append(make_trace(row.prompt, str(row.target.value), outcomes))
        sections = {name: config.resolved()[name] for name in ("strategy", "sampling", "engine")}
        write_run(Path(raw["output"]), traces, per_part=100, **sections)


def _write_policy(output: Path, arguments: list[str]) -> None:
    output.mkdir(parents=True)
    result = Result(
        num_examples=5, num_tokens=50, num_problems=5, num_held_out_examples=0, num_too_long=0,
        num_empty=0, num_steps=3, train_problems=("a",), log=(), versions={},
    )  # fmt: skip
    base = arguments[arguments.index("--base") + 1]
    data = arguments[arguments.index("--data") + 1 : arguments.index("--base")]
    request = Request(base=base, data=tuple(data), examples="x", settings={"method": "sft"})
    Manifest(request=request, result=result).write(output)


def _reward_model(auc: float | None) -> TrainedModel:
    return TrainedModel(
        kind="prm",
        labels="p_correct",
        base="base-model",
        tokenizer="t",
        train_problems=tuple(map(str, range(200))),
        num_responses=2000,
        held_out={"auc": auc},
    )


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> MadeCommands:
    """Stands for berry's commands."""
    found = MadeCommands()
    monkeypatch.setattr(Commands, "berry", lambda commands, *a, **k: found(commands, *a, **k))

    def begin(commands: Commands, arguments: Sequence[str], log: Path) -> None:
        found(commands, arguments, log)

    monkeypatch.setattr(Commands, "begin", begin)
    monkeypatch.setattr(Background, "is_running", lambda background, log: False)
    return found


class _Quiet:
    def message(self, text: str) -> None: ...

    def live(self, text: str) -> None: ...


def _loop(folder: Path, stages: Sequence[dict[str, Any]], rounds: int = 2, **more: Any) -> LoopFolder:
    path = folder / "loop.yaml"
    config = {
        "output": str(folder / "out"),
        "rounds": rounds,
        "run": _RUN,
        "evaluation": {"held_out": 0.3, "rollouts": 4},
        "stages": list(stages),
        **more,
    }
    path.write_text(yaml.safe_dump(config))
    loaded, run_config = load_loop(path)
    return run_loop(loaded, run_config, _Quiet(), {})


def _round(folder: LoopFolder, number: int) -> RoundRecord:
    record = folder.round(number)
    assert record is not None
    return record


def _config(folder: LoopFolder, name: str) -> Any:
    return yaml.safe_load(folder.config_file(name).read_text())


_SEARCH, _POLICY = {"use": "search"}, {"use": "policy"}
_EVALUATE, _GATE = {"use": "evaluate"}, {"use": "gate"}


def test_the_new_generator_searches_and_trains_from_the_base_on_all_runs(
    tmp_path: Path, made: MadeCommands
) -> None:
    folder = _loop(tmp_path, [_SEARCH, _POLICY])
    first = folder.model_folder(1, "policy")
    assert _config(folder, "round-1")["engine"]["model"] == "base-model"
    assert _config(folder, "round-2")["engine"]["model"] == str(first)
    trained = [call for call in made.calls if call[:2] == ["train", "policy"]]
    runs = [str(folder.run_folder(number)) for number in (1, 2)]
    assert trained[1][2:7] == ["--data", *runs, "--base", "base-model"]
    assert "eval_rollouts=0" in trained[1]
    assert "held_out=0.0" in trained[1]


@pytest.mark.parametrize(("start", "expected"), [("current", 1), ("base", 0)])
def test_a_training_starts_where_it_is_told(
    tmp_path: Path, made: MadeCommands, start: str, expected: int
) -> None:
    folder = _loop(tmp_path, [_SEARCH, {**_POLICY, "start": start, "data": "last", "epochs": 2}])
    call = [call for call in made.calls if call[:2] == ["train", "policy"]][1]
    bases = ["base-model", str(folder.model_folder(1, "policy"))]
    assert call[call.index("--base") + 1] == bases[expected]
    assert call[2:4] == ["--data", str(folder.run_folder(2))]
    assert "epochs=2.0" in call


def test_sft_and_then_dpo_from_its_model(tmp_path: Path, made: MadeCommands) -> None:
    stages = [
        _SEARCH,
        {**_POLICY, "name": "sft"},
        {**_POLICY, "name": "dpo", "method": "dpo", "start": "candidate"},
    ]
    folder = _loop(tmp_path, stages, rounds=1)
    call = made.calls[-1]
    assert call[call.index("--base") + 1] == str(folder.model_folder(1, "sft"))
    assert _round(folder, 1).ends_with.generator == str(folder.model_folder(1, "dpo"))


def test_several_processes_are_launched(tmp_path: Path, made: MadeCommands) -> None:
    _loop(tmp_path, [_SEARCH, {**_POLICY, "processes": 4}], rounds=1)
    assert made.calls[-1][1:5] == ["-m", "accelerate.commands.launch", "--num_processes", "4"]


def test_a_reward_model_scores_the_next_round_with_its_keys(tmp_path: Path, made: MadeCommands) -> None:
    prm = {"use": "prm", "serve": {"dtype": "float32"}, "run": {"prune": {"score_by": "steps"}}}
    folder = _loop(tmp_path, [_SEARCH, prm])
    assert "reward_models" not in _config(folder, "round-1")
    second = _config(folder, "round-2")
    model = str(folder.model_folder(1, "prm"))
    assert second["reward_models"] == [{"use": "prm", "model": model, "dtype": "float32"}]
    assert second["prune"] == {"score_by": "steps"}


def test_a_weak_reward_model_is_left_out(tmp_path: Path, made: MadeCommands) -> None:
    made.auc = 0.55
    folder = _loop(tmp_path, [_SEARCH, {"use": "prm"}])
    assert "reward_models" not in _config(folder, "round-2")
    stage = _round(folder, 1).stage("prm")
    assert stage is not None
    assert "hardly better than chance" in stage.figures["left_out"]
    assert "0.550*" in describe(folder)


def test_no_problem_of_the_evaluation_is_searched(tmp_path: Path, made: MadeCommands) -> None:
    folder = _loop(tmp_path, [_SEARCH, _POLICY, _EVALUATE], rounds=1)
    sides = {}
    for name in ("round-1", "evaluate-0", "evaluate-1"):
        config = load_config(folder.config_file(name))
        source = open_source(config.problems, config.seed, config.prompt.parsed)
        sides[name] = {key_of(row.prompt) for row in source.rows() if isinstance(row, Problem)}
    assert sides["evaluate-0"] == sides["evaluate-1"]
    assert sides["evaluate-0"]
    assert not sides["round-1"] & sides["evaluate-0"]
    assert _config(folder, "evaluate-1")["engine"]["model"] == str(folder.model_folder(1, "policy"))
    assert _config(folder, "evaluate-0")["seed"] == _config(folder, "evaluate-1")["seed"]


@pytest.mark.parametrize(
    ("right", "require", "promoted"),
    [
        ((1, 3), "not_worse", [True, True]),
        ((3, 1), "not_worse", [False, False]),
        ((2, 2), "not_worse", [True, True]),
        ((2, 2), "better", [False, False]),
        ((1, 3), "better", [True, False]),
    ],
)
def test_the_gate_lets_through_what_is_not_worse(
    tmp_path: Path, made: MadeCommands, right: tuple[int, int], require: str, promoted: list[bool]
) -> None:
    made.right = lambda model, problem: right[0] if model == "base-model" else right[1]
    stages = [_SEARCH, _POLICY, _EVALUATE, {**_GATE, "require": require}]
    folder = _loop(tmp_path, stages)
    rounds = folder.rounds()
    assert [one.promoted for one in rounds[1:]] == promoted
    searched = [_config(folder, f"round-{number}")["engine"]["model"] for number in (1, 2)]
    first = str(folder.model_folder(1, "policy"))
    assert searched == ["base-model", first if promoted[0] else "base-model"]
    if not promoted[0]:
        assert rounds[1].ends_with == rounds[0].candidate
        # The same models search with another seed.
        assert len({_config(folder, f"round-{number}")["seed"] for number in (1, 2)}) == 2


def test_a_gate_lets_a_reward_model_through_with_the_same_generator(
    tmp_path: Path, made: MadeCommands
) -> None:
    stages = [_SEARCH, {"use": "prm"}, _EVALUATE, {**_GATE, "require": "better"}]
    folder = _loop(tmp_path, stages)
    assert [one.promoted for one in folder.rounds()[1:]] == [True, True]
    assert _config(folder, "round-2")["reward_models"][0]["use"] == "prm"


def test_a_round_that_makes_no_other_model_promotes_nothing(tmp_path: Path, made: MadeCommands) -> None:
    record = _round(_loop(tmp_path, [_SEARCH, _EVALUATE, _GATE], rounds=1), 1)
    assert (record.promoted, record.why) == (False, "the round has made no other model")


def test_a_gate_needs_an_evaluation(tmp_path: Path, made: MadeCommands) -> None:
    with pytest.raises(UserMistake, match="expected a stage 'evaluate' before it, got search, gate"):
        _loop(tmp_path, [_SEARCH, _GATE])
    assert not made.calls


def test_problems_that_are_solved_always_or_never_are_given_less(
    tmp_path: Path, made: MadeCommands
) -> None:
    def right(model: str, problem: str) -> int:
        return {0: 0, 1: 2, 2: 4}[len(problem) % 3]

    made.right = right
    difficulty = {"easy": 0.85, "hard": 0.15, "keep": 0}
    folder = _loop(tmp_path, [_SEARCH], difficulty=difficulty)
    prompts = {}
    for number in (1, 2):
        config = load_config(folder.config_file(f"round-{number}"))
        source = open_source(config.problems, config.seed, config.prompt.parsed)
        prompts[number] = {row.prompt for row in source.rows() if isinstance(row, Problem)}
    assert prompts[2] == {one for one in prompts[1] if len(one) % 3 == 1}
    assert prompts[2] < prompts[1]


def test_new_problems_come_into_the_next_round(tmp_path: Path, made: MadeCommands) -> None:
    folder = _loop(tmp_path, [_SEARCH, _EVALUATE, {"use": "vary", "kinds": ["numbers"]}])
    more = str(folder.evaluation_folder(1, "vary") / "problems.jsonl")
    assert _config(folder, "round-1")["problems"]["more"] == []
    assert _config(folder, "round-2")["problems"]["more"] == [more]
    call = next(call for call in made.calls if call[0] == "vary")
    against = Path(call[call.index("--against") + 1]).read_text().splitlines()
    assert len(against) == len(json.loads(json.dumps(against))) > 0


def test_evaluation_problems_that_differ_in_case_alone_are_refused(
    tmp_path: Path, made: MadeCommands
) -> None:
    train, test = tmp_path / "train.jsonl", tmp_path / "test.jsonl"
    rows = [{"prompt": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(10)]
    train.write_text("\n".join(map(json.dumps, rows)))
    test.write_text(json.dumps({"prompt": "what IS  7 + 1?\n", "answer": "8"}))
    run = {**_RUN, "problems": {"use": "file", "preset": "plain", "path": str(train)}}
    with pytest.raises(BerryError, match=r"no round trains on, but run.problems has .*7 \+ 1"):
        _loop(tmp_path, [_SEARCH, _EVALUATE], run=run, evaluation={"problems": str(test)})
    assert not made.calls


def test_every_round_is_told_in_a_row(tmp_path: Path, made: MadeCommands) -> None:
    made.right = lambda model, problem: 1 if model == "base-model" else 3
    stages = [_SEARCH, {"use": "prm"}, _POLICY, _EVALUATE, _GATE]
    told = describe(_loop(tmp_path, stages)).splitlines()
    assert told[1].split()[:4] == ["round", "problems", "pass", "rate"]
    assert [line.split()[0] for line in told[2:5]] == ["0", "1", "2"]
    assert "0.900" in told[3]
    assert "0.250" in told[2]
    assert "0.750" in told[3]
    assert "promoted: pass@1 changed by +0.500" in told[5]


def test_stages_are_named_by_their_class() -> None:
    config = LoopConfig.model_validate({"output": "x", "run": _RUN, "stages": [_SEARCH]})
    assert config.name_of(config.stages[0]) == "search"
