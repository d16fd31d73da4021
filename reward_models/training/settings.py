"""Settings for training a reward model."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class TrainSettings(BaseModel):
    """Options that `berry train` takes as KEY=VALUE."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    labels: Literal["hard", "soft", "p_correct"] = "p_correct"
    """Target of a PRM: `hard`, whether any rollout from the step's end passed; `soft`, the fraction
    that passed, weighted by their number; `p_correct`, the probability that all steps so far are right.
    The first two need many rollouts from each step: a few failures say little about the step."""
    up_to_first_error: bool = True
    """Train a PRM on each response only up to its first wrong step, as in PRM800K (Lightman et al.,
    2023, arXiv:2305.20050). All later steps are wrong as well, regardless of their text, and would
    teach memorizing instead of checking. Scores after a wrong step then mean little: aggregate with
    `min`."""
    unsolved: bool = False
    """Also train a PRM on problems without any passing response. There, a step without a passing
    rollout shows that the problem is hard, not that the step is wrong."""
    held_out: float = Field(default=0.1, ge=0, lt=1)
    """Fraction of problems held out for evaluation."""
    seed: int = Field(default=0, ge=0)
    """Seed of the split, the order of the data and new weights."""
    epochs: float = Field(default=2.0, gt=0)
    """Passes over the training data."""
    max_steps: int | None = Field(default=None, ge=1)
    """Optimizer steps; overrides `epochs`."""
    batch_size: int = Field(default=8, ge=1)
    """Responses in each device's batch."""
    gradient_accumulation_steps: int = Field(default=1, ge=1)
    """Batches per optimizer step."""
    learning_rate: float = Field(default=2e-5, gt=0)
    """2e-5 suits models with some billion weights, 1e-4 small ones and LoRA."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Fraction of the steps in which the learning rate rises; after that it falls linearly to 0."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Weight decay of AdamW."""
    max_length: int = Field(default=2048, ge=1)
    """Longest sequence, prompt and response together, in tokens; longer ones are left out, never
    cut."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Number type of the arithmetic; weights stay float32. `auto` is bfloat16 on a GPU, else
    float32."""
    freeze_layers: int = Field(default=0, ge=0)
    """Number of lowest layers to freeze, together with the embeddings."""
    new_layers: int = Field(default=0, ge=0)
    """Number of layers to add on top, which at first change nothing (Wu et al., 2024,
    arXiv:2401.02415). A solver knows what should come next only in its last layers, which leaves no
    layer to compare that with the written text."""
    lora_rank: int | None = Field(default=None, ge=1)
    """Train only low-rank additions (LoRA) and the head; the additions are merged at the end."""
    evaluations: int = Field(default=4, ge=1)
    """Number of evaluations during training."""
    checkpoint_steps: int = Field(default=100, ge=1)
    """Optimizer steps between two checkpoints."""
    require_chat_template: bool = True
    """Refuse a base model without a chat template: the solver of chat prompts almost certainly had
    one."""

    @model_validator(mode="after")
    def _new_layers_are_trained_whole(self) -> Self:
        if self.new_layers and self.lora_rank is not None:
            raise ValueError(
                "expected new_layers or lora_rank, got both: new layers are trained in full; use "
                "freeze_layers to freeze the others"
            )
        return self
