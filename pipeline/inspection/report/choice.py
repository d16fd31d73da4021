"""Chooses the sample problems: some of each kind, the same ones however parts were merged."""

import heapq
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import pyarrow.compute as pc

from pipeline.inspection.columns import plain_column
from pipeline.inspection.report.trees.flat_trees import Bools, FlatTrees, floats, is_value
from pipeline.records import Stage, Status
from verifiers import Outcome

NUM_SAMPLES = 20
_DOUBTFUL = 0.8
"""A survivor that is right at every step with a lower probability makes its problem doubtful."""


class Kind(StrEnum):
    """Kinds of problems, in order of precedence."""

    ERRORS = "with errors"
    """It could not be fully explored, or a verdict is an error."""
    DOUBTFUL = "doubtful"
    """A survivor probably has a wrong step, or doubt left no survivor."""
    KEPT = "kept"
    NOT_KEPT = "solved, nothing kept"
    UNSOLVED = "unsolved"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Candidate:
    """A problem that could be a sample; the smallest of a kind are chosen."""

    certainty: float
    """Of doubtful problems, the least probability that a survivor is right; of others 0."""
    problem_id: str
    """A hash, so its order is as good as random."""
    part: int = field(compare=False)
    place: int = field(compare=False)


class Choice:
    """Collects candidates, a part at a time."""

    def __init__(self) -> None:
        self._found: defaultdict[Kind, list[Candidate]] = defaultdict(list)
        self.numbers: dict[Kind, int] = dict.fromkeys(Kind, 0)
        """Problems of each kind in the run."""

    def add(self, part: int, trees: FlatTrees) -> None:
        """Adds the problems of a part."""
        ids = trees.problems["problem_id"].to_pylist()
        certainty = _least_certainty(trees)
        for kind, chosen in _kinds(trees, certainty):
            places = np.flatnonzero(chosen)
            self.numbers[kind] += len(places)
            is_sorted = kind is Kind.DOUBTFUL
            candidates = [
                Candidate(
                    certainty=float(certainty[place]) if is_sorted else 0.0,
                    problem_id=ids[place],
                    part=part,
                    place=place,
                )
                for place in places.tolist()
            ]
            self._found[kind] = heapq.nsmallest(NUM_SAMPLES, [*self._found[kind], *candidates])

    def chosen(self) -> dict[Kind, list[Candidate]]:
        """The samples: kinds take turns until there are enough or no problem is left."""
        taken: dict[Kind, int] = dict.fromkeys(Kind, 0)
        left = NUM_SAMPLES
        while left and any(len(self._found[kind]) > taken[kind] for kind in Kind):
            for kind in Kind:
                if left and len(self._found[kind]) > taken[kind]:
                    taken[kind] += 1
                    left -= 1
        return {kind: self._found[kind][: taken[kind]] for kind in Kind}


def _kinds(trees: FlatTrees, certainty: np.ndarray) -> Iterator[tuple[Kind, Bools]]:
    """Each kind with its problems; each problem has one kind."""
    kept = trees.per_problem(floats(trees.responses, "kept") == 1) > 0
    passed = trees.per_problem(trees.passed[trees.response_leaf] == 1) > 0
    doubted = np.zeros(len(kept), bool)
    for stage in (Stage.DOUBTFUL, Stage.DOUBTFUL_PREFIX):
        doubted |= trees.per_problem(is_value(trees.responses, "decided_by", stage)) > 0
    left = np.ones(len(kept), bool)
    for kind, chosen in (
        (Kind.ERRORS, _has_errors(trees)),
        (Kind.DOUBTFUL, np.where(kept, certainty < _DOUBTFUL, doubted)),
        (Kind.KEPT, kept),
        (Kind.NOT_KEPT, passed),
        (Kind.UNSOLVED, left.copy()),
    ):
        yield kind, left & chosen
        left &= ~chosen


def _has_errors(trees: FlatTrees) -> Bools:
    failed = np.asarray(pc.fill_null(pc.list_value_length(plain_column(trees.problems, "errors")), 0))
    has_errors = is_value(trees.responses, "outcome", Outcome.ERROR)
    has_errors |= is_value(trees.responses, "status", Status.ERROR)
    return np.asarray((failed > 0) | (trees.per_problem(has_errors) > 0))


def _least_certainty(trees: FlatTrees) -> np.ndarray:
    """For each problem, the least probability that a survivor is right at every step; 1 if unknown."""
    found = np.ones(trees.problems.num_rows)
    values = floats(trees.responses, "p_correct")
    chosen = (floats(trees.responses, "kept") == 1) & ~np.isnan(values)
    np.minimum.at(found, trees.response_row[chosen], values[chosen])
    return found
