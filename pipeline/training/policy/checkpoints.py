"""The checkpoints of a training: which are whole, and the model in one.

The library writes a checkpoint file by file. One that was interrupted lacks the mark that berry adds
last, and is deleted when the training resumes; the one before it is still there.
"""

import json
import shutil
from pathlib import Path
from typing import Any

FOLDER = "checkpoints"
_MARK = "whole"
"""An empty file in a checkpoint that was written to its end."""


def mark(checkpoints: Path, step: int) -> None:
    """Marks the checkpoint of a step as whole. Raises OSError."""
    (at(checkpoints, step) / _MARK).touch()


def at(checkpoints: Path, step: int) -> Path:
    """The folder of the checkpoint of a step."""
    return checkpoints / f"checkpoint-{step}"


def last_whole(checkpoints: Path) -> int | None:
    """The step of the last whole checkpoint; deletes all that are not whole. Raises OSError."""
    if not checkpoints.is_dir():
        return None
    steps = []
    for folder in checkpoints.glob("checkpoint-*"):
        if (folder / _MARK).is_file():
            steps.append(int(folder.name.partition("-")[2]))
        else:
            # Processes that train together all try.
            shutil.rmtree(folder, ignore_errors=True)
    return max(steps, default=None)


def log_of(checkpoint: Path) -> list[dict[str, Any]]:
    """The figures that the trainer logged up to a checkpoint, in order. Raises OSError."""
    state = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    log: list[dict[str, Any]] = state["log_history"]
    return log


def load_model(base: str, checkpoint: Path, *, is_lora: bool) -> Any:
    """The model of a checkpoint, in float32; with LoRA, not merged."""
    import torch
    from transformers import AutoModelForCausalLM

    source = base if is_lora else str(checkpoint)
    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
    if not is_lora:
        return model
    from peft import PeftModel

    return PeftModel.from_pretrained(model, checkpoint)
