"""What decides the rows of the views, besides the trees: labels, and options of single views."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.labels.step_labels import LabelConfig

PairKind = Literal["answer", "step"]


class PreferenceOptions(BaseModel):
    """Which pairs the view `preferences` has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kinds: tuple[PairKind, ...] = ("answer", "step")
    """Kinds of pairs: `answer` compares two responses to a problem, `step` two steps at a branch."""
    min_margin: float = Field(default=0.6, ge=0, le=1)
    """Least difference between the scores of the chosen and the rejected text. A response's score is
    the probability that all its steps are right, a step's the posterior mean of its pass rate."""
    max_per_problem: int = Field(default=4, ge=1)
    """Maximum number of pairs of each kind for a problem; those with the largest margins come first."""


class ViewOptions(BaseModel):
    """Options of the views, a section for each view that has any."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    preferences: PreferenceOptions = PreferenceOptions()


class ViewRules(BaseModel):
    """Everything but the trees that decides the rows of the views."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    labels: LabelConfig = LabelConfig()
    """How steps are labelled."""
    views: ViewOptions = ViewOptions()
    """Options of single views."""


DEFAULT = ViewRules()
