"""`berry train policy` learns the tree's own tokens, and goes on where it was killed."""

import functools
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from pipeline.datasets.folder import RunFolder
from pipeline.training.errors import AlreadyTrained
from pipeline.training.policy.evaluate import prepare
from pipeline.training.policy.examples import Example, read_split
from pipeline.training.policy.fit import Training, _make_trainer
from pipeline.training.policy.manifest import Manifest
from pipeline.training.policy.report import describe, facts
from pipeline.training.policy.settings import PolicySettings
from pipeline.training.policy.train import PolicyResult, train_policy
from reward_models.training import checkpoints
from reward_models.training.examples import is_held_out
from tests.conftest import ROOT, Berry
from tests.policy_runs import MadeRuns, policy_problem, policy_run

Whole = Callable[[str], PolicyResult]
OPTIONS = ("max_steps=4", "batch_size=8", "learning_rate=0.01", "checkpoint_steps=1", "held_out=0.3")
QUICK = (*OPTIONS, "eval_rollouts=0")


def ignore(_: object) -> None:
    """Shows no progress."""


def train(
    data: Path, base: Path, output: Path, *options: str, advance: Callable[[Any], None] = ignore
) -> PolicyResult:
    return train_policy([data], str(base), output, [*QUICK, *options], advance)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, data: Path, base: Path) -> Whole:
    """An undisturbed training with an option, made once."""

    @functools.cache
    def make(option: str) -> PolicyResult:
        return train(data, base, tmp_path_factory.mktemp("whole") / "policy", option)

    return make


