"""Mistakes that would waste hours of training are one line, and what was done stays."""

import errno
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from pipeline.config import ConfigError
from pipeline.datasets.folder import FolderError
from pipeline.derive.export import export_view
from pipeline.errors import BerryError, RunFailure
from pipeline.training.errors import TrainError
from pipeline.training.policy import train
from pipeline.training.policy.evaluate import berry_run
from pipeline.training.policy.manifest import Manifest
from pipeline.training.policy.trainers import Diverged
from reward_models.training import checkpoints
from tests.policy_runs import ENGINE, MadeRuns, policy_problem, policy_run
from tests.tiny_models import base_model, sentence_piece

QUICK = ("max_steps=2", "learning_rate=0.01", "checkpoint_steps=1", "eval_rollouts=0")
MEASURED = ("max_steps=2", "eval_rollouts=2", "held_out=0.3")


def ignore(_: object) -> None:
    """Shows no progress."""


def never(*_: object) -> None:
    """Stands for a measurement that must not be made."""
    raise AssertionError


def refused(
    data: list[Path], base: Path | str, output: Path, *options: str, run: Any = never
) -> BerryError:
    with pytest.raises(BerryError) as raised:
        train.train_policy(data, str(base), output, options, ignore, run)
    assert "\n" not in str(raised.value)
    assert not (output / "config.json").exists()
    return raised.value


def test_a_run_without_survivors(base: Path, tmp_path: Path, tokenizer: Any) -> None:
    run = policy_run(tmp_path / "run", tokenizer, [False, False])
    assert "expected survivors to train on, got none" in str(
        refused([run], base, tmp_path / "o", *QUICK)
    )
    pairs = refused([run], base, tmp_path / "o", *QUICK, "method=dpo")
    assert "expected pairs of a better and a worse text to train on, got none" in str(pairs)
    outcomes = refused([run], base, tmp_path / "o", *QUICK, "method=kto")
    assert "expected right and wrong responses for method=kto, got" in str(outcomes)
    assert not (tmp_path / "o").exists()


def test_rows_that_are_all_too_long(data: Path, base: Path, tmp_path: Path) -> None:
    error = refused([data], base, tmp_path / "o", *QUICK, "max_length=9")
    assert "expected examples to train on, got none of" in str(error)
    assert "are longer than max_length, 0 have no tokens, 0 are held out" in str(error)


def test_a_base_of_another_tokenizer(data: Path, tmp_path: Path) -> None:
    other = base_model(tmp_path / "other", sentence_piece())
    error = refused([data], other, tmp_path / "o", *QUICK)
    assert "its tokenizer reads other text from" in str(error)


def test_a_base_with_a_smaller_vocabulary(data: Path, tmp_path: Path, tokenizer: Any) -> None:
    small = base_model(tmp_path / "small", tokenizer)
    config = json.loads((small / "config.json").read_text())
    (small / "config.json").write_text(json.dumps(config | {"vocab_size": 20}))
    error = refused([data], small, tmp_path / "o", *QUICK)
    assert "its vocabulary ends at 19" in str(error)


@pytest.mark.parametrize("name", ["missing/model/folder", "./missing"])
def test_a_base_that_is_not_there(data: Path, tmp_path: Path, name: str) -> None:
    error = refused([data], name, tmp_path / "o", *QUICK)
    assert str(error) == f"--base {name}: expected a model folder, but {name} does not exist"


def test_a_folder_without_data(base: Path, tmp_path: Path) -> None:
    assert isinstance(refused([tmp_path], base, tmp_path / "o", *QUICK), FolderError)


def test_options_that_do_not_go_together(data: Path, base: Path, tmp_path: Path) -> None:
    for options in (["method=kto", "batch_size=1"], ["eval_rollouts=0", "eval_every=3"], ["epoch=2"]):
        assert isinstance(refused([data], base, tmp_path / "o", *options), ConfigError)


def test_problems_to_measure_with_that_are_trained_on(data: Path, base: Path, tmp_path: Path) -> None:
    """The same question in another layout and with another id, too."""
    questions = tmp_path / "questions.jsonl"
    rows = [
        {"question": "what is  7 + 7?", "answer": "#### 14 apples"},
        {"question": "New?", "answer": "#### 1"},
    ]
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = ["max_steps=2", "held_out=0", f"eval_problems={questions}"]
    error = refused([data], base, tmp_path / "o", *options)
    assert isinstance(error, TrainError)
    assert "expected problems that are not trained on, got 1 of 2 that are" in str(error)


def test_other_problems_can_be_measured_with(
    data: Path, base: Path, tmp_path: Path, tokenizer: Any
) -> None:
    questions = tmp_path / "questions.jsonl"
    questions.write_text(json.dumps({"question": "What is 70 + 70?", "answer": "#### 140"}) + "\n")
    runs = MadeRuns(tokenizer, {"step-0": [False, True], "step-2": [True, True]})
    options = ["max_steps=2", "eval_rollouts=2", f"eval_problems={questions}"]
    result = train.train_policy([data], str(base), tmp_path / "o", options, ignore, runs)
    first, last = result.manifest.measurements
    assert list(first.per_problem.values()) == [0.5]
    assert list(last.per_problem.values()) == [1]


