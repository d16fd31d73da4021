"""PPO's clipped objective on trees, with advantages that are known beforehand.

The loss of a token with advantage A, and the ratio r of its probability to that when it was sampled, is
-min(r A, clip(r, 1 - clip_range, 1 + clip_range) A) (Schulman et al., 2017, arXiv:1707.06347); with
`beta`, plus beta times an estimate of the divergence from the base, exp(d) - d - 1 with d = log
p_base - log p (as in GRPO, arXiv:2402.03300). A batch's loss is the weighted mean over its tokens.
There is no critic and nothing is sampled: the data stay those of the runs. All probabilities are those
at the temperature that the runs sampled at.

A tree is one sequence. Its tokens attend to what precedes them in their own response alone, by a mask
for each pair of tokens, and have the positions they have there. So the log-probabilities are those of
each response by itself, and every prefix is computed once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from transformers import Trainer

from pipeline.training.errors import TrainError
from pipeline.training.policy.trees import TreeExample

Batch = dict[str, torch.Tensor]
_TOLERANCE = 0.02
"""Largest difference, in nats, of a log-probability in a tree and by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeRow:
    """An example with the log-probabilities that its losses are relative to."""

    example: TreeExample
    old: Sequence[float]
    """When sampled."""
    base: Sequence[float] | None
    """By the base; None without `beta`."""


def collate(rows: Sequence[TreeRow]) -> Batch:
    """Tensors (rows, tokens), padded on the right, and the mask (rows, 1, tokens, tokens)."""
    length = max(row.example.longest for row in rows)

    def fill(values: Sequence[Sequence[float]], dtype: torch.dtype, pad: int = 0) -> torch.Tensor:
        return torch.tensor([[*one, *[pad] * (length - len(one))] for one in values], dtype=dtype)

    examples = [row.example for row in rows]
    batch = {
        "input_ids": fill([one.ids for one in examples], torch.long),
        "position_ids": fill([one.positions for one in examples], torch.long),
        "parents": fill([one.parents for one in examples], torch.long, -1),
        "advantages": fill([one.advantages for one in examples], torch.float32),
        "weights": fill([one.weights for one in examples], torch.float32),
        "old": fill([row.old for row in rows], torch.float32),
        "attention_mask": torch.stack([_mask(one.parents, length) for one in examples])[:, None],
    }
    bases = [row.base for row in rows if row.base is not None]
    return batch | ({"base": fill(bases, torch.float32)} if bases else {})


def _mask(parents: Sequence[int], length: int) -> torch.Tensor:
    """Whether a token (row) attends to another one (column): to itself and all that precede it."""
    mask = torch.eye(length, dtype=torch.bool)
    for token, parent in enumerate(parents):
        if parent >= 0:
            mask[token] |= mask[parent]
    return mask


def log_probabilities(model: Any, batch: Batch, temperature: float = 1.0) -> torch.Tensor:
    """Of each token after those that precede it, (rows, tokens); 0 for the first of a sequence."""
    logits = model(
        input_ids=batch["input_ids"],
        attention_mask=batch["attention_mask"],
        position_ids=batch["position_ids"],
        use_cache=False,
    ).logits.float()
    if temperature != 1:
        logits = logits / temperature
    before = batch["parents"].clamp(min=0)
    rows = torch.arange(len(before), device=before.device)[:, None]
    chosen = logits[rows, before, batch["input_ids"]]
    totals = logits.logsumexp(-1).gather(1, before)
    return torch.where(batch["parents"] >= 0, chosen - totals, 0.0)


def tree_rows(
    model: Any, examples: Sequence[TreeExample], *, needs_base: bool, temperature: float = 1.0
) -> list[TreeRow]:
    """The examples with log-probabilities: those stored, else the base's.

    Raises TrainError if the base cannot compute a tree as one sequence.
    """
    _check_window(model, max(max(one.positions) for one in examples) + 1)
    _check_attention(model, _easiest_to_check(examples))
    rows = []
    for example in examples:
        base = None
        if needs_base or example.logprobs is None:
            base = _by(model, example, temperature)
        old = base if example.logprobs is None else example.logprobs
        assert old is not None
        rows.append(TreeRow(example=example, old=old, base=base if needs_base else None))
    return rows


def _by(model: Any, example: TreeExample, temperature: float = 1.0) -> list[float]:
    """The model's log-probabilities of a tree's tokens."""
    row = TreeRow(example=example, old=[0.0] * example.longest, base=None)
    batch = {name: values.to(model.device) for name, values in collate([row]).items()}
    with torch.no_grad():
        found: list[float] = log_probabilities(model.eval(), batch, temperature)[0].tolist()
    return found


