"""Trains up to a step, from the last whole checkpoint.

A training goes in stretches, each to the next measurement or to the end, and each ends with a
checkpoint. Between two, no model is in memory: an engine may take all of it. A stretch goes on from the
checkpoint as an interrupted training does, so the weights do not depend on where it was cut.
"""

import gc
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, TrainerCallback
from transformers.trainer_callback import PrinterCallback

from pipeline.training.errors import TrainError
from pipeline.training.policy.examples import Split
from pipeline.training.policy.ppo import tree_rows
from pipeline.training.policy.settings import PolicySettings
from pipeline.training.policy.trainers import TRAINERS, Diverged, gradients, table_of
from reward_models.errors import first_line
from reward_models.training.checkpoints import at, last_whole
from reward_models.training.progress import mark_whole, report_to
from reward_models.training.records import Advance


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What a training is made of; the same for all its stretches."""

    base: str
    tokenizer: Any
    found: Split[Any]
    settings: PolicySettings
    checkpoints: Path
    """The folder of the checkpoints."""
    advance: Callable[[Advance], None]

    @property
    def num_steps(self) -> int:
        """Optimizer steps in all."""
        settings = self.settings
        if settings.max_steps is not None:
            return settings.max_steps
        batches = math.ceil(len(self.found.train) / (settings.batch_size * num_processes()))
        per_epoch = math.ceil(batches / settings.gradient_accumulation_steps)
        return max(1, math.ceil(per_epoch * settings.epochs))


def num_processes() -> int:
    """Number of processes that `accelerate launch` or `torchrun` started."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def train_until(training: Training, step: int) -> None:
    """Goes on from the last whole checkpoint to the end of a step, and leaves a checkpoint there.

    Raises TrainError for a base that cannot be loaded, Diverged, and what libraries raise when they
    cannot write.
    """
    last = last_whole(training.checkpoints)
    if last is not None and last >= step:
        return
    trainer = _make_trainer(training, until=step, is_new=last is None)
    trainer.train(resume_from_checkpoint=None if last is None else str(at(training.checkpoints, last)))
    trainer.accelerator.wait_for_everyone()
    trainer.accelerator.free_memory()
    del trainer
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _make_trainer(training: Training, *, until: int, is_new: bool) -> Any:
    settings, found = training.settings, training.found
    cls, config = TRAINERS[settings.method]
    model = _load(training.base)
    # Computed by the base, which the trainer then changes.
    train = _table(training, found.train, model)
    trainer = cls(
        args=config(**_arguments(training, is_new=is_new)),
        train_dataset=train,
        eval_dataset=_table(training, found.held_out, model) if found.held_out else None,
        processing_class=training.tokenizer,
        callbacks=[
            report_to(training.advance),
            _Stretch(training, until),
            mark_whole(training.checkpoints),
        ],
        **_model_options(training, model),
    )
    trainer.lengths = [example.longest for example in found.train]
    trainer.remove_callback(PrinterCallback)
    return trainer


def _model_options(training: Training, model: Any) -> dict[str, Any]:
    """The model and what it is compared with, as the method's trainer takes them."""
    settings, lora = training.settings, _lora(training.settings)
    if settings.method == "ppo":
        if lora is not None:
            from peft import get_peft_model

            torch.manual_seed(settings.seed)
            model = get_peft_model(model, lora)
        return {
            "model": model,
            "clip_range": settings.clip_range,
            "beta": settings.held_to_base,
            "temperature": settings.temperature or 1.0,
        }
    options = {"model": model, "peft_config": lora}
    if settings.method != "sft" and lora is None:
        options["ref_model"] = _load(training.base)
    return options


def _table(training: Training, examples: Sequence[Any], model: Any) -> Any:
    settings = training.settings
    if settings.method == "ppo":
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return tree_rows(
            model.to(device),
            examples,
            needs_base=settings.held_to_base > 0,
            temperature=settings.temperature or 1.0,
        )
    return table_of(settings.method, examples, settings.batch_size, settings.seed)


def _load(base: str) -> Any:
    try:
        return AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    except (OSError, ValueError, RuntimeError) as e:
        raise TrainError(f"--base {base}: cannot be loaded ({first_line(e)})") from e


def _lora(settings: PolicySettings) -> Any:
    if settings.lora_rank is None:
        return None
    from peft import LoraConfig

    rank = settings.lora_rank
    return LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")


def _arguments(training: Training, *, is_new: bool) -> dict[str, Any]:
    settings, num_steps = training.settings, training.num_steps
    on_gpu = torch.cuda.is_available()
    precision = settings.precision
    if precision == "auto":
        precision = "bfloat16" if on_gpu else "float32"
    measures = bool(training.found.held_out)
    return _of_method(settings) | {
        "output_dir": str(training.checkpoints),
        "per_device_train_batch_size": settings.batch_size,
        "per_device_eval_batch_size": settings.batch_size,
        "gradient_accumulation_steps": settings.gradient_accumulation_steps,
        "max_steps": num_steps,
        "learning_rate": settings.highest_rate,
        "lr_scheduler_type": "linear",
        "weight_decay": settings.weight_decay,
        "warmup_steps": int(settings.warmup * num_steps),
        "bf16": precision == "bfloat16",
        "use_cpu": not on_gpu,
        "gradient_checkpointing": settings.gradient_checkpointing,
        "seed": settings.seed,
        "eval_strategy": "steps" if measures else "no",
        "eval_steps": max(1, num_steps // settings.evaluations),
        "eval_on_start": measures and is_new,
        "prediction_loss_only": True,
        "save_strategy": "steps",
        "save_steps": settings.checkpoint_steps,
        # One that is being written, and the one before it.
        "save_total_limit": 2,
        "logging_steps": max(1, min(10, num_steps // 10)),
        # A loss that is not a number must be visible, and ends the training.
        "logging_nan_inf_filter": False,
        "disable_tqdm": True,
        "report_to": [],
        "dataloader_pin_memory": on_gpu,
        "ddp_find_unused_parameters": False,
    }


def _of_method(settings: PolicySettings) -> dict[str, Any]:
    if settings.method == "ppo":
        # Without a label among the inputs, no loss is computed on held-out examples.
        return {"remove_unused_columns": False, "label_names": ["advantages"]}
    # Rows that are too long were left out; none is cut.
    options: dict[str, Any] = {"max_length": None}
    if settings.method == "sft":
        return options | {"packing": False}
    options["beta"] = settings.held_to_base
    if settings.method == "dpo":
        return options
    return options | {
        "desirable_weight": settings.desirable_weight,
        "undesirable_weight": settings.undesirable_weight,
        # Its loss pairs neighbours.
        "train_sampling_strategy": "sequential",
    }


class _Stretch(TrainerCallback):  # type: ignore[misc]  # transformers has no types
    """Ends a stretch at its step, and stops at gradients without a value."""

    def __init__(self, training: Training, until: int) -> None:
        self._training = training
        self._until = until

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Raises Diverged before an update would spoil the weights."""
        if not all(torch.isfinite(one).all() for one in gradients(more["model"])):
            raise Diverged("a gradient", state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step < self._until:
            return
        control.should_training_stop = control.should_save = control.should_log = True
        if state.global_step == self._training.num_steps and self._training.found.held_out:
            control.should_evaluate = True
