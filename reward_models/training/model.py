"""Builds the model to train: the base with a head, and its frozen and added layers."""

import copy
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    set_seed,
)

from reward_models.errors import RewardModelError, first_line
from reward_models.training.records import Kind
from reward_models.training.settings import TrainSettings


def make_model(kind: Kind, base: str, tokenizer: Any, settings: TrainSettings) -> Any:
    """The base in float32, with `new_layers` and a head of two labels; frozen weights have no gradient.

    Raises RewardModelError for a base that cannot be loaded, or lacks the requested layers.
    """
    # Seeds the head's initial weights.
    set_seed(settings.seed)
    config = AutoConfig.from_pretrained(base)
    config.num_labels = 2
    config.id2label = {0: "wrong", 1: "right"}
    config.label2id = {"wrong": 0, "right": 1}
    config.classifier_dropout = 0.0
    # As for sequence heads, and in the form that both backends load.
    config.token_classification_bias = False
    config.pad_token_id = next(
        (id_ for id_ in (tokenizer.pad_token_id, tokenizer.eos_token_id) if id_ is not None), 0
    )
    cls = AutoModelForTokenClassification if kind == "prm" else AutoModelForSequenceClassification
    try:
        model = cls.from_pretrained(base, config=config, dtype=torch.float32)
    except (OSError, ValueError, RuntimeError) as e:
        raise RewardModelError(f"--base {base}: cannot be loaded ({first_line(e)})") from e
    _freeze(model, base, settings.freeze_layers)
    _add_layers(model, base, settings.new_layers)
    return model if settings.lora_rank is None else _add_lora(model, settings.lora_rank)


def _freeze(model: Any, base: str, num_layers: int) -> None:
    if not num_layers:
        return
    body = model.base_model
    layers = getattr(body, "layers", None)
    if layers is None or num_layers > len(layers):
        got = "none" if layers is None else len(layers)
        raise RewardModelError(
            f"freeze_layers={num_layers}: expected at most the layers of {base}, which has {got}"
        )
    for part in (body.get_input_embeddings(), *layers[:num_layers]):
        part.requires_grad_(False)


def _add_layers(model: Any, base: str, number: int) -> None:
    """Adds copies of the last layer on top, whose contributions to the output start at 0.

    This is the block expansion of Wu et al. (2024, arXiv:2401.02415): at first the output is unchanged,
    and the new layers start with the last layer's attention.
    """
    if not number:
        return
    layers: Any = getattr(model.base_model, "layers", None)
    if not all(isinstance(end, torch.nn.Linear) for end in _ends(layers)):
        raise RewardModelError(
            f"new_layers={number}: expected a decoder such as Llama, Qwen or Mistral, whose layers "
            f"end in self_attn.o_proj and mlp.down_proj, got {base}, which has none such"
        )
    for _ in range(number):
        layer = copy.deepcopy(layers[-1])
        # Index under which the layer stores its keys and values.
        layer.self_attn.layer_idx = len(layers)
        layers.append(layer.requires_grad_(True))
        for end in _ends(layers):
            for weights in end.parameters():
                torch.nn.init.zeros_(weights)
    model.config.num_hidden_layers = len(layers)
    if types := getattr(model.config, "layer_types", None):
        model.config.layer_types = [*types, *[types[-1]] * number]


def _ends(layers: Any) -> tuple[Any, Any]:
    """The output projections of the last layer's attention and MLP."""
    last = layers[-1] if layers else None
    return (
        getattr(getattr(last, "self_attn", None), "o_proj", None),
        getattr(getattr(last, "mlp", None), "down_proj", None),
    )


def _add_lora(model: Any, rank: int) -> Any:
    from peft import LoraConfig, get_peft_model

    return get_peft_model(
        model,
        LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", modules_to_save=["score"]),
    )
