"""How a reward model is trained."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class TrainSettings(BaseModel):
    """What `berry train` takes as KEY=VALUE."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    labels: Literal["hard", "soft", "right"] = "right"
    """Of a PRM: `hard`, whether any rollout started at the step's end passed; `soft`, the share that
    did, weighted by how many there were; `right`, the probability that all is right so far. The first
    two need rollouts from each step, and many: that a few failed says little of the step."""
    until_wrong: bool = True
    """A PRM learns from a response up to its first wrong step, as in PRM800K (Lightman et al., 2023,
    arXiv:2305.20050). All behind it are wrong as well, whatever they say, so that they would teach to
    remember rather than to check. Scores behind a wrong step then mean little: aggregate by `min`."""
    unsolved: bool = False
    """Whether a PRM learns from problems too of which no response passed. That no rollout through a
    step passed tells there that the problem is hard, not that the step is wrong."""
    held_out: float = Field(default=0.1, ge=0, lt=1)
    """Share of the problems that it is measured on and not trained on."""
    seed: int = Field(default=0, ge=0)
    epochs: float = Field(default=2.0, gt=0)
    max_steps: int | None = Field(default=None, ge=1)
    """Optimizer steps; in place of `epochs`."""
    batch_size: int = Field(default=8, ge=1)
    """Responses of one device's batch."""
    accumulate: int = Field(default=1, ge=1)
    """Batches of one optimizer step."""
    learning_rate: float = Field(default=2e-5, gt=0)
    """2e-5 suits models of some billion weights, 1e-4 small ones and LoRA."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Share of the steps in which the learning rate rises; it then falls to 0 in a straight line."""
    weight_decay: float = Field(default=0.01, ge=0)
    max_length: int = Field(default=2048, ge=1)
    """Longer ones, prompt and response together, are left out, never cut."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the arithmetic; weights stay float32. `auto` is bfloat16 on a GPU and float32 on a CPU."""
    freeze_layers: int = Field(default=0, ge=0)
    """The embeddings and so many of the lowest layers stay as they are."""
    new_layers: int = Field(default=0, ge=0)
    """So many layers more, on top, that at first change nothing (Wu et al., 2024, arXiv:2401.02415). A
    solver knows only in its last layers what should come next: none is left in which that could be
    compared with what was written."""
    lora_rank: int | None = Field(default=None, ge=1)
    """Train low-rank additions (LoRA) and the head alone; they are merged in the end."""
    evaluations: int = Field(default=4, ge=1)
    """Times that it is measured on the way."""
    checkpoint_steps: int = Field(default=100, ge=1)
    """Optimizer steps between two checkpoints."""
    require_chat_template: bool = True
    """Refuse a base model without a chat template: it was hardly the solver of chat prompts."""

    @model_validator(mode="after")
    def _new_layers_are_trained_whole(self) -> Self:
        if self.new_layers and self.lora_rank is not None:
            raise ValueError(
                "expected new_layers or lora_rank, got both: new layers are trained whole; with "
                "freeze_layers nothing else need be"
            )
        return self
