"""What a training does after its steps: it reports to its caller, and marks its checkpoints."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from reward_models.training.checkpoints import mark
from reward_models.training.records import Advance

_SHOWN = {
    "loss": "loss",
    "eval_loss": "held_out_loss",
    "eval_auc": "held_out_auc",
    "eval_average_precision": "held_out_average_precision",
}


def report_to(advance: Callable[[Advance], None]) -> TrainerCallback:
    """Calls `advance` after each step and each evaluation, in the first process only."""
    return _Reporter(advance)


def mark_whole(checkpoints: Path) -> TrainerCallback:
    """Marks each checkpoint once transformers has written all of it, in the first process only."""
    return _Marker(checkpoints)


class _Reporter(TrainerCallback):  # type: ignore[misc]  # transformers has no types
    def __init__(self, advance: Callable[[Advance], None]) -> None:
        self._advance = advance
        self._figures: dict[str, float] = {}

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._tell(state)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        self._figures |= {_SHOWN[name]: float(value) for name, value in logs.items() if name in _SHOWN}
        self._tell(state)

    def _tell(self, state: Any) -> None:
        if state.is_world_process_zero:
            self._advance(
                Advance(step=state.global_step, total=state.max_steps, figures=dict(self._figures))
            )


class _Marker(TrainerCallback):  # type: ignore[misc]  # transformers has no types
    def __init__(self, checkpoints: Path) -> None:
        self._checkpoints = checkpoints

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            mark(self._checkpoints, state.global_step)