def _check_window(model: Any, longest: int) -> None:
    """Raises TrainError for a response that is longer than the base's sliding window, which a mask for
    each pair of tokens replaces."""
    window = model.config.get_text_config().to_dict().get("sliding_window")
    if window is not None and longest > window:
        raise TrainError(
            f"method=ppo: expected responses within the base's sliding window of {window} tokens, got "
            f"one of {longest} with its prompt; max_length={window} leaves longer ones out"
        )


def _easiest_to_check(examples: Sequence[TreeExample]) -> TreeExample:
    """The shortest tree with a response after tokens of others; the shortest of all without one."""
    shortest = sorted(examples, key=lambda one: one.longest)
    return next((one for one in shortest if _mixed_end(one)[0]), shortest[0])


def _mixed_end(example: TreeExample) -> tuple[int, int]:
    """The end of a response whose log-probability comes after the most tokens of others: the number of
    these, and the token. In what comes first, layers that read all tokens in order show no difference.
    """
    apart, _, end = max(
        (parent - example.positions[parent] if parent >= 0 else 0, example.positions[token], token)
        for token, parent in enumerate(example.parents)
    )
    return apart, end


def _check_attention(model: Any, example: TreeExample) -> None:
    """Raises TrainError if a response has other log-probabilities in the tree than by itself, as by
    layers that read all tokens in order whatever the mask."""
    path = [_mixed_end(example)[1]]
    while example.parents[path[-1]] >= 0:
        path.append(example.parents[path[-1]])
    path.reverse()
    ids = torch.tensor([[example.ids[token] for token in path]], device=model.device)
    with torch.no_grad():
        logs = model.eval()(input_ids=ids, use_cache=False).logits.float().log_softmax(-1)
    alone = logs[0, :-1].gather(1, ids[0, 1:, None])[:, 0].tolist()
    there = _by(model, example)
    worst = max(abs(there[token] - one) for token, one in zip(path[1:], alone, strict=True))
    if worst > _TOLERANCE:
        raise TrainError(
            "method=ppo: expected a base whose attention takes a mask for each pair of tokens, got one "
            f"that gives a response another log-probability within its tree (by {worst:.2g}); its "
            "layers read all tokens in order"
        )


def ppo_losses(now: torch.Tensor, batch: Batch, clip_range: float, beta: float) -> torch.Tensor:
    """The loss of each token, (rows, tokens)."""
    ratios = (now - batch["old"]).exp()
    clipped = ratios.clamp(1 - clip_range, 1 + clip_range)
    losses = -torch.minimum(ratios * batch["advantages"], clipped * batch["advantages"])
    if beta:
        away = batch["base"] - now
        losses = losses + beta * (away.exp() - away - 1)
    return losses


class TreeTrainer(Trainer):  # type: ignore[misc]  # transformers has no types
    """Trains on batches of `collate`; logs the clipped fraction and the divergence since sampling."""

    # A batch's loss is a mean: accumulated ones are averaged.
    loss_is_scaled_for_ga = False

    def __init__(
        self, *, clip_range: float, beta: float, temperature: float = 1.0, **options: Any
    ) -> None:
        super().__init__(data_collator=collate, **options)
        self._clip_range, self._beta, self._temperature = clip_range, beta, temperature
        self._figures: dict[str, list[float]] = {"clip_fraction": [], "kl": []}

    def compute_loss(self, model: Any, inputs: Batch, return_outputs: bool = False, **_: Any) -> Any:
        """The weighted mean over tokens."""
        weights = inputs["weights"]
        weights = weights / weights.sum()
        # Padding and the prompt have no log-probability to compare with.
        found = log_probabilities(model, inputs, self._temperature)
        now = torch.where(weights > 0, found, inputs["old"])
        loss = (weights * ppo_losses(now, inputs, self._clip_range, self._beta)).sum()
        if model.training:
            change = (now - inputs["old"]).detach()
            ratios = change.exp()
            inside = (ratios - 1).abs() <= self._clip_range
            self._figures["clip_fraction"].append(float((weights * ~inside).sum()))
            self._figures["kl"].append(float((weights * (ratios - 1 - change)).sum()))
        return (loss, {}) if return_outputs else loss

    def log(self, logs: dict[str, float], *more: Any, **named: Any) -> None:
        """Adds the means since the last entry about the training."""
        if "loss" in logs:
            logs |= {name: fmean(values) for name, values in self._figures.items() if values}
            for values in self._figures.values():
                values.clear()
        super().log(logs, *more, **named)
