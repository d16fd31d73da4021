"""The trees of a part as flat arrays: who continues whom, and how each rollout ended.

The arrays say what `pipeline/tree` says of one restored tree, for all trees of a part at once. Nodes
have numbers that are unique in the part. Nodes of the same prefix are not found: that needs their
tokens.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.datasets.reader import RunReader
from pipeline.inspection.columns import (
    has_gold,
    node_columns,
    plain_column,
    problem_columns,
    response_columns,
    right,
)
from pipeline.tree import Finish
from verifiers import Outcome

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Outcomes = NDArray[np.int8]
"""1 for right or passed, 0 for not, -1 for unknown."""
UNKNOWN = -1
_NODE = ("id", "parent", "slot", "step", "score", "finish")


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatTrees:
    """The trees of one part."""

    problems: pa.Table
    responses: pa.Table
    nodes: pa.Table
    response_row: Ints
    """Problem of each response, by its place in the part."""
    row: Ints
    """Problem of each node."""
    parent: Ints
    """Number of each node's parent; -1 for roots."""
    step: Ints
    """Depth of each node; 0 for roots."""
    leaf: Ints
    """Number of the leaf of the rollout that sampled the node; -1 for roots."""
    begins: Bools
    """Whether a rollout begins with the node."""
    response_leaf: Ints
    """Number of the node at which each response ends."""
    right: Outcomes
    """For each response, whether it is right, as accuracies count."""
    passed: Outcomes
    """For each node, whether the rollout that ends there passed, as a trial."""
    has_gold: Bools
    """For each problem."""

    @classmethod
    def read(cls, reader: RunReader, part: int) -> "FlatTrees":
        """The trees of a committed part. Raises FolderError."""
        problems, responses = problem_columns(reader, part), response_columns(reader, part)
        nodes = node_columns(reader, part, _NODE)
        row, response_row = _ints(nodes, "row"), _ints(responses, "row")
        sizes = np.bincount(row, minlength=problems.num_rows)
        first = np.cumsum(sizes) - sizes
        parent = _ints(nodes, "parent", none=-1)
        parent = np.where(parent < 0, -1, first[row] + parent)
        leaf = _leaves(parent, _ints(nodes, "slot"), known(nodes, "finish"))
        response_leaf = first[response_row] + _ints(responses, "leaf")
        return cls(
            problems=problems,
            responses=responses,
            nodes=nodes,
            response_row=response_row,
            row=row,
            parent=parent,
            step=_ints(nodes, "step"),
            leaf=leaf,
            begins=(parent >= 0) & ((leaf[parent] != leaf) | (parent[parent] < 0)),
            response_leaf=response_leaf,
            right=_outcomes(right(responses)),
            passed=_passed(responses, response_leaf, is_value(nodes, "finish", Finish.STOP)),
            has_gold=np.asarray(has_gold(problems, responses)),
        )

    def per_problem(self, responses: Bools) -> Ints:
        """For each problem, the number of its responses in this selection."""
        rows = self.response_row[responses]
        return np.bincount(rows, minlength=self.problems.num_rows).astype(np.int64)


def is_value(table: pa.Table, name: str, value: str) -> Bools:
    """Whether each row has this value in the column; unknown values have not."""
    found = pc.fill_null(pc.equal(plain_column(table, name), str(value)), False)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)


def known(table: pa.Table, name: str) -> Bools:
    """Whether each row has a value in the column."""
    return np.asarray(pc.is_valid(plain_column(table, name)).to_numpy(zero_copy_only=False), dtype=bool)


def floats(table: pa.Table, name: str) -> NDArray[np.float64]:
    """The column's values; NaN for unknown ones."""
    column: Any = plain_column(table, name).cast(pa.float64())
    return np.asarray(pc.fill_null(column, float("nan")).to_numpy(zero_copy_only=False))


def _ints(table: pa.Table, name: str, none: int = 0) -> Ints:
    column: Any = plain_column(table, name).cast(pa.int64())
    return np.asarray(pc.fill_null(column, none).to_numpy(zero_copy_only=False))


def _outcomes(values: pa.Array) -> Outcomes:
    filled = pc.fill_null(values.cast(pa.int8()), UNKNOWN)
    return np.asarray(filled.to_numpy(zero_copy_only=False), dtype=np.int8)


def _passed(responses: pa.Table, leaves: Ints, is_complete: Bools) -> Outcomes:
    """As `Tree.passed`: only complete responses that passed or failed are trials."""
    found = np.full(len(is_complete), UNKNOWN, np.int8)
    for outcome, value in ((Outcome.PASS, 1), (Outcome.FAIL, 0)):
        found[leaves[is_value(responses, "outcome", outcome)]] = value
    found[~is_complete] = UNKNOWN
    return found


def _leaves(parent: Ints, slot: Ints, ends: Bools) -> Ints:
    """The leaf of each node's rollout: a rollout goes on in the child in slot 0 of a node that does not
    end one."""
    numbers = np.arange(len(parent))
    following = numbers.copy()
    goes_on = (parent >= 0) & (slot == 0)
    goes_on[goes_on] = ~ends[parent[goes_on]]
    following[parent[goes_on]] = numbers[goes_on]
    # Each round doubles the number of nodes that are skipped.
    while not np.array_equal(further := following[following], following):
        following = further
    following[parent < 0] = -1
    return following
