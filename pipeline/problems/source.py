"""Problem sources: the protocol, and the options that all have.

A source yields problems, and a BadRow for each row that is not a problem. The same config must always
give the same problems in the same order, because resumed runs rely on it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import UserMistake
from pipeline.records import Problem

SOURCES = {
    "file": "pipeline.problems.files:FileSource",
    "hugging_face": "pipeline.problems.hugging_face:HuggingFaceSource",
    "reasoning_gym": "pipeline.problems.gym:ReasoningGymSource",
}
"""Values of `problems.use`."""


class VariantOptions(BaseModel):
    """Variants of the problems, whose gold answers are computed again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    numbers: int = Field(default=0, ge=0, le=100)
    """Most variants of each problem, right after it: the same task drawn again for `reasoning_gym`;
    elsewhere the text with other numbers, if a worked solution (before `answer_after`) tells how the
    answer follows. 0 makes none."""


class SourceConfig(BaseModel):
    """Options that every source has; a source's own `Config` extends it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int | None = Field(default=None, ge=1)
    """Maximum number of problems. A resumed run may have a higher one."""
    on_error: Literal["stop", "skip"] = "stop"
    """Effect of a bad row: `stop` ends the run, `skip` counts and skips the row."""
    variants: VariantOptions = VariantOptions()
    """Adds variants of each problem."""


class ProblemError(UserMistake):
    """The problem set cannot be used; the message names file, line and field for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row of the source that is not a problem."""

    where: str
    """File and line, or dataset and row."""
    reason: str
    """The field, what was expected and what was got."""

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


class Source(Protocol):
    """Built with its own `Config`, a SourceConfig, and the run's seed."""

    @property
    def config(self) -> SourceConfig:
        """The options it was built with."""
        ...

    def size(self) -> int | None:
        """Approximate number of problems, for a progress display; None if counting takes long."""
        ...

    def rows(self) -> Iterator[Problem | BadRow]:
        """Every row in a fixed order. Raises ProblemError if the source cannot be read."""
        ...

    # Two optional methods make a resumed run quick:
    #
    # fingerprint(self) -> str | None
    #     A text that changes if the rows could be others; None if unknown.
    # rows_in(self, ranges: Sequence[range]) -> Iterator[Problem | BadRow]
    #     Those of `rows` with these numbers, from 0. The ranges are in order and do not overlap; the
    #     last may extend past the last row.
    #
    # A third one makes variants, for `problems.variants`:
    #
    # variants_of(self, problem: Problem, number: int) -> Sequence[Problem]
    #     At most so many variants of a problem of its own, the same ones at every call.


@runtime_checkable
class ReportsColumns(Protocol):
    """Optional interface of a source whose rows have named columns."""

    @property
    def unused_columns(self) -> Sequence[str]:
        """Unused columns of the rows read so far."""
        ...


def at_most(config: SourceConfig, num_rows: int) -> int:
    """A source's size, capped at the config's limit."""
    return num_rows if config.limit is None else min(num_rows, config.limit)
