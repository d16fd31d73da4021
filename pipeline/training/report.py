"""Describes the result of a training run."""

import json
import re
import shlex

from pipeline.inspection.time_left import duration
from pipeline.training.train import TrainingResult


def describe(result: TrainingResult, seconds: float) -> str:
    """Lines about the training data, the quality on held-out problems, and the next commands."""
    trained, output, model = result.trained, result.output, result.trained.model
    weakness = model.weakness
    # YAML needs quotes around a path with special characters, such as a comma.
    path = str(output) if re.fullmatch(r"[\w./-]+", str(output)) else json.dumps(str(output))
    section = f"reward_models=[{{use: {model.kind}, model: {path}}}]"
    figures = [
        f"{name.replace('_', ' ')} {'unknown' if value is None else f'{value:.3f}'}"
        for name, value in model.held_out.items()
    ]
    resumed = f", resumed at step {trained.resumed_at}" if trained.resumed_at else ""
    left_out = [
        f"{trained.num_too_long} too long",
        f"{trained.num_unlabelled} without labels of their own",
        *(
            [f"{result.num_unsolved} to problems without a passed response"]
            if result.num_unsolved
            else []
        ),
    ]
    voted = f"; {result.num_voted} of all have labels from majority votes" if result.num_voted else ""
    return "\n".join(
        [
            f"{model.kind:<10} {output}, from {model.base}, in {duration(seconds)}{resumed}",
            f"{'trained on':<10} {trained.num_train} responses to {len(model.train_problems)} "
            f"problems; left out: {', '.join(left_out)}{voted}",
            f"{'held out':<10} {trained.num_held_out} responses to {trained.num_held_out_problems} "
            f"problems: {', '.join(figures)}",
            *([f"{'warning':<10} {weakness}: do not prune with this model yet"] if weakness else []),
            "",
            "next:",
            f"  berry eval OUT --with {model.kind},majority,oracle --{model.kind} "
            f"{shlex.quote(str(output))}",
            f"  berry run CONFIG {shlex.quote(section)}",
        ]
    )