def test_nothing_is_measured_on_variants_of_other_problems(
    base: Path, tmp_path: Path, tokenizer: Any
) -> None:
    problems = {"use": "file", "path": "p", "variants": {"numbers": 2}}
    data = policy_run(tmp_path / "data", tokenizer, problems=problems)
    questions = tmp_path / "questions.jsonl"
    worked = {"question": "Ann has 48 clips and buys 15 more. How many?", "answer": "48+15=63\n#### 63"}
    questions.write_text(json.dumps(worked) + "\n")
    runs = MadeRuns(tokenizer, {"step-0": [False, True], "step-2": [True, True]})
    options = ["max_steps=2", "eval_rollouts=2", f"eval_problems={questions}"]
    result = train.train_policy([data], str(base), tmp_path / "o", options, ignore, runs)
    assert len(result.manifest.measurements[0].per_problem) == 1


def test_data_that_cannot_say_how_to_measure(
    data: Path, base: Path, tmp_path: Path, tokenizer: Any
) -> None:
    export_view(data, "traces", tmp_path / "exported")
    alone = refused([tmp_path / "exported"], base, tmp_path / "o1", *MEASURED)
    assert "expected a run folder in --data" in str(alone)
    simulated = policy_run(tmp_path / "simulated", tokenizer, engine={"use": "simulated"})
    error = refused([simulated], base, tmp_path / "o2", *MEASURED)
    assert "expected a run whose engine loads a model, got engine.use=simulated" in str(error)
    other = policy_run(tmp_path / "other", tokenizer, prompt={"template": "Say: {problem}"})
    error = refused([data, other], base, tmp_path / "o3", *MEASURED)
    assert "expected runs with the same `prompt` section" in str(error)
    train.train_policy([tmp_path / "exported"], str(base), tmp_path / "o4", QUICK, ignore, never)


def test_a_mistake_in_the_config_of_measurements_is_found_before_training(
    data: Path, base: Path, tmp_path: Path
) -> None:
    error = refused([data], base, tmp_path / "o", *MEASURED, "eval_config={sampling.tempature: 0}")
    assert isinstance(error, ConfigError)
    assert "tempature" in str(error)


def test_a_folder_with_other_contents_or_another_training(
    data: Path, base: Path, tmp_path: Path, tokenizer: Any
) -> None:
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "mine.txt").touch()
    assert "expected an empty or new folder, found mine.txt" in str(
        refused([data], base, tmp_path / "o", *QUICK)
    )
    train.train_policy([data], str(base), tmp_path / "p", QUICK, ignore)
    for options, what in (
        ([*QUICK, "seed=1"], "rows of the data, settings"),
        ([*QUICK, "beta=1"], "settings"),
    ):
        with pytest.raises(
            TrainError, match=f"expected the same {what} as when the training there began"
        ):
            train.train_policy([data], str(base), tmp_path / "p", options, ignore)
    (tmp_path / "orm").mkdir()
    (tmp_path / "orm" / "training.json").write_text('{"kind": "orm"}')
    assert "found a training.json of something else" in str(
        refused([data], base, tmp_path / "orm", *QUICK)
    )


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_a_training_that_diverges_stops_and_keeps_its_checkpoint(
    data: Path, base: Path, tmp_path: Path, method: str
) -> None:
    output = tmp_path / "o"
    options = [*QUICK, f"method={method}", "max_steps=20", "learning_rate=1e30", "warmup=0"]
    error = refused([data], base, output, *options)
    assert isinstance(error, Diverged)
    assert "is not a number at step" in str(error)
    step = checkpoints.last_whole(output / checkpoints.FOLDER)
    assert step is not None
    manifest = Manifest.read(output)
    assert manifest is not None
    assert manifest.result is None


def test_gradients_without_a_value_do_not_reach_the_weights(
    data: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.training.policy import fit

    monkeypatch.setattr(fit, "gradients", lambda model: iter([torch.tensor([1.0, float("inf")])]))
    error = refused([data], base, tmp_path / "o", *QUICK)
    assert "a gradient is not a number at step 0" in str(error)


def test_a_full_disk_is_one_line_and_the_training_goes_on_from_there(
    data: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(train, "write_model", full)
        error = refused([data], base, tmp_path / "o", *QUICK)
    assert isinstance(error, RunFailure)
    assert str(error) == f"--output {tmp_path / 'o'}: cannot be written (No space left on device)"
    assert train.train_policy([data], str(base), tmp_path / "o", QUICK, ignore).resumed_at == 2
    AutoModelForCausalLM.from_pretrained(tmp_path / "o")


def test_a_measurement_that_fails_names_its_last_line(tmp_path: Path) -> None:
    config = tmp_path / "bad.yaml"
    config.write_text("output: o\nproblem: 1\n")
    with pytest.raises(
        RunFailure, match=r"the measurement by `berry run .*bad.yaml` failed: .*problem"
    ):
        berry_run(config, [], tmp_path / "log")


def test_the_problems_to_measure_with_are_the_runs_own(tmp_path: Path, tokenizer: Any) -> None:
    """Solved or not, with their ids, and those of a repeated run once."""
    from pipeline.training.policy.held_out import held_out_problems

    run = policy_run(tmp_path / "run", tokenizer, [False], engine=ENGINE)
    found = held_out_problems([run, run], 0.5, 0, 100)
    assert {one.id for one in found} < {policy_problem(number).id for number in range(20)}
    assert 3 < len(found) < 17
    assert held_out_problems([run], 0.5, 0, 2) == found[:2]
