"""Two runs, problem by problem: joined by the problem's id, which is a hash of its content."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import UserMistake
from pipeline.inspection.ui.index import ProblemTable

_Z = 1.959964
"""Quantile of the normal distribution for a 95% interval."""
SORTS = ("difference", "rate_a", "rate_b", "text", "order")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Problems of either run: their rows in both, -1 where a run lacks the problem."""

    a: ProblemTable
    b: ProblemTable
    rows_a: np.ndarray
    rows_b: np.ndarray

    @classmethod
    def of(cls, a: ProblemTable, b: ProblemTable) -> "Comparison":
        """Joins two tables, in the order of the first, then of the second."""
        place = {one: row for row, one in enumerate(b.texts["problem_id"].to_pylist())}
        ids = a.texts["problem_id"].to_pylist()
        in_b = np.array([place.pop(one, -1) for one in ids], np.int64)
        rest = np.array(sorted(place.values()), np.int64)
        return cls(
            a=a,
            b=b,
            rows_a=np.concatenate([np.arange(len(ids)), np.full(len(rest), -1)]),
            rows_b=np.concatenate([in_b, rest]),
        )

    @property
    def rate_a(self) -> np.ndarray:
        """Pass rates in the first run; NaN where unknown."""
        return _taken(self.a.rate, self.rows_a)

    @property
    def rate_b(self) -> np.ndarray:
        """Pass rates in the second run; NaN where unknown."""
        return _taken(self.b.rate, self.rows_b)

    def summary(self) -> dict[str, Any]:
        """How many problems each has, and the mean difference (b - a) over those that both know.

        The interval is that of a mean over problems, by the normal approximation; None below 2.
        """
        in_a, in_b = self.rows_a >= 0, self.rows_b >= 0
        difference = (self.rate_b - self.rate_a)[in_a & in_b]
        difference = difference[~np.isnan(difference)]
        mean = float(difference.mean()) if len(difference) else None
        margin = None
        if len(difference) > 1:
            margin = _Z * float(difference.std(ddof=1)) / len(difference) ** 0.5
        return {
            "both": int((in_a & in_b).sum()),
            "only_a": int((in_a & ~in_b).sum()),
            "only_b": int((in_b & ~in_a).sum()),
            "compared": len(difference),
            "mean_difference": mean,
            "low": None if mean is None or margin is None else mean - margin,
            "high": None if mean is None or margin is None else mean + margin,
        }

    def ordered(self, only: str | None, sort: str, *, descending: bool) -> np.ndarray:
        """The places of the problems of one run alone, of both, or of either; unknown values last.

        Raises UserMistake for an unknown key.
        """
        if sort not in SORTS:
            raise UserMistake(f"sort: expected one of {', '.join(SORTS)}, got {sort:.80}")
        in_a, in_b = self.rows_a >= 0, self.rows_b >= 0
        masks = {None: in_a | in_b, "": in_a | in_b, "a": ~in_b, "b": ~in_a, "both": in_a & in_b}
        if only not in masks:
            raise UserMistake(f"only: expected a, b or both, got {only:.80}")
        places = np.flatnonzero(masks[only])
        if sort == "order":
            return places[::-1] if descending else places
        if sort == "text":
            texts = [self._text(int(place), "problem") or "" for place in places]
            order = sorted(range(len(places)), key=lambda at: texts[at], reverse=descending)
            return places[order]
        values = {
            "difference": self.rate_b - self.rate_a,
            "rate_a": self.rate_a,
            "rate_b": self.rate_b,
        }[sort][places]
        return np.asarray(places[np.argsort(-values if descending else values, kind="stable")])

    def row(self, place: int, most: int) -> dict[str, Any]:
        """One problem as JSON values, with up to `most` characters of its text."""
        a, b = (
            _figures(table, int(rows[place]))
            for table, rows in ((self.a, self.rows_a), (self.b, self.rows_b))
        )
        rate_a, rate_b = (None if one is None else one["rate"] for one in (a, b))
        return {
            "problem_id": self._text(place, "problem_id"),
            "problem": (self._text(place, "problem") or "")[:most],
            "domain": self._text(place, "domain"),
            "a": a,
            "b": b,
            "difference": None if rate_a is None or rate_b is None else rate_b - rate_a,
        }

    def _text(self, place: int, name: str) -> str | None:
        row = int(self.rows_a[place])
        table = self.a if row >= 0 else self.b
        text: str | None = table.texts[name][row if row >= 0 else int(self.rows_b[place])].as_py()
        return text


def _figures(table: ProblemTable, row: int) -> dict[str, Any] | None:
    if row < 0:
        return None
    rate = float(table.rate[row])
    return {
        "right": int(table.numbers("right")[row]),
        "known": int(table.numbers("known")[row]),
        "rate": None if np.isnan(rate) else rate,
        "kept": int(table.numbers("kept")[row]),
    }


def _taken(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    found = np.full(len(rows), np.nan)
    found[rows >= 0] = values[rows[rows >= 0]]
    return found
