"""Options of `berry vary`."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from pipeline.hygiene.rules import ContaminationRule

Kind = Literal["numbers", "composed", "rewrite", "written"]


def _listed(given: Any) -> Any:
    return [given] if isinstance(given, str) else given


class VarySettings(BaseModel):
    """Options that `berry vary` takes as KEY=VALUE."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kinds: Annotated[tuple[Kind, ...], BeforeValidator(_listed)] = ("numbers", "composed", "rewrite")
    """What to make: `numbers` changes numbers, `composed` puts the answer of one problem into another,
    both with an answer that is computed; `rewrite` lets the model write a problem with the same
    answer from a verified solution (SvS, Liang et al., 2025, arXiv:2508.14029); `written` lets it write
    a problem that needs two others."""
    max_problems: int | None = Field(default=None, ge=1)
    """Most problems of the run that variants are made of; default: all with a verified solution."""
    per_problem: int = Field(default=1, ge=1)
    """Most candidates of each kind for a problem."""
    samples: int = Field(default=8, ge=2)
    """Responses to each candidate, by which it is checked. They are not told any answer."""
    min_pass_rate: float = Field(default=0.25, ge=0, le=1)
    """Least fraction of the responses that give the candidate's answer."""
    max_pass_rate: float = Field(default=0.95, ge=0, le=1)
    """Greatest fraction; what every response solves teaches little."""
    min_agreement: float = Field(default=0.75, gt=0, le=1)
    """With `written`, whose answer is what most responses give: least fraction of them."""
    min_similarity: float = Field(default=0.8, gt=0, le=1)
    """Estimated similarity from which a candidate repeats a problem with the same numbers."""
    contamination: ContaminationRule = ContaminationRule()
    """When a candidate is a question of a test set."""
    temperature: float = Field(default=1.0, ge=0)
    """Of rewrites and written compositions."""
    max_tokens: int = Field(default=512, ge=1)
    """Of rewrites and written compositions."""
    seed: int = Field(default=0, ge=0)
    """Seed of numbers, pairs and samples."""
    config: dict[str, Any] = Field(default_factory=dict)
    """Keys of a run's config for the two runs, such as `{engine.model: models/one}`."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.min_pass_rate > self.max_pass_rate:
            raise ValueError(
                f"expected min_pass_rate to be at most max_pass_rate, {self.max_pass_rate:g}, got "
                f"{self.min_pass_rate:g}"
            )
        return self
