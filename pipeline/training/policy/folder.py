"""The folder of a trained model: what vLLM and transformers load.

Tokenizer, chat template and generation settings are the base's own files, byte for byte. Weights are in
the base's number type.
"""

import shutil
from pathlib import Path
from typing import Any

from pipeline.training.errors import TrainError
from pipeline.training.policy.checkpoints import load_model
from reward_models.errors import first_line
from reward_models.training.weights import share_weights

ADAPTER = "adapter"
_ASIDE = ".writing"
_COPIED = (
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template*",
    "additional_chat_templates/*",
    "generation_config.json",
    "*.model",
    "*.tiktoken",
)


def base_folder(base: str) -> Path:
    """The folder of a base model; downloads what is missing of one on the Hub, without its weights.

    Raises TrainError.
    """
    if Path(base).is_dir():
        return Path(base)
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(base, allow_patterns=["config.json", *_COPIED]))
    except (OSError, ValueError) as e:
        raise TrainError(f"--base {base}: cannot be loaded ({first_line(e)})") from e


def write_model(base: str, checkpoint: Path, folder: Path, *, is_lora: bool) -> None:
    """Writes the model of a checkpoint into a folder that may hold other things.

    Files appear in the folder once they are whole. Raises OSError, and what libraries raise when they
    cannot write.
    """
    import torch
    from transformers import AutoConfig

    aside = folder / _ASIDE
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    model = load_model(base, checkpoint, is_lora=is_lora)
    if is_lora:
        model.save_pretrained(aside / ADAPTER)
        # A form that the library leaves for the user to fill in.
        (aside / ADAPTER / "README.md").unlink(missing_ok=True)
        model = model.merge_and_unload()
    config = AutoConfig.from_pretrained(base)
    _restore(model.config.get_text_config(), config.get_text_config())
    model.to(config.dtype or torch.float32).save_pretrained(aside)
    source = base_folder(base)
    for pattern in _COPIED:
        for file in source.glob(pattern):
            if file.is_file():
                target = aside / file.relative_to(source)
                target.parent.mkdir(exist_ok=True)
                shutil.copyfile(file, target)
    share_weights(aside)
    for item in aside.iterdir():
        target = folder / item.name
        if target.is_dir():
            shutil.rmtree(target)
        item.replace(target)
    aside.rmdir()


def _restore(config: Any, base: Any) -> None:
    """Gives a config the base's values of what trainers change for their own use."""
    for name in ("use_cache", "pad_token_id"):
        setattr(config, name, getattr(base, name, None))
