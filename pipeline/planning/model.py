"""A model's figures, from the keys of its config.json: parameters, cache bytes, operations.

All are arithmetic on shapes. Biases are left out, some thousandths at most, and so is what a model has
besides a decoder of text: an image encoder, extra heads for speculation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TWO_MATRICES = frozenset({"gpt2", "gpt_neox", "opt", "phi", "starcoder2", "falcon", "bloom", "mpt"})
"""`model_type`s whose feed-forward layers have two matrices; all others have three (a gate)."""
_BYTES = {
    "float32": 4.0,
    "bfloat16": 2.0,
    "float16": 2.0,
    "float8": 1.0,
    "int8": 1.0,
    "mxfp4": 0.53,
    "int4": 0.53,
}
"""Bytes of a weight. Four bits come with a scale for each 32 to 128 weights."""


class NotAModel(ValueError):
    """A config.json that does not describe a model of text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """The attention of one layer."""

    num_parameters: int
    cached_values: int
    """Numbers that the key-value cache holds for each token."""
    operations_per_pair: int
    """Operations (FLOPs) for a token that attends to one other: 2 for each multiplication and
    addition, in the scores and in the sum of the values."""
    window: int | None = None
    """Most tokens that it attends to; None for all."""

    def reach(self, length: int) -> int:
        """Tokens attended to by the last of so many."""
        return length if self.window is None else min(length, self.window)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What a model of text needs."""

    name: str
    num_parameters: int
    num_active: int
    """Parameters that compute with each token; without the input embedding, which is only looked up."""
    attention: tuple[Attention, ...]
    """One for each layer."""
    num_in_experts: int = 0
    """Parameters of experts that are chosen for each token."""
    chosen_share: float = 1.0
    """Fraction of the experts that is chosen for a token."""
    dtype: str
    """Type of its weights, a key of `bytes_of`."""
    hidden_size: int
    vocabulary: int

    def weight_bytes(self, dtype: str | None = None) -> float:
        """Bytes of all weights, in its own type or another."""
        return self.num_parameters * bytes_of(dtype or self.dtype)

    def bytes_read(self, batch: int, dtype: str | None = None) -> float:
        """Bytes of the weights that a step with so many tokens reads: of the experts those that any of
        them chooses, if each chooses at random."""
        missed = (1 - self.chosen_share) ** batch
        read = self.num_parameters - self.num_in_experts * missed
        return read * bytes_of(dtype or self.dtype)

    def cache_bytes(self, length: int, dtype: str = "bfloat16") -> float:
        """Bytes that the key-value cache holds for a sequence of so many tokens."""
        values = sum(one.cached_values * one.reach(length) for one in self.attention)
        return values * bytes_of(dtype)

    def operations(self, length: int) -> float:
        """Operations (FLOPs) to compute one token that attends to `length` tokens."""
        pairs = sum(one.operations_per_pair * one.reach(length) for one in self.attention)
        return 2.0 * self.num_active + pairs

    def operations_of_sequence(self, length: int, after: int = 0) -> float:
        """Operations (FLOPs) for a sequence of so many tokens, without the first `after`.

        Attention is a token's own operations, summed: it grows with the square of the length.
        """
        new = length - after
        total = 2.0 * self.num_active * new
        for one in self.attention:
            most = length if one.window is None else one.window
            # The sum of min(k, window) for k from after + 1 to length.
            rising = max(min(length, most) - after, 0)
            total += one.operations_per_pair * (
                rising * (2 * after + rising + 1) / 2 + (new - rising) * most
            )
        return total


def bytes_of(dtype: str) -> float:
    """Bytes of a number of a type. Raises NotAModel for an unknown one."""
    try:
        return _BYTES[dtype]
    except KeyError:
        raise NotAModel(f"expected a type out of {', '.join(_BYTES)}, got {dtype}") from None


def model_of(name: str, config: Mapping[str, Any]) -> Model:
    """The figures of a model with this config.json. Raises NotAModel."""
    # A model of text and images has its text model's keys in a section.
    given = {**config, **(config.get("text_config") or {})}
    try:
        return _model_of(name, given)
    except KeyError as e:
        raise NotAModel(f"{name}: expected a config.json with {e.args[0]!r}, got none") from e
    except (TypeError, ValueError) as e:
        raise NotAModel(f"{name}: cannot read its config.json: {e}") from e


def _model_of(name: str, config: Mapping[str, Any]) -> Model:
    hidden, layers = int(config["hidden_size"]), int(config["num_hidden_layers"])
    vocabulary = int(config["vocab_size"])
    windows = _windows(config, layers)
    attention = tuple(_attention(config, window) for window in windows)
    total = active = in_experts = 0
    for layer in range(layers):
        in_all, for_a_token, chosen_from = _feed_forward(config, layer)
        in_experts += chosen_from
        norms = 2 * hidden
        total += in_all + norms + attention[layer].num_parameters
        active += for_a_token + norms + attention[layer].num_parameters
    embedding = hidden * vocabulary
    # The output layer computes with every token, whether or not it shares its weights with the input.
    tied = bool(
        config.get("tie_word_embeddings", config.get("model_type") in ("gemma2", "gemma3_text"))
    )
    return Model(
        name=name,
        num_parameters=total + hidden + embedding * (1 if tied else 2),
        num_active=active + hidden + embedding,
        num_in_experts=in_experts,
        chosen_share=int(config["num_experts_per_tok"]) / _num_experts(config) if in_experts else 1.0,
        attention=attention,
        dtype=_dtype(config),
        hidden_size=hidden,
        vocabulary=vocabulary,
    )


def _attention(config: Mapping[str, Any], window: int | None) -> Attention:
    hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
    if config.get("kv_lora_rank"):
        return _latent_attention(config, hidden, heads)
    groups = int(config.get("num_key_value_heads") or heads)
    size = int(config.get("head_dim") or hidden // heads)
    return Attention(
        num_parameters=hidden * size * (2 * heads + 2 * groups),
        cached_values=2 * groups * size,
        operations_per_pair=4 * heads * size,
        window=window,
    )


def _latent_attention(config: Mapping[str, Any], hidden: int, heads: int) -> Attention:
    """Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434): one compressed vector is cached, and
    decoding computes with it for every head."""
    latent, rope = int(config["kv_lora_rank"]), int(config["qk_rope_head_dim"])
    nope, value = int(config["qk_nope_head_dim"]), int(config["v_head_dim"])
    rank = int(config.get("q_lora_rank") or 0)
    query = heads * (nope + rope)
    of_queries = hidden * rank + rank * query if rank else hidden * query
    of_keys = hidden * (latent + rope) + latent * heads * (nope + value)
    return Attention(
        num_parameters=of_queries + of_keys + heads * value * hidden,
        cached_values=latent + rope,
        operations_per_pair=2 * heads * (2 * latent + rope),
    )


def _num_experts(config: Mapping[str, Any]) -> int:
    keys = ("n_routed_experts", "num_local_experts", "num_experts")
    return next((int(config[key]) for key in keys if config.get(key)), 0)


def _feed_forward(config: Mapping[str, Any], layer: int) -> tuple[int, int, int]:
    """Parameters of a layer's feed-forward part: all, those that compute with a token, and those of
    experts that are chosen."""
    hidden, experts = int(config["hidden_size"]), _num_experts(config)
    matrices = 2 if config.get("model_type") in _TWO_MATRICES else 3
    every = int(config.get("decoder_sparse_step") or 1)
    is_dense = (
        not experts
        or layer < int(config.get("first_k_dense_replace") or 0)
        or layer in (config.get("mlp_only_layers") or ())
        or (layer + 1) % every != 0
    )
    if is_dense:
        dense = matrices * hidden * int(config["intermediate_size"])
        return dense, dense, 0
    width = int(config.get("moe_intermediate_size") or config["intermediate_size"])
    shared = width * int(config.get("n_shared_experts") or 0)
    shared = matrices * hidden * (shared + int(config.get("shared_expert_intermediate_size") or 0))
    one, router = matrices * hidden * width, hidden * experts
    chosen = int(config["num_experts_per_tok"])
    always = shared + router
    return always + experts * one, always + chosen * one, experts * one


def _windows(config: Mapping[str, Any], layers: int) -> list[int | None]:
    """Each layer's window; None where it attends to all tokens."""
    size = config.get("sliding_window")
    if not size or config.get("use_sliding_window") is False:
        return [None] * layers
    types = config.get("layer_types")
    if types is not None:
        return [int(size) if kind == "sliding_attention" else None for kind in types]
    pattern = int(config.get("sliding_window_pattern") or 0)
    if pattern:
        return [None if (layer + 1) % pattern == 0 else int(size) for layer in range(layers)]
    return [int(size)] * layers


def _dtype(config: Mapping[str, Any]) -> str:
    quantised = config.get("quantization_config") or {}
    method, bits = str(quantised.get("quant_method", "")), quantised.get("bits")
    if method == "mxfp4":
        return "mxfp4"
    if method.startswith("fp8") or method == "fbgemm_fp8":
        return "float8"
    if method in ("gptq", "awq", "bitsandbytes", "compressed-tensors"):
        is_four = bits == 4 or quantised.get("load_in_4bit")
        return "int4" if is_four else "int8"
    return str(config.get("dtype") or config.get("torch_dtype") or "bfloat16").removeprefix("torch.")
