"""The options of the rules over all problems."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from pipeline.config import KINDS
from pipeline.hygiene.question_columns import guess_section
from verifiers.plugins import Part, PartOf

Trait = Literal["domain", "difficulty", "source"]


def _from_path(given: Any) -> Any:
    """A path stands for a file whose columns are guessed."""
    return guess_section(given) if isinstance(given, str) else given


def _listed(given: Any) -> Any:
    """One test set stands for a list of one."""
    return [given] if isinstance(given, str | Mapping) else given


def _switch(given: Any) -> Any:
    """`false` turns the rule off."""
    return {True: {}, False: None}[given] if isinstance(given, bool) else given


TestSet = Annotated[Part, PartOf(KINDS["problems"]), BeforeValidator(_from_path)]


class ContaminationRule(BaseModel):
    """When a problem is a question of a test set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_overlap: float = Field(default=0.6, gt=0, le=1)
    """Least overlap with a test's question: the fraction of its pairs of words that a passage of the
    problem has too, weighted by rarity and with numbers masked."""
    min_overlap_same_answer: float = Field(default=0.4, gt=0, le=1)
    """Least overlap if a rare answer, or rare numbers, are the same too."""

    def least(self, evidence: float) -> float:
        """The least overlap, with evidence from answer and numbers of 0 to 1."""
        lower = min(self.min_overlap, self.min_overlap_same_answer)
        return self.min_overlap - evidence * (self.min_overlap - lower)


class DuplicateRule(BaseModel):
    """Which texts repeat an earlier one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    problems: bool = True
    """Drop problems whose text repeats that of an earlier problem."""
    responses: bool = True
    """Drop survivors whose text repeats that of a survivor of an earlier problem."""
    min_similarity: float | None = Field(default=0.8, gt=0, le=1)
    """Least estimated similarity of two texts with the same calculation: the Jaccard similarity of
    their word 3-grams; null drops only the same texts."""
    min_words: int = Field(default=20, ge=1)
    """Responses with fewer words stay: the same few words may answer many problems."""


class DifficultyRule(BaseModel):
    """Which problems are neither too hard nor too easy for the model that sampled the responses."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_pass_rate: float = Field(default=0.0, ge=0, le=1)
    """Least pass rate of the rollouts of the whole problem."""
    max_pass_rate: float = Field(default=1.0, ge=0, le=1)
    """Greatest pass rate."""
    only_if_certain: bool = False
    """Drop a problem only if the whole credible interval of its pass rate is outside."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.min_pass_rate > self.max_pass_rate:
            raise ValueError(
                f"expected min_pass_rate to be at most max_pass_rate, {self.max_pass_rate:g}, got "
                f"{self.min_pass_rate:g}"
            )
        return self


class BalanceRule(BaseModel):
    """How many problems of a group stay, drawn by the run's seed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: tuple[Trait, ...] = Field(default=("domain", "difficulty"), min_length=1)
    """What the problems of a group have in common; `difficulty` is the range of the pass rate, as in
    the dataset card."""
    max_problems: int | None = Field(default=None, ge=1)
    """Maximum number of problems of a group."""
    max_ratio: float | None = Field(default=None, ge=1)
    """Maximum number of problems of a group, as a multiple of the smallest group's."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.max_problems is None and self.max_ratio is None:
            raise ValueError("expected max_problems or max_ratio, got neither")
        return self


class HygieneConfig(BaseModel):
    """The rules of `berry clean`, in the order in which they apply."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    against: Annotated[tuple[TestSet, ...], BeforeValidator(_listed)] = ()
    """Test sets whose questions are dropped: sections as `problems` in a run's config, or paths of
    files whose columns have usual names."""
    contamination: ContaminationRule = ContaminationRule()
    """When a problem counts as a question of a test set."""
    duplicates: Annotated[DuplicateRule | None, BeforeValidator(_switch)] = DuplicateRule()
    """Drops what repeats an earlier problem or response; null keeps it."""
    difficulty: DifficultyRule | None = None
    """Drops problems outside a window of pass rates. Problems of unknown pass rate stay."""
    balance: BalanceRule | None = None
    """Limits the problems of a group."""
    keep: tuple[str, ...] = ()
    """Ids of problems that no rule drops, for example after a person has looked at them."""
