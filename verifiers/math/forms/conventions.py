"""Options for equality of answers where mathematics alone does not decide."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Conventions(BaseModel):
    """Conventions of comparison that problem sets differ in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    units: Literal["free", "demanded"] = "free"
    """`demanded`: an answer without the gold answer's unit is wrong. A given unit must always fit."""
    percent: Literal["question", "value", "figure"] = "question"
    """Whether 50% is also 50: `value` never, `figure` always, `question` if the prompt asks."""
    degrees: Literal["free", "demanded"] = "free"
    """`demanded`: 90 is not 90 degrees."""
    rounding: Literal["exact_forms", "never", "decimals"] = "exact_forms"
    """Answers that may round to a gold decimal: forms without a finite decimal such as pi, nothing, or
    also longer decimals."""
    approximate_digits: int = Field(default=6, ge=0)
    """Significant digits from which a decimal counts as equal to pi or 1/3; 0: never."""
    relative_tolerance: float = Field(default=0.0, ge=0, lt=1)
    """Relative difference allowed between two numbers if at least one is a decimal."""
    list_order: Literal["free", "kept"] = "free"
    """Whether the order of a list without brackets matters."""
    bases: Literal["numeral", "value"] = "numeral"
    """`value`: 101 in base 2 is 5."""
    choices: bool = True
    """Whether `(B)` and `B) 12` match a gold answer that is one capital letter."""
