"""Progress and result of a training."""

from dataclasses import dataclass
from typing import Literal

from reward_models.manifest import TrainedModel

Kind = Literal["prm", "orm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """Current state of a training."""

    step: int
    total: int
    figures: dict[str, float]
    """Latest values of loss, held_out_loss, held_out_auc and held_out_average_precision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """Result of a training."""

    model: TrainedModel
    num_train: int
    """Number of training responses."""
    num_held_out: int
    num_held_out_problems: int
    num_too_long: int
    num_unlabelled: int
    is_first: bool
    """Whether this is the first of the processes that trained together, or the only one."""
    resumed_at: int
    """Optimizer step of the checkpoint that it resumed from; 0 without one."""
