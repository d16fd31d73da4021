"""Settings for training the generator."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.labels.advantages import AdvantageMethod

Method = Literal["sft", "dpo", "kto", "ppo"]
_RATES: dict[Method, float] = {"sft": 1e-5, "dpo": 1e-6, "kto": 1e-6, "ppo": 1e-6}
_BETAS: dict[Method, float] = {"sft": 0.0, "dpo": 0.1, "kto": 0.1, "ppo": 0.0}
_LORA_FACTOR = 10
"""LoRA's weights start at nothing and are few: they take a higher rate."""


class PolicySettings(BaseModel):
    """Options that `berry train policy` takes as KEY=VALUE."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Method = "sft"
    """`sft` learns the survivors (view `traces`), `dpo` to prefer the better text of each pair
    (`preferences`; Rafailov et al., 2023, arXiv:2305.18290), `kto` from single responses that are
    right or wrong (`outcomes`; Ethayarajh et al., 2024, arXiv:2402.01306), `ppo` from the advantage of
    each step (`packed`; the clipped objective of Schulman et al., 2017, arXiv:1707.06347)."""
    pairs: Literal["all", "answer", "step"] = "all"
    """With `dpo`: the kind of pairs."""
    beta: float | None = Field(default=None, ge=0)
    """With `dpo`, `kto` and `ppo`: how strongly the model is held to the base; default: 0.1, for `ppo`
    0."""
    advantages: AdvantageMethod | None = None
    """With `ppo`: another rule for the advantages than that of the rows (`views.packed.advantages`)."""
    weights: Literal["samples", "sampling"] = "samples"
    """With `ppo`: how often a step counts. `samples`: as often as rollouts sampled it, so a place that
    the search explores counts more. `sampling`: by the probability that random sampling reaches it."""
    clip_range: float = Field(default=0.2, gt=0, lt=1)
    """With `ppo`: a token's probability has no more effect on the loss once it has changed by this
    fraction, to the better."""
    temperature: float | None = Field(default=None, gt=0)
    """With `ppo`: temperature at which probabilities are compared; default: that of the runs, for
    exported folders 1. Log-probabilities that a run stored for another distribution are not used."""
    desirable_weight: float = Field(default=1.0, gt=0)
    """With `kto`: weight of right responses."""
    undesirable_weight: float = Field(default=1.0, gt=0)
    """With `kto`: weight of wrong responses. With few right ones, lower it: their total weights should
    be alike."""
    held_out: float = Field(default=0.1, ge=0, lt=1)
    """Fraction of problems held out for evaluation, by a hash of their ids: the same in every run."""
    seed: int = Field(default=0, ge=0)
    """Seed of the split, the order of the data and LoRA's weights."""
    epochs: float = Field(default=1.0, gt=0)
    """Passes over the training data."""
    max_steps: int | None = Field(default=None, ge=1)
    """Optimizer steps; overrides `epochs`."""
    batch_size: int = Field(default=8, ge=1)
    """Responses, pairs or, with `ppo`, trees in each device's batch."""
    gradient_accumulation_steps: int = Field(default=1, ge=1)
    """Batches per optimizer step."""
    learning_rate: float | None = Field(default=None, gt=0)
    """The highest learning rate; default: 1e-5 for `sft`, 1e-6 for the others, ten times as much with
    LoRA."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Fraction of the steps in which the learning rate rises; after that it falls linearly to 0."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Weight decay of AdamW."""
    max_length: int = Field(default=4096, ge=2)
    """Longest sequence, prompt and response together, in tokens; longer ones are left out, never cut.
    With `ppo`, of a tree: a longer one becomes several, of whole responses."""
    lora_rank: int | None = Field(default=None, ge=1)
    """Train only low-rank additions (LoRA); they are merged at the end, and kept in `adapter/`."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Number type of the arithmetic; weights stay float32 until the end. `auto` is bfloat16 on a GPU,
    else float32."""
    gradient_checkpointing: bool = False
    """Compute activations twice, to save memory."""
    evaluations: int = Field(default=4, ge=1)
    """Number of times that the loss on held-out problems is computed."""
    checkpoint_steps: int = Field(default=100, ge=1)
    """Optimizer steps between two checkpoints."""
    eval_rollouts: int = Field(default=4, ge=0)
    """Rollouts for each held-out problem with which pass@1 and pass@k are measured before and after
    the training. 0 measures neither."""
    eval_every: int | None = Field(default=None, ge=1)
    """Optimizer steps between two further measurements; each loads the engine and samples again."""
    eval_limit: int = Field(default=100, ge=1)
    """Most problems in a measurement."""
    eval_problems: str | dict[str, Any] | None = None
    """Other problems to measure with: a file with the columns of the run's, or a section `problems` of
    a config. None of them may be among the training problems. Default: the held-out problems of the
    runs."""
    eval_config: dict[str, Any] = {}
    """Keys of the run's config to change in measurements, such as
    `{sampling.temperature: 0, engine.cpu_kv_cache_gib: 1}`."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.method == "kto" and self.batch_size < 2:
            raise ValueError(
                "expected batch_size of 2 or more with method=kto, which compares each prompt with "
                "the response to another one of its batch, got 1"
            )
        if self.method in ("dpo", "kto") and self.beta == 0:
            raise ValueError(f"expected beta above 0 with method={self.method}, got 0")
        if self.eval_rollouts == 0 and (self.eval_every or self.eval_problems or self.eval_config):
            raise ValueError(
                "expected eval_rollouts of 1 or more with eval_every, eval_problems or eval_config, "
                "got 0"
            )
        return self

    @property
    def held_to_base(self) -> float:
        """`beta`, or its default."""
        return _BETAS[self.method] if self.beta is None else self.beta

    @property
    def highest_rate(self) -> float:
        """The highest learning rate."""
        if self.learning_rate is not None:
            return self.learning_rate
        return _RATES[self.method] * (1 if self.lora_rank is None else _LORA_FACTOR)
