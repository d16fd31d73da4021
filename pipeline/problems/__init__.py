"""Problem sources, and the intake that every source goes through.

A source yields problems, or a BadRow where a row is none; the intake drops duplicates, stops at bad
rows or skips and counts them, and ends at the limit. The same config gives the same problems in the
same order every time: a resumed run relies on it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import UserMistake
from pipeline.problems.conflicts import Conflicts
from pipeline.records import Problem
from pipeline.templates import Template

SOURCES = {
    "file": "pipeline.problems.files:FileSource",
    "hugging_face": "pipeline.problems.hugging_face:HuggingFaceSource",
    "reasoning_gym": "pipeline.problems.gym:ReasoningGymSource",
}
"""What `problems.use` can name."""


class SourceConfig(BaseModel):
    """The options that every source has; a source's own `Config` extends it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int | None = Field(default=None, ge=1)
    """Most problems to take."""
    on_error: Literal["stop", "skip"] = "stop"
    """What a bad row does: end the run, or be counted and passed over."""


class ProblemError(UserMistake):
    """The problem set cannot be used; the message names file, line and field for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row of the source that is no problem."""

    where: str
    """File and line, or dataset and row."""
    reason: str
    """Which field, what was expected and what was got."""

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


class Source(Protocol):
    """Built with its own `Config`, a SourceConfig, and the run's seed."""

    @property
    def config(self) -> SourceConfig:
        """The options it was built with."""
        ...

    def size(self) -> int | None:
        """About how many problems there are, for a progress display; None if that takes long."""
        ...

    def rows(self) -> Iterator[Problem | BadRow]:
        """Every row in a fixed order. Raises ProblemError if the source cannot be read at all."""
        ...


@runtime_checkable
class ReportsColumns(Protocol):
    """What a source whose rows have named columns can say besides."""

    @property
    def unused_columns(self) -> Sequence[str]:
        """Columns of the rows read so far that nothing uses."""
        ...


def at_most(config: SourceConfig, num_rows: int) -> int:
    """A source's size under the config's limit."""
    return num_rows if config.limit is None else min(num_rows, config.limit)


class Intake:
    """Iterates over the problems that a run takes from a source, once."""

    def __init__(self, source: Source, template: Template | None = None) -> None:
        """`template` is that of the prompt; without one the problem's text is the prompt."""
        self.conflicts = Conflicts(template or Template())
        self._source = source
        self.num_taken = 0
        self.num_duplicates = 0
        self.num_bad_rows = 0

    @property
    def unused_columns(self) -> Sequence[str]:
        """Columns of the rows read so far that nothing uses; none of a source without columns."""
        source = self._source
        return source.unused_columns if isinstance(source, ReportsColumns) else ()

    def __iter__(self) -> Iterator[Problem]:
        """Raises ProblemError at a bad row, unless those are skipped, and for an empty source."""
        config = self._source.config
        seen: set[int] = set()
        first_bad: BadRow | None = None
        for row in self._source.rows():
            if isinstance(row, BadRow):
                if config.on_error == "stop":
                    raise ProblemError(f"{row}; problems.on_error=skip passes over bad rows")
                self.num_bad_rows += 1
                first_bad = first_bad or row
                continue
            # Ids are 64-bit hashes: as integers they take half the memory.
            key = int(row.id, 16)
            if key in seen:
                self.num_duplicates += 1
                continue
            seen.add(key)
            self.conflicts.add(row)
            self.num_taken += 1
            yield row
            if self.num_taken == config.limit:
                return
        if self.num_taken == 0:
            first = "" if first_bad is None else f", the first is {first_bad}"
            raise ProblemError(
                f"no problems: the source has none ({self.num_bad_rows} bad rows{first})"
            )