def weights(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = AutoModelForCausalLM.from_pretrained(folder).state_dict()
    return found


def assert_same(first: Path, second: Path) -> None:
    there = weights(second)
    for name, values in weights(first).items():
        assert torch.equal(values, there[name]), name


def batch_of(
    data: Path, base: Path, folder: Path, method: str
) -> tuple[list[Example], dict[str, torch.Tensor]]:
    """The training examples and what the trainer's collator makes of all of them."""
    settings = PolicySettings(method=method, batch_size=64)  # type: ignore[arg-type]
    found = read_split([data], settings, 512)
    training = Training(
        base=str(base),
        tokenizer=AutoTokenizer.from_pretrained(base),
        found=found,
        settings=settings,
        checkpoints=folder,
        advance=ignore,
    )
    trainer = _make_trainer(training, until=1, is_new=True)
    rows = [trainer.train_dataset[index] for index in range(len(trainer.train_dataset))]
    return found.train, trainer.data_collator(rows)


def masked(ids: torch.Tensor, mask: torch.Tensor) -> list[int]:
    return [int(one) for one, counts in zip(ids, mask, strict=True) if counts]


def test_sft_learns_the_sampled_tokens_of_survivors_alone(
    data: Path, base: Path, tmp_path: Path, tokenizer: Any
) -> None:
    examples, batch = batch_of(data, base, tmp_path, "sft")
    assert len(examples) == len(batch["labels"]) > 10
    for example, ids, labels in zip(examples, batch["input_ids"], batch["labels"], strict=True):
        length = example.longest
        assert ids[:length].tolist() == [*example.prompt, *example.answers[0]]
        assert masked(labels, labels != -100) == list(example.answers[0])
        assert labels[length - 1] == tokenizer.eos_token_id
        assert tokenizer.decode(example.answers[0]).startswith("First we add")


def test_dpo_compares_the_sampled_tokens_of_both_texts(data: Path, base: Path, tmp_path: Path) -> None:
    examples, batch = batch_of(data, base, tmp_path, "dpo")
    chosen, rejected = batch["input_ids"].chunk(2)
    chosen_mask, rejected_mask = batch["completion_mask"].chunk(2)
    assert len(examples) == len(chosen) > 10
    for row, example in enumerate(examples):
        assert masked(chosen[row], chosen_mask[row]) == list(example.answers[0])
        assert masked(rejected[row], rejected_mask[row]) == list(example.answers[1])
        assert chosen[row][: len(example.prompt)].tolist() == list(example.prompt)


def test_kto_has_each_response_with_its_label_and_an_unrelated_one(
    data: Path, base: Path, tmp_path: Path
) -> None:
    examples, batch = batch_of(data, base, tmp_path, "kto")
    learnt = [
        (masked(ids, mask), bool(label))
        for ids, mask, label in zip(
            batch["input_ids"], batch["completion_mask"], batch["label"], strict=True
        )
    ]
    assert sorted(learnt) == sorted((list(one.answers[0]), bool(one.label)) for one in examples)
    unrelated = [
        masked(ids, mask)
        for ids, mask in zip(batch["KL_input_ids"], batch["KL_completion_mask"], strict=True)
    ]
    assert unrelated == [learnt[-1][0], *(answer for answer, _ in learnt[:-1])]


@pytest.mark.parametrize("method", ["sft", "dpo", "kto"])
def test_a_trained_policy_is_a_model_folder_with_the_bases_tokenizer(
    data: Path, base: Path, whole: Whole, method: str
) -> None:
    result = whole(f"method={method}")
    output = result.output
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert (output / name).read_bytes() == (base / name).read_bytes()
    configs = [json.loads((one / "config.json").read_text()) for one in (base, output)]
    assert configs[0] == configs[1]
    modes = {file.stat().st_mode for file in (output).iterdir() if file.is_file()}
    assert len(modes) == 1
    before, after = weights(base), weights(output)
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert not (output / checkpoints.FOLDER).exists()
    manifest = Manifest.read(output)
    assert manifest is not None
    assert manifest.result is not None
    ids = {policy_problem(number).id for number in range(20)}
    held = {one for one in ids if is_held_out(one, 0.3, 0)}
    assert set(manifest.result.train_problems) == ids - held
    first, last = (manifest.result.figure("held_out_loss", first=first) for first in (True, False))
    assert first is not None
    assert last is not None
    # A rate so high for KTO moves away from right responses, too.
    assert last < first or method == "kto"
    assert f"{manifest.result.num_tokens:,} tokens in the loss" in describe(result, 1)
    with pytest.raises(AlreadyTrained, match="nothing was done"):
        train(data, base, output, f"method={method}")


def test_lora_is_merged_and_its_adapter_kept(base: Path, whole: Whole) -> None:
    from peft import PeftModel

    output = whole("lora_rank=4").output
    model = AutoModelForCausalLM.from_pretrained(base)
    merged = PeftModel.from_pretrained(model, output / "adapter").merge_and_unload()
    for name, values in weights(output).items():
        torch.testing.assert_close(values, merged.state_dict()[name], rtol=1e-5, atol=1e-6)
    before = weights(base)
    assert any(not torch.equal(before[name], values) for name, values in merged.state_dict().items())


def test_longer_sequences_are_left_out_whole_and_counted(data: Path) -> None:
    settings = PolicySettings(held_out=0)
    whole = read_split([data], settings, 512)
    lengths = sorted(example.longest for example in whole.train)
    found = read_split([data], settings, lengths[-1] - 1)
    kept = [length for length in lengths if length < lengths[-1]]
    assert sorted(example.longest for example in found.train) == kept
    assert found.num_too_long == len(lengths) - len(kept) > 0


_KILLED = """
    import os, signal, sys
    from pathlib import Path
    from tests.unit.pipeline.training.test_policy import train

    def kill(now):
        if now.step == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    data, base, output = map(Path, sys.argv[1:])
    train(data, base, output, advance=kill)
"""


def test_a_killed_training_goes_on_to_the_same_weights(
    data: Path, base: Path, tmp_path: Path, whole: Whole
) -> None:
    """Killed at step 3, with checkpoints at 1 and 2, of which the later one was being written."""
    folders = map(str, (data, base, tmp_path / "cut"))
    command = [sys.executable, "-c", textwrap.dedent(_KILLED), *folders]
    killed = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert killed.returncode == -signal.SIGKILL
    folder = tmp_path / "cut" / checkpoints.FOLDER
    latest = checkpoints.at(folder, 2)
    (latest / "whole").unlink()
    (latest / "optimizer.pt").write_bytes(b"half")
    assert train(data, base, tmp_path / "cut").resumed_at == 1
    assert_same(whole("method=sft").output, tmp_path / "cut")


@pytest.mark.parametrize("option", ["method=dpo", "method=kto", "method=ppo", "lora_rank=4"])
def test_every_interrupted_training_goes_on_to_the_same_weights(
    data: Path, base: Path, tmp_path: Path, whole: Whole, option: str
) -> None:
    class Interrupted(Exception):
        pass

    def interrupt(now: Any) -> None:
        if now.step == 3:
            raise Interrupted

    with pytest.raises(Interrupted):
        train(data, base, tmp_path / "cut", option, advance=interrupt)
    assert train(data, base, tmp_path / "cut", option).resumed_at == 2
    assert_same(whole(option).output, tmp_path / "cut")


def test_measurements_on_the_way_change_no_weight(
    data: Path, base: Path, tmp_path: Path, tokenizer: Any, whole: Whole
) -> None:
    """The base, the model of step 2 and the trained one are measured on problems not trained on."""
    runs = MadeRuns(
        tokenizer,
        {"step-0": [False, False], "step-2": [True, False], "step-4": [True, True]},
    )
    options = [*OPTIONS, "eval_rollouts=2", "eval_every=2", "eval_limit=3"]
    output = tmp_path / "policy"
    result = train_policy([data], str(base), output, options, ignore, runs)
    folder = output.absolute()
    assert runs.models == [str(base), str(folder / "eval" / "model-2"), str(folder)]
    assert not (folder / "eval" / "model-2").exists()
    found = {one.step: one for one in result.manifest.measurements}
    assert {step: one.accuracies[0].value for step, one in found.items()} == {0: 0, 2: 0.5, 4: 1}
    assert found[2].accuracies[-1].value == 1
    assert all(is_held_out(problem, 0.3, 0) for problem in found[0].per_problem)
    assert len(found[0].per_problem) == 3
    text = describe(result, 1)
    assert "pass@1     base 0.000 (0.000 to 0.000), step 2 0.500" in text
    assert "pass@1 changed by +1.000" in text
    assert [one["problems"] for one in facts(result, 1)["measurements"]] == [3, 3, 3]
    json.dumps(facts(result, 1))
    assert_same(whole("method=sft").output, output)


def test_measurements_have_the_sandbox_of_the_run(tmp_path: Path, tokenizer: Any) -> None:
    run = policy_run(tmp_path / "run", tokenizer)
    settings = PolicySettings(eval_rollouts=2, held_out=0.3)
    found = read_split([run], settings, 512)
    for sandbox in (None, {"allow_weak": True, "preload": ["numpy"]}):
        folder = RunFolder.reopen(run)
        folder.change_run(sandbox=sandbox)
        folder.close()
        measuring = prepare([run], found, tmp_path / "policy", settings, MadeRuns(tokenizer, {}))
        assert measuring is not None
        assert measuring.config.get("sandbox") == sandbox
        measuring.check()


def test_a_failed_measurement_leaves_the_model_and_is_made_again(
    data: Path, base: Path, tmp_path: Path, tokenizer: Any
) -> None:
    class Lost(Exception):
        pass

    runs = MadeRuns(tokenizer, {"step-0": [False, True], "step-4": [True, True]})

    def lost(config: Path, overrides: Any, log: Path) -> None:
        if config.stem == "step-4":
            raise Lost
        runs(config, overrides, log)

    options = [*OPTIONS, "eval_rollouts=2"]
    with pytest.raises(Lost):
        train_policy([data], str(base), tmp_path / "policy", options, ignore, lost)
    before = weights(tmp_path / "policy")
    result = train_policy([data], str(base), tmp_path / "policy", options, ignore, runs)
    assert runs.models == [str(base), str((tmp_path / "policy").absolute())]
    assert [one.step for one in result.manifest.measurements] == [0, 4]
    for name, values in weights(tmp_path / "policy").items():
        assert torch.equal(values, before[name])


def test_the_command_reports_in_words_and_as_json(
    here: Berry, data: Path, base: Path, tmp_path: Path
) -> None:
    command = ["train", "policy", "--data", data, "--base", base, *QUICK]
    words = here(*command, "--output", tmp_path / "words")
    assert words.returncode == 0, words.stderr
    assert words.stdout.startswith(f"policy     {tmp_path / 'words'}, from {base} by sft, in ")
    assert words.stderr.startswith("training 0/4, held out loss ")
    found = json.loads(here(*command, "--output", tmp_path / "facts", "--json").stdout)
    assert (found["method"], found["num_steps"], found["measurements"]) == ("sft", 4, [])
    assert found["held_out_loss"] < found["held_out_loss_before"]
    again = here(*command, "--output", tmp_path / "facts", "--json")
    assert (again.returncode, again.stdout) == (0, "")
    assert "already holds a trained policy; nothing was done" in again.stderr
