"""What decides the rows of the views, besides the trees: labels, and options of single views."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pipeline.labels.advantages import AdvantageMethod
from pipeline.labels.step_labels import LabelConfig

PairKind = Literal["answer", "step"]
SpliceMode = Literal["generated", "spliced"]


def _check_text(text: str) -> str:
    """Raises ValueError for a text of white space alone."""
    if not text.strip():
        raise ValueError(f"expected a text such as 'Wait,', got {text!r}")
    return text


_Text = Annotated[str, AfterValidator(_check_text)]


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


class PackedOptions(BaseModel):
    """How the advantages of the view `packed` are computed (`pipeline/labels/advantages.py`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    advantages: AdvantageMethod = "vineppo"
    """`vineppo`: change of the value by a step. `siblings`: the same in standard deviations of the
    steps sampled at one place. `math_shepherd`: sum of the normalised values from a step on."""


class BacktrackingOptions(BaseModel):
    """Which chains the view `backtracking` has, and how their ends are sampled."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: SpliceMode = "generated"
    """`generated`: the model goes on from the wrong steps. `spliced`: `notice` and the stored right
    branch follow them."""
    openings: tuple[_Text, ...] = Field(default=("Wait,", "Hold on,", "Hmm, wait."), min_length=1)
    """First words of the notice in mode `generated`, after which the model goes on; each chain draws
    one."""
    notice: _Text = "Wait, that is not right. Let me go back and try another way."
    """The whole notice in mode `spliced`, and where the stored branch is scored for comparison."""
    train_opening: bool = True
    """Train on the words of `openings` or `notice`, which the model has not sampled."""
    num_detours: int = Field(default=1, ge=1)
    """Wrong branches in a chain, one after the other, all from the same prefix."""
    max_detour_steps: int = Field(default=2, ge=1)
    """Maximum number of steps of a wrong branch; the first ones are taken."""
    min_step: int = Field(default=1, ge=1)
    """Least number, from 1, of the first wrong step."""
    max_step: int | None = Field(default=None, ge=1)
    """Greatest number, from 1, of the first wrong step; none by default."""
    max_wrong: float = Field(default=0.3, ge=0, lt=0.5)
    """Greatest posterior mean of the pass rate of a wrong branch's first step."""
    min_margin: float = Field(default=0.6, gt=0, le=1)
    """Least difference between the pass rates of the first steps of the right and a wrong branch. With
    less, more of the wrong branches are right steps whose rollouts went wrong later."""
    max_per_problem: int = Field(default=4, ge=1)
    """Maximum number of chains for a problem; those with the largest margins come first."""
    attempts: int = Field(default=4, ge=1)
    """Maximum number of continuations sampled for a chain; the first that the verifier accepts is
    kept. Those of 1, 2, 4, ... are sampled together."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Maximum number of tokens in a chain's response; default: `sampling.max_tokens` of the run."""
    temperature: float | None = Field(default=None, ge=0)
    """Sampling temperature; default: that of the run."""


class ViewOptions(BaseModel):
    """Options of the views, a section for each view that has any."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    preferences: PreferenceOptions = PreferenceOptions()
    packed: PackedOptions = PackedOptions()
    backtracking: BacktrackingOptions = BacktrackingOptions()


class ViewRules(BaseModel):
    """Everything but the trees that decides the rows of the views."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    labels: LabelConfig = LabelConfig()
    """How steps are labelled."""
    views: ViewOptions = ViewOptions()
    """Options of single views."""


DEFAULT = ViewRules()
