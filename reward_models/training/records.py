"""What a training says on its way, and what it came to."""

from dataclasses import dataclass
from typing import Literal

from reward_models.trained import TrainedModel

Kind = Literal["prm", "orm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """Where training stands."""

    step: int
    total: int
    figures: dict[str, float]
    """The latest of loss, held_out_loss, held_out_auc and held_out_average_precision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What training came to."""

    model: TrainedModel
    num_train: int
    """Responses."""
    num_held_out: int
    num_held_out_problems: int
    num_too_long: int
    num_unlabelled: int
    is_first: bool
    """Whether this is the first of the processes that trained together, or the only one."""
    resumed_at: int
    """The optimizer step of the checkpoint that it went on from; 0 without one."""
