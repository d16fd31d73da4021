"""What is in a checkpoint of a training: the log, and the model."""

import json
from pathlib import Path
from typing import Any


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
