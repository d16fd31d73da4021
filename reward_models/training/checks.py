"""Checks for problems that would waste hours of training; each error is one line for the user."""

from collections.abc import Sequence
from typing import Any

from reward_models.errors import RewardModelError
from reward_models.records import Steps
from reward_models.serving.inputs import reads_as
from reward_models.training.examples import Labelled, Split

_NUM_CHECKED = 64


def check_tokenizer(base: str, tokenizer: Any, responses: Sequence[Labelled]) -> None:
    """Raises RewardModelError if the ids do not belong to the base model's tokenizer."""
    some = [
        Steps(
            prompt="",
            prompt_token_ids=one.prompt_token_ids,
            texts=one.texts,
            token_ids=one.step_token_ids,
        )
        for one in responses[:: max(1, len(responses) // _NUM_CHECKED)]
    ]
    num_read = sum(reads_as(tokenizer, [steps]) for steps in some)
    if num_read < len(some) / 2:
        raise RewardModelError(
            f"--base {base}: expected the model, or one with the tokenizer, that sampled the data; its "
            f"tokenizer reads other text from {len(some) - num_read} of {len(some)} responses' ids"
        )


def check_chat_template(base: str, tokenizer: Any) -> None:
    """Raises RewardModelError for a tokenizer without a chat template."""
    if not getattr(tokenizer, "chat_template", None):
        raise RewardModelError(
            f"--base {base}: expected a model with a chat template, got one without; if the solver has "
            "none either, add require_chat_template=false"
        )


def check_head(base: str, config: Any) -> None:
    """Raises RewardModelError for a base model whose own head does not have two labels."""
    (architecture, *_) = config.architectures or [""]
    classifies = architecture.endswith(("ForTokenClassification", "ForSequenceClassification"))
    if classifies and config.num_labels != 2:
        raise RewardModelError(
            f"--base {base}: expected a language model, or a reward model with a head of 2 labels, got "
            f"one with {config.num_labels}"
        )


def check_labels(found: Split) -> None:
    """Raises RewardModelError without examples, or if all labels are of one class."""
    if not found.train:
        why = (
            f"{found.num_too_long} responses are longer than max_length"
            if found.num_too_long
            else (f"{found.num_unlabelled} responses have no label")
        )
        raise RewardModelError(
            f"--data: expected labelled responses to train on, got none ({why}, "
            f"{len(found.held_out)} are held out)"
        )
    targets = [target for example in found.train for target in example.targets]
    if max(targets) <= 0:
        raise RewardModelError(
            f"--data: expected positive and negative labels, got only negative ones ({len(targets)}); "
            "easier problems or more rollouts give some that pass"
        )
    if min(targets) >= 1:
        raise RewardModelError(
            f"--data: expected positive and negative labels, got only positive ones ({len(targets)}); "
            "harder problems give some that fail"
        )
