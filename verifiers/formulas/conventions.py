"""What mathematics alone does not settle about equal answers, as options."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Conventions(BaseModel):
    """How answers are compared where there is a choice."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    units: Literal["free", "demanded"] = "free"
    """`demanded`: an answer without the gold answer's unit is wrong. Another unit always has to fit."""
    percent: Literal["question", "value", "figure"] = "question"
    """Whether 50% is also 50: `value` never, `figure` always, `question` if the prompt asks."""
    degrees: Literal["free", "demanded"] = "free"
    """`demanded`: 90 is not 90 degrees."""
    rounding: Literal["exact_forms", "never", "decimals"] = "exact_forms"
    """What may round to a gold decimal: forms without finite decimals such as pi, nothing, or also
    longer decimals."""
    approximate_digits: int = Field(default=6, ge=0)
    """Significant digits from which on a decimal passes for pi or 1/3; 0: it never does."""
    relative_tolerance: float = Field(default=0.0, ge=0, lt=1)
    """Between two numbers of which one is a decimal."""
    list_order: Literal["free", "kept"] = "free"
    """Whether the order of a list without brackets counts."""
    bases: Literal["numeral", "value"] = "numeral"
    """`value`: 101 in base 2 is 5."""
    choices: bool = True
    """A gold answer that is one capital letter is met by `(B)` and `B) 12`."""
