"""`math_shepherd`: samples k completions of every step.

n0 rollouts of the whole problem, then k rollouts from the end of each of their steps. Completions
label a step: right if any passes (hard), or the fraction that pass (soft). Math-Shepherd (Wang et al.,
2023, arXiv:2312.08935).
"""

from pydantic import BaseModel, ConfigDict, Field

from pipeline.search.branching import Branching


class MathShepherd(Branching):
    """`branching` at every step of whole rollouts."""

    class Config(BaseModel):
        """The paper's parameters."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        rollouts: int = Field(default=8, ge=1)
        """n0: rollouts of the whole problem, whose steps are labelled."""
        completions: int = Field(default=8, ge=1)
        """k: rollouts from the end of each step."""

    def __init__(self, config: Config) -> None:
        super().__init__(
            Branching.Config(
                rollouts=config.rollouts, where="steps", branches=config.completions, depth=1
            )
        )
