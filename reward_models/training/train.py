"""Trains a reward model: a base model and labelled responses in, a reward model's folder out.

    1. read the base's config and tokenizer, and check that they fit the responses
    2. split the responses by problem
    3. put a head of two labels on the base: at step ends for a PRM, at the end for an ORM
    4. train, evaluating on held-out problems; resume from the last whole checkpoint if there is one
    5. write the model, its tokenizer and its description

Until the model is complete, the folder contains only `checkpoints/` and `training.json`.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from reward_models.errors import RewardModelError, first_line
from reward_models.manifest import TrainedModel, tokenizer_digest
from reward_models.serving.loading import be_quiet
from reward_models.training import checkpoints
from reward_models.training.checks import (
    check_chat_template,
    check_head,
    check_labels,
    check_tokenizer,
)
from reward_models.training.examples import Example, Labelled, Split, split
from reward_models.training.records import Advance, Kind, Trained
from reward_models.training.settings import TrainSettings
from reward_models.training.weights import share_weights

_SETTINGS_FILE = "training.json"


def train(
    kind: Kind,
    base: str,
    responses: Sequence[Labelled],
    output: Path,
    settings: TrainSettings,
    *,
    data: str,
    advance: Callable[[Advance], None],
) -> Trained:
    """Trains into the folder `output`; `base` is a folder or a Hub id, `data` names the responses.

    Raises RewardModelError if training is impossible, and OSError if the folder cannot be written.
    """
    from transformers import AutoConfig, AutoTokenizer

    be_quiet()
    try:
        config = AutoConfig.from_pretrained(base)
        tokenizer = AutoTokenizer.from_pretrained(base)
    except (OSError, ValueError, KeyError) as e:
        raise RewardModelError(f"--base {base}: cannot be loaded ({first_line(e)})") from e
    check_head(base, config)
    if settings.require_chat_template:
        check_chat_template(base, tokenizer)
    check_tokenizer(base, tokenizer, responses)
    max_length = min(
        settings.max_length, getattr(config, "max_position_embeddings", settings.max_length)
    )
    found = split(responses, max_length=max_length, held_out=settings.held_out, seed=settings.seed)
    check_labels(found)
    _claim(
        output, {"kind": kind, "base": base, "data": data, "settings": settings.model_dump(mode="json")}
    )
    trainer, resumed_at = _train(kind, base, tokenizer, found, output, settings, advance)
    held_out = trainer.evaluate() if found.held_out else {}
    model = TrainedModel(
        kind=kind,
        labels="outcome" if kind == "orm" else settings.labels,
        up_to_first_error=kind == "prm" and settings.up_to_first_error,
        base=base,
        tokenizer=tokenizer_digest(tokenizer),
        train_problems=found.train_problems,
        num_responses=len(found.train),
        held_out={name: held_out.get(f"eval_{name}") for name in ("auc", "average_precision", "loss")},
    )
    is_first = trainer.is_world_process_zero()
    if is_first:
        _write(trainer, tokenizer, model, output)
    trainer.accelerator.wait_for_everyone()
    return Trained(
        model=model,
        num_train=len(found.train),
        num_held_out=len(found.held_out),
        num_held_out_problems=found.num_held_out_problems,
        num_too_long=found.num_too_long,
        num_unlabelled=found.num_unlabelled,
        is_first=is_first,
        resumed_at=resumed_at,
    )


def _claim(output: Path, description: dict[str, Any]) -> None:
    """Raises RewardModelError for a folder with other contents."""
    settings_file = output / _SETTINGS_FILE
    if settings_file.is_file():
        before = json.loads(settings_file.read_text(encoding="utf-8"))
        if before != description:
            different = [key for key in description if before.get(key) != description[key]]
            raise RewardModelError(
                f"--output {output}: expected the same {', '.join(different)} as when the training "
                "there began, got different ones; name a new folder"
            )
    elif output.is_dir() and (others := sorted(p.name for p in output.iterdir() if p.name[0] != ".")):
        raise RewardModelError(f"--output {output}: expected an empty or new folder, found {others[0]}")
    output.mkdir(parents=True, exist_ok=True)
    settings_file.write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


def _train(
    kind: Kind,
    base: str,
    tokenizer: Any,
    found: Split,
    output: Path,
    settings: TrainSettings,
    advance: Callable[[Advance], None],
) -> tuple[Any, int]:
    """The trainer after training, and the step that it resumed from."""
    from transformers.trainer_callback import PrinterCallback

    from reward_models.training.model import make_model
    from reward_models.training.progress import mark_whole, report_to
    from reward_models.training.trainer import Examples, RewardTrainer, collate, compute_metrics

    folder = output / checkpoints.FOLDER
    trainer = RewardTrainer(
        model=make_model(kind, base, tokenizer, settings),
        args=_arguments(folder, found.train, settings, measures=bool(found.held_out)),
        train_dataset=Examples(found.train),
        eval_dataset=Examples(found.held_out) if found.held_out else None,
        data_collator=collate,
        compute_metrics=compute_metrics,
        callbacks=[report_to(advance), mark_whole(folder)],
    )
    trainer.remove_callback(PrinterCallback)
    last = checkpoints.last_whole(folder)
    trainer.train(resume_from_checkpoint=None if last is None else str(checkpoints.at(folder, last)))
    return trainer, last or 0


def _arguments(
    output: Path, examples: Sequence[Example], settings: TrainSettings, *, measures: bool
) -> Any:
    import torch
    from transformers import TrainingArguments

    on_gpu = torch.cuda.is_available()
    precision = settings.precision
    if precision == "auto":
        precision = "bfloat16" if on_gpu else "float32"
    per_step = settings.batch_size * settings.gradient_accumulation_steps * _num_processes()
    num_steps = settings.max_steps or max(1, int(len(examples) / per_step * settings.epochs))
    return TrainingArguments(
        output_dir=str(output),
        per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.gradient_accumulation_steps,
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        warmup_steps=int(settings.warmup * num_steps),
        bf16=precision == "bfloat16",
        use_cpu=not on_gpu,
        remove_unused_columns=False,
        label_names=["targets", "weights"],
        seed=settings.seed,
        eval_strategy="steps" if measures else "no",
        eval_steps=max(1, num_steps // settings.evaluations),
        save_strategy="steps",
        save_steps=settings.checkpoint_steps,
        save_total_limit=2,
        logging_steps=max(1, min(10, num_steps // 10)),
        # A NaN loss must be visible, and ends the training.
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to=[],
        dataloader_pin_memory=on_gpu,
    )


def _num_processes() -> int:
    """Number of processes that `accelerate launch` or `torchrun` started."""
    import os

    return int(os.environ.get("WORLD_SIZE", "1"))


def _write(trainer: Any, tokenizer: Any, model: TrainedModel, output: Path) -> None:
    """Writes the model; the description comes last, so a folder that has it is complete."""
    trained = trainer.accelerator.unwrap_model(trainer.model)
    if hasattr(trained, "merge_and_unload"):
        trained = trained.merge_and_unload()
    trained.save_pretrained(output)
    share_weights(output)
    tokenizer.save_pretrained(output)
    model.write(output)
    shutil.rmtree(output / checkpoints.FOLDER, ignore_errors=True)
