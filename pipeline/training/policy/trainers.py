"""Trainers on the token ids of the trees, TRL's and one of berry's own, with every step watched.

SFTTrainer takes prepared `input_ids` and `labels`. DPOTrainer and KTOTrainer tokenise text before they
train; what they make of it are columns of token ids. Here these columns are given directly, and their
preparation is skipped, so losses and metrics are TRL's and every token is the run's.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import torch
from torch.utils.data import SequentialSampler
from transformers import TrainingArguments
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, SFTConfig, SFTTrainer

from pipeline.training.errors import TrainError
from pipeline.training.policy.examples import Example
from pipeline.training.policy.ppo import TreeTrainer
from pipeline.training.policy.settings import Method
from reward_models.training.trainer import ByLength

_TOKENS = pa.list_(pa.int32())
_NOT_IN_LOSS = -100


class Diverged(TrainError):
    """The loss or a gradient is not a number."""

    def __init__(self, what: str, step: int) -> None:
        super().__init__(
            f"{what} is not a number at step {step}: the training has diverged; its last checkpoint "
            "stays. Try a lower learning_rate, or precision=float32, with a new --output"
        )


class _Watched:
    """Stops a training whose loss is not a number, and fixes the order of its data.

    It is mixed into trainers of TRL, which has no types: hence `type: ignore` where it uses theirs.
    """

    lengths: Sequence[int]
    """Tokens of each training example."""
    in_order: bool = False
    """Whether batches are made of neighbouring examples."""

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **more: Any) -> Any:
        """The loss. Raises Diverged if it is not a number."""
        found = super().compute_loss(model, inputs, return_outputs=return_outputs, **more)  # type: ignore[misc]
        loss = found[0] if return_outputs else found
        if not torch.isfinite(loss).all():
            raise Diverged("the loss", self.state.global_step)  # type: ignore[attr-defined]
        return found

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        """An order that depends on seed and epoch alone, so that a resumed training sees the rest."""
        if self.in_order:
            return SequentialSampler(train_dataset or self.train_dataset)  # type: ignore[attr-defined]
        args = self.args  # type: ignore[attr-defined]
        return ByLength(self.lengths, args.train_batch_size, args.seed)

    def _send_telemetry(self) -> None:
        """Nobody is told about a training."""

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        """The columns are token ids already."""
        return dataset


class SftOnIds(_Watched, SFTTrainer):  # type: ignore[misc]
    """Supervised fine-tuning."""


class DpoOnIds(_Watched, DPOTrainer):  # type: ignore[misc]
    """Direct preference optimisation."""


class KtoOnIds(_Watched, KTOTrainer):  # type: ignore[misc]
    """Kahneman-Tversky optimisation. Its batches are fixed: each prompt is also read with the response
    to its neighbour, to estimate the divergence from the base."""

    in_order = True


class PpoOnTrees(_Watched, TreeTrainer):
    """Proximal policy optimisation with the trees' advantages."""


TRAINERS: dict[Method, tuple[Any, Any]] = {
    "sft": (SftOnIds, SFTConfig),
    "dpo": (DpoOnIds, DPOConfig),
    "kto": (KtoOnIds, KTOConfig),
    "ppo": (PpoOnTrees, TrainingArguments),
}
"""Method -> trainer and the class of its arguments."""


def table_of(method: Method, examples: Sequence[Example], batch_size: int, seed: int) -> Any:
    """The examples as a dataset with the columns that the method's trainer of TRL reads."""
    if method == "kto":
        examples = _shuffled(examples, seed)
    columns: dict[str, pa.Array] = {
        "sft": _sft_columns,
        "dpo": _dpo_columns,
        "kto": _kto_columns,
    }[method](examples, batch_size)
    return datasets.Dataset(pa.table(columns))


def _sft_columns(examples: Sequence[Example], _: int) -> dict[str, pa.Array]:
    return {
        "input_ids": _tokens([*one.prompt, *one.answers[0]] for one in examples),
        "labels": _tokens([*[_NOT_IN_LOSS] * len(one.prompt), *one.answers[0]] for one in examples),
    }


def _dpo_columns(examples: Sequence[Example], _: int) -> dict[str, pa.Array]:
    return {
        "prompt_ids": _tokens(one.prompt for one in examples),
        "chosen_ids": _tokens(one.answers[0] for one in examples),
        "rejected_ids": _tokens(one.answers[1] for one in examples),
    }


def _kto_columns(examples: Sequence[Example], batch_size: int) -> dict[str, pa.Array]:
    """Within a batch, each prompt gets the response before its own as the unrelated one."""
    answers = [one.answers[0] for one in examples]
    unrelated = []
    for begin in range(0, len(answers), batch_size):
        batch = answers[begin : begin + batch_size]
        unrelated += [batch[-1], *batch[:-1]]
    return {
        "prompt_ids": _tokens(one.prompt for one in examples),
        "completion_ids": _tokens(answers),
        "KL_completion_ids": _tokens(unrelated),
        "label": pa.array([one.label for one in examples]),
    }


def _tokens(rows: Any) -> pa.Array:
    return pa.array([np.asarray(row, dtype=np.int32) for row in rows], type=_TOKENS)


def _shuffled(examples: Sequence[Example], seed: int) -> list[Example]:
    order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(seed))
    return [examples[index] for index in order.tolist()]


def gradients(model: Any) -> Iterator[torch.Tensor]:
    """The gradients of a model's trained weights."""
    for weights in model.parameters():
        if weights.grad is not None:
            yield weights.grad
