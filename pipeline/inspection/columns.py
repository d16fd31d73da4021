"""The trees of a part as flat columns, for questions about many problems at once.

`RunReader.traces` restores every tree, some thousand a second; here only the columns that are asked for
are read, a million responses a second, and no token or text of a node. A row of `responses` and `nodes`
names its problem by `row`, the problem's place in the part.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.datasets.reader import RunReader
from pipeline.datasets.views.columns import to_json
from pipeline.datasets.views.table import VIEWS
from pipeline.labels.majority import VOTE
from pipeline.records import Status
from verifiers import Outcome

PROBLEM = (
    "problem_id", "source_id", "domain", "source", "problem", "target_kind", "target_value",
    "target_tests", "errors",
)  # fmt: skip
RESPONSE = (
    "leaf", "status", "num_tokens", "outcome", "reason", "extracted", "no_answer", "verifier",
    "verifier_version", "score", "kept", "decided_by", "p_correct",
)  # fmt: skip
NODE = ("id", "parent", "step", "score", "cut_score", "finish", "visits", "trials", "passes")
_NO_TESTS = to_json({})
_TEXTS = {
    "trajectories": ("status", "outcome", "reason", "verifier", "verifier_version", "decided_by"),
    "nodes": ("finish", "model_version"),
}
"""Columns of few distinct values: read as codes of a dictionary."""


def problem_columns(reader: RunReader, part: int) -> pa.Table:
    """The problems of a part, in order: the columns of PROBLEM, without those that a file of an earlier
    version lacks; it has the text of `problem` in `prompt`. Raises FolderError."""
    found = reader.tree_columns(part, PROBLEM)
    if "problem" in found.schema.names:
        return found
    return found.append_column("problem", reader.tree_columns(part, ["prompt"])["prompt"])


def response_columns(reader: RunReader, part: int, columns: Sequence[str] = RESPONSE) -> pa.Table:
    """The responses of a part, in order: `row` and the columns, those that a file lacks as nulls.

    Raises FolderError.
    """
    return _flat(reader, part, "trajectories", columns)


def node_columns(reader: RunReader, part: int, columns: Sequence[str] = NODE) -> pa.Table:
    """The nodes of a part, roots included, in order: `row` and the columns, those that a file lacks as
    nulls. Raises FolderError."""
    return _flat(reader, part, "nodes", columns)


def right(responses: pa.Table) -> pa.Array:
    """Whether each response is right, or null if unknown, as `labels.outcomes.sample_outcome` counts.

    Files of earlier versions do not say whether an abstention means that there is no answer: unknown.
    """
    status, outcome = plain_column(responses, "status"), plain_column(responses, "outcome")
    is_right = pc.equal(outcome, Outcome.PASS.value)
    is_wrong = pc.or_(
        pc.equal(outcome, Outcome.FAIL.value),
        pc.and_(
            pc.equal(outcome, Outcome.ABSTAIN.value),
            pc.fill_null(plain_column(responses, "no_answer"), False),
        ),
    )
    decided = pc.or_(pc.fill_null(is_right, False), pc.fill_null(is_wrong, False))
    found = pc.if_else(decided, pc.fill_null(is_right, False), pa.scalar(None, pa.bool_()))
    return pc.if_else(pc.equal(status, Status.TRUNCATED.value), False, found)


def has_gold(problems: pa.Table, responses: pa.Table) -> np.ndarray:
    """Whether each problem has a gold answer, as `labels.outcomes.has_gold`: a vote does not count."""
    num = problems.num_rows
    rows = responses["row"].to_numpy()
    value = pc.fill_null(plain_column(problems, "target_value"), "")
    tests = pc.fill_null(plain_column(problems, "target_tests"), _NO_TESTS)
    is_known = pc.or_(
        pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(value)), 0),
        pc.not_equal(tests, _NO_TESTS),
    )
    known = np.asarray(is_known.to_numpy(zero_copy_only=False), dtype=bool)
    judged = pc.is_in(
        plain_column(responses, "outcome"), pa.array([Outcome.PASS.value, Outcome.FAIL.value])
    ).to_numpy(zero_copy_only=False)
    voted = pc.fill_null(pc.equal(plain_column(responses, "verifier"), VOTE), False)
    is_vote = voted.to_numpy(zero_copy_only=False)
    known |= np.bincount(rows[judged], minlength=num) > 0
    return np.asarray(known & (np.bincount(rows[is_vote], minlength=num) == 0))


def plain_column(table: pa.Table, name: str) -> pa.Array:
    """A column in one piece, of plain values instead of codes."""
    column = table[name].combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.chunks else pa.array([], column.type)
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _flat(reader: RunReader, part: int, nested: str, columns: Sequence[str]) -> pa.Table:
    prefix = f"{nested}.list.element."
    # A column of every file: it says how many there are even if nothing else is asked for.
    first = "leaf" if nested == "trajectories" else "id"
    paths = [prefix + name for name in dict.fromkeys([first, *columns])]
    table = reader.tree_columns(part, paths, [prefix + name for name in _TEXTS[nested]])
    lists = table[nested].combine_chunks()
    if isinstance(lists, pa.ChunkedArray):
        lists = pa.concat_arrays(lists.chunks) if lists.chunks else pa.array([], lists.type)
    values = lists.flatten()
    rows = pa.array(pc.list_parent_indices(lists).to_numpy().astype(np.int32))
    there = {values.type.field(number).name for number in range(values.type.num_fields)}
    kinds = VIEWS["trees"].schema.field(nested).type.value_type
    found = {
        name: values.field(name) if name in there else pa.nulls(len(values), kinds.field(name).type)
        for name in columns
    }
    return pa.table({"row": rows, **found})
