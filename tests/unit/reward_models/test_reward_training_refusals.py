"""Problems that would waste hours of training are reported first; users' files stay intact."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    GPT2Config,
)

from reward_models.errors import RewardModelError
from reward_models.manifest import TrainedModel
from reward_models.training.examples import Labelled
from tests.labelled_responses import labelled, responses, run, settings
from tests.tiny_models import base_model, byte_level, reward_model, sentence_piece


def _other_tokenizer(folder: Path) -> tuple[Path, list[Labelled]]:
    return base_model(folder, sentence_piece()), responses(byte_level())


def _no_template(folder: Path) -> tuple[Path, list[Labelled]]:
    tokenizer = byte_level()
    tokenizer.chat_template = None
    return base_model(folder, tokenizer), responses(tokenizer)


def _all(target: float | None) -> Callable[[Path], tuple[Path, list[Labelled]]]:
    def make(folder: Path) -> tuple[Path, list[Labelled]]:
        tokenizer = byte_level()
        data = [labelled(tokenizer, [target] * 4, f"problem {n}") for n in range(20)]
        return base_model(folder, tokenizer), data

    return make


def _other_head(folder: Path) -> tuple[Path, list[Labelled]]:
    tokenizer = byte_level()
    reward_model(folder, "orm", tokenizer)
    made = AutoModelForSequenceClassification.from_pretrained(
        folder, num_labels=5, ignore_mismatched_sizes=True
    )
    made.save_pretrained(folder)
    return folder, responses(tokenizer)


def _broken_weights(folder: Path) -> tuple[Path, list[Labelled]]:
    tokenizer = byte_level()
    base_model(folder, tokenizer)
    made = AutoModelForTokenClassification.from_pretrained(folder)
    made.model.embed_tokens.weight.data.fill_(float("nan"))
    made.save_pretrained(folder)
    return folder, responses(tokenizer)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (_no_template, "expected a model with a chat template, got one without"),
        (_other_tokenizer, "its tokenizer reads other text from"),
        (_all(1.0), "expected positive and negative labels, got only positive ones"),
        (_all(0.0), "expected positive and negative labels, got only negative ones"),
        (_all(None), "expected labelled responses to train on, got none"),
        (
            _other_head,
            "expected a language model, or a reward model with a head of 2 labels, got one with 5",
        ),
        (_broken_weights, "the loss is nan at step 0: expected a number"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_problem_that_would_waste_hours_is_one_line(
    tmp_path: Path, make: Any, complaint: str
) -> None:
    base, data = make(tmp_path / "base")
    with pytest.raises(RewardModelError, match=complaint) as raised:
        run(base, data, tmp_path / "prm")
    assert "\n" not in str(raised.value)
    assert TrainedModel.read(tmp_path / "prm") is None


def test_a_solver_without_a_chat_template_can_be_allowed(tmp_path: Path) -> None:
    base, data = _no_template(tmp_path / "base")
    assert run(base, data, tmp_path / "prm", require_chat_template=False, max_steps=1).num_train


def test_more_frozen_layers_than_there_are_is_one_line(tmp_path: Path) -> None:
    base = base_model(tmp_path / "base")
    with pytest.raises(RewardModelError, match=r"freeze_layers=9: expected at most .* which has 2"):
        run(base, responses(byte_level()), tmp_path / "prm", freeze_layers=9)


def test_new_layers_on_an_unknown_architecture_is_one_line(tmp_path: Path) -> None:
    """GPT-2 names its layers and their parts differently."""
    tokenizer = byte_level()
    config = GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=1, n_head=2)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    with pytest.raises(RewardModelError, match=r"new_layers=1: expected a decoder such as Llama"):
        run(tmp_path / "base", responses(tokenizer), tmp_path / "prm", new_layers=1)
    with pytest.raises(ValueError, match="expected new_layers or lora_rank, got both"):
        settings(new_layers=1, lora_rank=4)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    base, output = base_model(tmp_path / "base"), tmp_path / "output"
    output.mkdir()
    (output / "notes.txt").write_text("mine")
    with pytest.raises(RewardModelError, match=r"expected an empty or new folder, found notes\.txt"):
        run(base, responses(byte_level()), output)
    assert [path.name for path in output.iterdir()] == ["notes.txt"]
