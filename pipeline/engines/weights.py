"""Checks weights before a running engine loads them.

vLLM 0.32 does not: it takes tensors of other shapes and only logs the ones that are missing. Checked
are the architecture and the names and shapes of all tensors; not whether the values are any good.
"""

import json
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from pipeline.engines import WeightsRefused
from pipeline.engines.models import ModelError, locate

_SHAPING = (
    "architectures",
    "model_type",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "vocab_size",
    "tie_word_embeddings",
    "hidden_act",
    "rms_norm_eps",
    "rope_parameters",
    "sliding_window",
    "quantization_config",
)
"""Keys of a model's config that a running engine cannot change."""


def find_weights(model: str, running: str) -> str:
    """The folder of `model`, whose weights fit in place of those of `running`.

    Downloads a model from the Hub. Raises WeightsRefused.
    """
    if model == running:
        raise WeightsRefused(
            f"update_weights: expected other weights than {running}, which the engine has; write new "
            "weights to a new folder, so that their version has its own name"
        )
    new, old = _folder(model), _folder(running)
    config = _config(new)
    _check_config(model, config, _config(old))
    tied = {"lm_head.weight"} if config.get("tie_word_embeddings") else set()
    _check_tensors(model, _tensors(new, tied), _tensors(old, tied))
    return str(new)


def _folder(model: str) -> Path:
    try:
        found = Path(locate(model))
    except ModelError as e:
        raise WeightsRefused(f"update_weights: {str(e).removeprefix('engine.model: ')}") from e
    if found.is_dir():
        return found
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model, allow_patterns=["*.json", "*.safetensors"]))
    except (OSError, ValueError) as e:
        why = " ".join(str(e).split())
        raise WeightsRefused(f"update_weights: {model} cannot be downloaded ({why})") from e


def _config(folder: Path) -> dict[str, Any]:
    """The config as transformers reads it, whose versions name the same things differently."""
    from transformers import AutoConfig

    try:
        config: dict[str, Any] = AutoConfig.from_pretrained(folder).to_dict()
    except (OSError, ValueError, KeyError, TypeError) as e:
        why = " ".join(str(e).split())
        raise WeightsRefused(f"update_weights: {folder / 'config.json'} cannot be read ({why})") from e
    return config


def _check_config(model: str, new: Mapping[str, Any], old: Mapping[str, Any]) -> None:
    for key in _SHAPING:
        if new.get(key) != old.get(key):
            raise WeightsRefused(
                f"update_weights: expected {model} to have the running model's {key}, "
                f"{old.get(key)}, got {new.get(key)}; start a new engine for another architecture"
            )


def _check_tensors(model: str, new: Mapping[str, Any], old: Mapping[str, Any]) -> None:
    for what, names in (("", old.keys() - new.keys()), ("out", new.keys() - old.keys())):
        if names:
            raise WeightsRefused(
                f"update_weights: expected {model} with{what} the tensor {min(names)}, as in the "
                f"running model's files ({len(names)} of them differ)"
            )
    for name, shape in old.items():
        if new[name] != shape:
            raise WeightsRefused(
                f"update_weights: expected {model} to have {name} in the shape {shape}, got {new[name]}"
            )


def _tensors(folder: Path, leave_out: Set[str]) -> dict[str, list[int]]:
    """Name -> shape of each tensor, from the heads of the folder's safetensors files."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise WeightsRefused(f"update_weights: expected weights as *.safetensors in {folder}, got none")
    shapes: dict[str, list[int]] = {}
    for file in files:
        shapes |= _read_head(file)
    return {name: shape for name, shape in shapes.items() if name not in leave_out}


def _read_head(file: Path) -> dict[str, list[int]]:
    """Raises WeightsRefused for a file that is cut off, as one that is still being written is."""
    try:
        with file.open("rb") as opened:
            num_bytes = int.from_bytes(opened.read(8), "little")
            head = json.loads(opened.read(num_bytes))
        tensors = {name: entry for name, entry in head.items() if name != "__metadata__"}
        end = max((entry["data_offsets"][1] for entry in tensors.values()), default=0)
        expected, got = 8 + num_bytes + end, file.stat().st_size
    except (OSError, OverflowError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise WeightsRefused(f"update_weights: {file} cannot be read as safetensors ({e})") from e
    if got != expected:
        raise WeightsRefused(f"update_weights: expected {file} to have {expected} bytes, got {got}")
    return {name: entry["shape"] for name, entry in tensors.items()}
