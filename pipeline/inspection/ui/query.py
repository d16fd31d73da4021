"""A selection of problems: which ones, and in which order.

`Query` is what the address of a page holds, what a saved selection stores, and what `select` applies to
a table of problems.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal

import numpy as np
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.datasets.trust.people import Judgement, latest
from pipeline.errors import UserMistake
from pipeline.inspection.ui.index import ProblemTable

_LONGEST = 500
"""Characters of a text to search for."""
_SEARCHED = ("problem", "problem_id", "source_id", "target_value")

SORTS: dict[str, tuple[str, Callable[[ProblemTable], np.ndarray]]] = {
    "order": ("order of the run", lambda table: np.arange(table.num_problems)),
    "rate": ("pass rate", lambda table: table.rate),
    "uncertainty": (
        "width of the pass rate's interval",
        lambda table: table.interval[:, 1] - table.interval[:, 0],
    ),
    "kept": ("responses kept", lambda table: table.numbers("kept")),
    "responses": ("responses", lambda table: table.numbers("responses")),
    "tokens": ("tokens", lambda table: table.numbers("tokens")),
    "text": ("text", lambda table: _ranks(table, "problem")),
    "domain": ("domain", lambda table: _ranks(table, "domain")),
}
"""Key -> its name for people, and the number to sort by; NaN is unknown."""


class Query(BaseModel):
    """Conditions that all hold; the default selects every problem."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    q: str | None = Field(default=None, max_length=_LONGEST)
    """Text in the problem, its ids or its gold answer, in any case."""
    domain: str | None = None
    min_rate: float | None = Field(default=None, ge=0, le=1)
    max_rate: float | None = Field(default=None, ge=0, le=1)
    """Least and greatest pass rate; a problem without a known one does not match."""
    outcome: Literal["pass", "fail", "abstain", "error", "none"] | None = None
    """Verdict of at least one response; `none`: no response has a verdict."""
    kept: Literal["yes", "no"] | None = None
    """Whether a response survived."""
    reason: str | None = Field(default=None, max_length=_LONGEST)
    """Text in the reason of a verdict, in any case."""
    dropped: str | None = None
    """Stage that dropped a response."""
    version: str | None = None
    """Model version that sampled a part of the tree."""
    judged: Literal["yes", "no", "differs"] | None = None
    """Whether a person has judged a response, or `differs` from the verifier."""

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> "Query":
        """A query from the values of an address; empty ones are left out. Raises UserMistake."""
        given = {key: value for key, value in values.items() if value not in ("", None)}
        try:
            return cls.model_validate(given)
        except ValidationError as e:
            first = e.errors()[0]
            where = ".".join(map(str, first["loc"])) or "query"
            if first["type"] == "extra_forbidden":
                raise UserMistake(f"{where}: expected one of {', '.join(cls.model_fields)}") from e
            raise UserMistake(f"{where}: {first['msg']}, got {first['input']!r:.80}") from e

    def values(self) -> dict[str, Any]:
        """The conditions that are set."""
        return self.model_dump(exclude_none=True)


def select(table: ProblemTable, query: Query, judgements: Collection[Judgement]) -> np.ndarray:
    """The rows of the problems that match, in the run's order."""
    found = np.ones(table.num_problems, bool)
    if query.q is not None:
        found &= _with_text(table, query.q)
    if query.domain is not None:
        found &= _as_mask(pc.equal(table.texts["domain"], query.domain))
    if query.min_rate is not None:
        found &= table.rate >= query.min_rate
    if query.max_rate is not None:
        found &= table.rate <= query.max_rate
    if query.outcome is not None:
        found &= _with_outcome(table, query.outcome)
    if query.kept is not None:
        found &= (table.numbers("kept") > 0) == (query.kept == "yes")
    if query.reason is not None:
        found &= table.with_response("reason", query.reason, exact=False)
    if query.dropped is not None:
        found &= table.with_response("decided_by", query.dropped, exact=True)
    if query.version is not None:
        found &= table.with_version(query.version)
    if query.judged is not None:
        found &= _judged(table, query.judged, judgements)
    return np.flatnonzero(found)


def ordered(table: ProblemTable, rows: np.ndarray, sort: str, *, descending: bool) -> np.ndarray:
    """The rows by the key of SORTS, unknown values last and equal ones in the run's order.

    Raises UserMistake for an unknown key.
    """
    if sort not in SORTS:
        raise UserMistake(f"sort: expected one of {', '.join(SORTS)}, got {sort:.80}")
    values = SORTS[sort][1](table)[rows].astype(float)
    # NaN sorts last.
    return np.asarray(rows[np.argsort(-values if descending else values, kind="stable")])


def _with_text(table: ProblemTable, text: str) -> np.ndarray:
    found = np.zeros(table.num_problems, bool)
    for name in _SEARCHED:
        found |= _as_mask(pc.match_substring(table.texts[name], text, ignore_case=True))
    return found


def _with_outcome(table: ProblemTable, outcome: str) -> np.ndarray:
    if outcome != "none":
        return table.numbers(outcome) > 0
    kinds = ("pass", "fail", "abstain", "error")
    return np.asarray(sum(table.numbers(kind) for kind in kinds) == 0)


def _judged(table: ProblemTable, wanted: str, judgements: Collection[Judgement]) -> np.ndarray:
    newest = latest(judgements)
    if wanted == "differs":
        newest = [one for one in newest if one.agrees is False]
    found = np.zeros(table.num_problems, bool)
    places = (table.find(one.problem_id) for one in newest)
    found[[place for place in places if place is not None]] = True
    return ~found if wanted == "no" else found


def _ranks(table: ProblemTable, name: str) -> np.ndarray:
    column = pc.fill_null(table.texts[name], "").combine_chunks()
    ranks = pc.rank(column, tiebreaker="dense")
    return np.asarray(ranks.to_numpy(zero_copy_only=False))


def _as_mask(values: Any) -> np.ndarray:
    return np.asarray(pc.fill_null(values, False).to_numpy(), bool)
