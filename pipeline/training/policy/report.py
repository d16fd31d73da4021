"""Describes a trained policy, in words and as JSON."""

import shlex
from typing import Any

from pipeline.inspection.time_left import duration
from pipeline.training.policy.manifest import Accuracy, Measurement, change_of_pass_at_1
from pipeline.training.policy.train import PolicyResult


def describe(result: PolicyResult, seconds: float) -> str:
    """Lines about the data, the losses, the measurements and the next command."""
    manifest, trained = result.manifest, result.manifest.result
    assert trained is not None
    request = manifest.request
    resumed = f", resumed at step {result.resumed_at}" if result.resumed_at else ""
    losses = _change(trained.figure("loss", first=True), trained.figure("loss"))
    held_out = _change(trained.figure("held_out_loss", first=True), trained.figure("held_out_loss"))
    left_out = [f"{trained.num_too_long} too long"]
    lacked = "an advantage" if request.settings["method"] == "ppo" else "tokens"
    left_out += [f"{trained.num_empty} without {lacked}"] * bool(trained.num_empty)
    return "\n".join(
        [
            f"{'policy':<10} {result.output}, from {request.base} by {request.settings['method']}, in "
            f"{duration(seconds)}{resumed}",
            f"{'trained on':<10} {trained.num_examples} examples of {trained.num_problems} problems, "
            f"{trained.num_tokens:,} tokens in the loss, {trained.num_steps} steps; left out: "
            f"{', '.join(left_out)}",
            f"{'loss':<10} {losses}; on {trained.num_held_out_examples} held-out examples {held_out}",
            *_measured(manifest.measurements),
            "",
            "next:",
            f"  berry run CONFIG engine.model={shlex.quote(str(result.output))}",
        ]
    )


def facts(result: PolicyResult, seconds: float) -> dict[str, Any]:
    """The same as JSON values; docs/json.md has the keys."""
    manifest, trained = result.manifest, result.manifest.result
    assert trained is not None
    return {
        "output": str(result.output),
        "base": manifest.request.base,
        "data": list(manifest.request.data),
        "method": manifest.request.settings["method"],
        "seconds": seconds,
        "resumed_at": result.resumed_at,
        **trained.model_dump(mode="json", exclude={"train_problems", "log", "versions"}),
        "loss": trained.figure("loss"),
        "held_out_loss_before": trained.figure("held_out_loss", first=True),
        "held_out_loss": trained.figure("held_out_loss"),
        "measurements": [
            one.model_dump(mode="json", exclude={"per_problem"}) | {"problems": len(one.per_problem)}
            for one in manifest.measurements
        ],
    }


def _measured(measurements: tuple[Measurement, ...]) -> list[str]:
    if not measurements:
        return [f"{'pass@1':<10} not measured"]
    ordered = sorted(measurements, key=lambda one: one.step)
    before, after = ordered[0], ordered[-1]
    # Where outcomes are unknown, a measurement has fewer samples, and no figure for the largest k.
    common = set.intersection(*({found.k for found in one.accuracies} for one in ordered))
    ks = sorted({min(common), max(common)})
    lines = []
    for k in ks:
        values = [
            f"{f'step {one.step}' if one.step else 'base'} {_with_interval(found)}"
            for one in ordered
            if (found := one.at(k)) is not None
        ]
        lines.append(f"{f'pass@{k}':<10} {', '.join(values)}")
    seconds = sum(one.seconds for one in ordered)
    lines.append(
        f"{'measured':<10} on {len(after.per_problem)} problems that are not trained on, in "
        f"{duration(seconds)}{_difference(before, after)}"
    )
    return lines


def _difference(before: Measurement, after: Measurement) -> str:
    """The change of pass@1 on the problems that both have, with its 95% interval."""
    if before.step == after.step or (change := change_of_pass_at_1(before, after)) is None:
        return ""
    mean, interval = change
    bounds = "" if interval is None else f" (95% {interval[0]:+.3f} to {interval[1]:+.3f})"
    return f"; pass@1 changed by {mean:+.3f}{bounds}"


def _with_interval(found: Accuracy) -> str:
    if found.low is None or found.high is None:
        return f"{found.value:.3f}"
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def _change(first: float | None, last: float | None) -> str:
    if first is None or last is None:
        return "unknown"
    return f"{first:.3f} to {last:.3f}"
