"""transformers' Trainer, with the loss only at labelled positions.

The loss is cross-entropy against the targets, each weighted. With fractions of passes as targets and
numbers of trials as weights this is, up to a factor, the binomial log-likelihood of the rollouts'
outcomes. Weights are relative to the mean weight of all examples, not of their batch, since in a batch
of one every weight would count the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import torch
from torch.nn import functional
from torch.utils.data import Dataset, Sampler
from transformers import Trainer

from reward_models.errors import RewardModelError
from reward_models.evaluation.quality import measure
from reward_models.training.examples import Example

Batch = dict[str, torch.Tensor]
_POOL_BATCHES = 50
"""Batches whose examples are sorted by length together."""
_EPOCHS = 1_000_003
"""Larger than any epoch number, so that no two seeds lead to the same order."""


class Examples(Dataset[Example]):
    """Examples as a torch dataset, their weights scaled to a mean of 1."""

    def __init__(self, examples: Sequence[Example]) -> None:
        weights = [weight for example in examples for weight in example.weights]
        mean_weight = fmean(weights) if weights else 1.0
        self._examples = [
            replace(example, weights=tuple(weight / mean_weight for weight in example.weights))
            for example in examples
        ]

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, index: int) -> Example:
        return self._examples[index]

    @property
    def lengths(self) -> list[int]:
        """Number of tokens in each example."""
        return [len(example.ids) for example in self._examples]


def collate(examples: Sequence[Example]) -> Batch:
    """`input_ids` and `attention_mask` (rows, tokens), padded on the right; `places`, `targets` and
    `weights` (rows, places), with weight 0 for padding."""
    length = max(len(example.ids) for example in examples)
    width = max(len(example.places) for example in examples)

    def fill(rows: Sequence[Sequence[float]], to: int, dtype: torch.dtype) -> torch.Tensor:
        return torch.tensor([[*row, *[0] * (to - len(row))] for row in rows], dtype=dtype)

    return {
        "input_ids": fill([e.ids for e in examples], length, torch.long),
        "attention_mask": fill([[1] * len(e.ids) for e in examples], length, torch.long),
        "places": fill([e.places for e in examples], width, torch.long),
        "targets": fill([e.targets for e in examples], width, torch.float32),
        "weights": fill([e.weights for e in examples], width, torch.float32),
    }


def weighted_loss(logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted mean, over places with a weight, of the cross-entropy of logits (rows, places, 2)
    against the probability of label 1."""
    log_probabilities = functional.log_softmax(logits.float(), dim=-1)
    losses = -(targets * log_probabilities[..., 1] + (1 - targets) * log_probabilities[..., 0])
    return (losses * weights).sum() / (weights > 0).sum().clamp(min=1)


class ByLength(Sampler[int]):
    """Indices in a random order in which the examples of a batch have similar lengths.

    The order depends only on seed and epoch, so a training that resumes within an epoch sees the rest
    of it. The Trainer's own sampler does not guarantee that.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self._lengths = lengths
        self._pool = batch_size * _POOL_BATCHES
        self._seed = seed
        self._epoch = 0

    def __len__(self) -> int:
        return len(self._lengths)

    def set_epoch(self, epoch: int) -> None:
        """Called by accelerate before each epoch."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed * _EPOCHS + self._epoch)
        order = torch.randperm(len(self), generator=generator).tolist()
        for begin in range(0, len(order), self._pool):
            yield from sorted(order[begin : begin + self._pool], key=lambda i: -self._lengths[i])


class RewardTrainer(Trainer):  # type: ignore[misc]  # transformers has no types
    """Trains and evaluates at the labelled positions of a batch."""

    def _get_train_sampler(self, train_dataset: Any = None) -> ByLength:
        examples: Examples = train_dataset or self.train_dataset
        return ByLength(examples.lengths, self.args.train_batch_size, self.args.seed)

    def compute_loss(
        self, model: Any, inputs: Batch, return_outputs: bool = False, **_: Any
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """The loss. Raises RewardModelError if it is not a number."""
        logits = self._logits(model, inputs)
        loss = weighted_loss(logits, inputs["targets"], inputs["weights"])
        if not torch.isfinite(loss):
            raise RewardModelError(
                f"the loss is {loss.item()} at step {self.state.global_step}: expected a number; try a "
                "lower learning_rate, or precision=float32"
            )
        return (loss, logits) if return_outputs else loss

    def prediction_step(
        self, model: Any, inputs: Batch, prediction_loss_only: bool, ignore_keys: Any = None
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """The loss, probabilities (rows, places), and targets and weights (rows, places, 2)."""
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            loss, logits = self.compute_loss(model, inputs, return_outputs=True)
        probabilities = logits.float().softmax(-1)[..., 1]
        return loss.detach(), probabilities, torch.stack([inputs["targets"], inputs["weights"]], dim=-1)

    def _logits(self, model: Any, inputs: Batch) -> torch.Tensor:
        """Logits (rows, places, 2)."""
        output = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
        logits: torch.Tensor = output.logits
        if logits.dim() == 2:
            # A sequence head gives one output, at the last token.
            return logits[:, None]
        rows = torch.arange(len(logits), device=logits.device)[:, None]
        return logits[rows, inputs["places"]]


def compute_metrics(prediction: Any) -> dict[str, float]:
    """Figures over all held-out examples; those that cannot be computed are left out."""
    probabilities, labels = prediction.predictions, prediction.label_ids
    # Padding has a negative weight here.
    weights = labels[..., 1].clip(min=0)
    found = measure(probabilities.clip(0, 1), labels[..., 0].clip(min=0), weights)
    figures = {"auc": found.auc, "average_precision": found.average_precision}
    return {name: value for name, value in figures.items() if value is not None}
