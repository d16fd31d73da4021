"""An index of a run's problems: a row of numbers for each, read from flat columns and kept in memory.

It is read part by part in a thread, so that the first problems show before the last are read, and again
where parts are new or changed. `table` is a snapshot that never changes.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.datasets.part import Part
from pipeline.datasets.reader import RunReader, is_valid_text
from pipeline.errors import UserMistake
from pipeline.inspection.columns import (
    has_gold,
    node_columns,
    problem_columns,
    response_columns,
    right,
)
from pipeline.labels.step_labels import credible_interval
from verifiers import Outcome

_log = logging.getLogger(__name__)

TEXTS = ("problem_id", "source_id", "domain", "problem", "target_value")
_MASS = 0.95
"""Probability mass of the intervals of pass rates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartIndex:
    """The problems of one part, and its responses without their texts."""

    part: Part
    texts: pa.Table
    """The columns of TEXTS."""
    numbers: dict[str, np.ndarray]
    """Name -> a number for each problem."""
    responses: pa.Table
    """`row`, `outcome`, `reason` and `decided_by` of each response."""
    versions: pa.Table
    """`row` and `version`: the model versions that sampled for each problem."""

    @classmethod
    def read(cls, reader: RunReader, number: int) -> "PartIndex":
        """Reads a part. Raises FolderError."""
        problems, responses = problem_columns(reader, number), response_columns(reader, number)
        return cls(
            part=reader.folder.parts[number],
            texts=pa.table({name: _texts(problems, name) for name in TEXTS}),
            numbers=_numbers(problems, responses),
            responses=responses.select(["row", "outcome", "reason", "decided_by"]),
            versions=_versions(reader, number),
        )


class ProblemTable:
    """The problems of a run that are read so far, in the run's order."""

    def __init__(self, parts: Sequence[PartIndex]) -> None:
        self._parts = parts
        self.num_problems = sum(len(one.texts) for one in parts)

    @cached_property
    def texts(self) -> pa.Table:
        """The columns of TEXTS."""
        if not self._parts:
            return pa.table({name: pa.array([], pa.string()) for name in TEXTS})
        return pa.concat_tables([one.texts for one in self._parts]).combine_chunks()

    def numbers(self, name: str) -> np.ndarray:
        """A number for each problem: `right`, `known`, `responses`, `kept`, `tokens`, `errors` of the
        problem, and `pass`, `fail`, `abstain`, `error` verdicts."""
        found = self._numbers.get(name)
        if found is None:
            found = np.concatenate([np.zeros(0, np.int64), *(p.numbers[name] for p in self._parts)])
            self._numbers[name] = found
        return found

    @cached_property
    def _numbers(self) -> dict[str, np.ndarray]:
        return {}

    @cached_property
    def interval(self) -> np.ndarray:
        """(problems, 2): the 95% credible interval of each pass rate; NaN without a known outcome."""
        pairs = np.stack([self.numbers("right"), self.numbers("known")], axis=1)
        unique, place = np.unique(pairs, axis=0, return_inverse=True)
        ends = [
            (one.low, one.high)
            for one in (credible_interval(int(r), int(n), _MASS) for r, n in unique if n)
        ]
        # Pairs without a known outcome sort by `right`, which is 0 there, so they come first.
        num_unknown = len(unique) - len(ends)
        table = np.array([(np.nan, np.nan)] * num_unknown + ends, float).reshape(-1, 2)
        return np.asarray(table[place.reshape(-1)])

    @cached_property
    def rate(self) -> np.ndarray:
        """Each pass rate; NaN without a known outcome."""
        known = self.numbers("known")
        return np.where(known > 0, self.numbers("right") / np.maximum(known, 1), np.nan)

    def with_response(self, column: str, text: str, *, exact: bool) -> np.ndarray:
        """Whether each problem has a response whose column is the text, or contains it."""
        return self._any("responses", column, text, exact=exact)

    def with_version(self, version: str) -> np.ndarray:
        """Whether each problem has a node that this model version sampled."""
        return self._any("versions", "version", version, exact=True)

    def num_responses(self, column: str, text: str, rows: np.ndarray) -> int:
        """Responses of the problems in these rows whose column contains the text."""
        chosen = np.zeros(self.num_problems, bool)
        chosen[rows] = True
        return int(chosen[self._matching("responses", column, text, exact=False)].sum())

    def common(self, column: str, most: int) -> list[tuple[str, int]]:
        """The most common texts of a column of responses, with their counts."""
        found: dict[str, int] = {}
        for _, codes, names in self._coded("responses", column):
            counts = np.bincount(codes[codes >= 0], minlength=len(names))
            for name, count in zip(names.to_pylist(), counts.tolist(), strict=True):
                if count:
                    found[name] = found.get(name, 0) + count
        return sorted(found.items(), key=lambda one: (-one[1], one[0]))[:most]

    def versions(self) -> list[str]:
        """All model versions."""
        return sorted(
            {name for one in self._parts for name in pc.unique(one.versions["version"]).to_pylist()}
        )

    def find(self, problem_id: str) -> int | None:
        """The row of the problem with this id; None if there is none."""
        if not is_valid_text(problem_id):
            return None
        found = pc.index(self.texts["problem_id"], problem_id).as_py()
        return None if found < 0 else found

    def place(self, problem_id: str) -> tuple[Part, int] | None:
        """The part of the problem with this id, and its place there; None if there is none."""
        row = self.find(problem_id)
        if row is None:
            return None
        for one in self._parts:
            if row < len(one.texts):
                return one.part, row
            row -= len(one.texts)
        return None

    def _any(self, table: str, column: str, text: str, *, exact: bool) -> np.ndarray:
        found = np.zeros(self.num_problems, bool)
        found[self._matching(table, column, text, exact=exact)] = True
        return found

    def _matching(self, table: str, column: str, text: str, *, exact: bool) -> np.ndarray:
        """The problem's row of each response, or pair, that matches."""
        rows = [np.zeros(0, np.int64)]
        for where, codes, names in self._coded(table, column):
            fits = pc.equal(names, text) if exact else _contains(names, text)
            # A code of -1, for a null, takes the last: False.
            is_match = np.append(np.asarray(fits.to_numpy(zero_copy_only=False), bool), False)
            rows.append(where[is_match[codes]])
        return np.concatenate(rows)

    def _coded(self, table: str, column: str) -> list[tuple[np.ndarray, np.ndarray, pa.Array]]:
        """For each part: the problems' rows in the whole run, the codes (-1 for null), the texts."""
        found, before = [], 0
        for one in self._parts:
            part = one.responses if table == "responses" else one.versions
            coded = _coded(part[column])
            codes = pc.fill_null(coded.indices, -1).to_numpy()
            found.append((part["row"].to_numpy() + before, codes, coded.dictionary))
            before += len(one.texts)
        return found


class ProblemIndex:
    """Keeps the problems of a run folder indexed, also while the run goes on."""

    def __init__(self, num_parts: int) -> None:
        """`num_parts` are committed and not read yet."""
        self._parts: dict[int, PartIndex] = {}
        self.table = ProblemTable([])
        self.num_parts = num_parts
        """Committed parts, read or not."""
        self.num_read = 0
        """Those that are read as they are now."""
        self.error: str | None = None
        """Why a part cannot be read."""
        self._warned: set[str] = set()
        self._reading = threading.Lock()

    @property
    def is_complete(self) -> bool:
        """Whether every committed part is read."""
        return self.num_read == self.num_parts

    def refresh(self, reader: RunReader, is_closed: Callable[[], bool] = lambda: False) -> None:
        """Reads what is new or changed; returns at once if another thread is reading, and after a part
        if `is_closed` then.

        A part that cannot be read leaves its reason in `error`, and the others are read.
        """
        if not self._reading.acquire(blocking=False):
            return
        try:
            self._read(reader, is_closed)
        finally:
            self._reading.release()

    def _read(self, reader: RunReader, is_closed: Callable[[], bool]) -> None:
        parts = reader.folder.parts
        self.num_parts = len(parts)
        # What was merged or made again is shown until the new part is read.
        covered = {shard for part in parts.values() for shard in part.covered}
        kept = {number: one for number, one in self._parts.items() if number in covered}
        self.num_read = sum(one.part == parts.get(number) for number, one in kept.items())
        if len(kept) != len(self._parts):
            self._show(kept)
        error = None
        for number in parts:
            if is_closed():
                return
            if number in self._parts and self._parts[number].part == parts[number]:
                continue
            try:
                read = PartIndex.read(reader, number)
            except UserMistake as e:
                error = str(e)
                if error not in self._warned:
                    # It is tried again and again, since the part may be repaired.
                    self._warned.add(error)
                    _log.warning("%s", e)
                continue
            rest = {n: one for n, one in self._parts.items() if n not in read.part.covered}
            self._show({**rest, number: read})
            self.num_read += 1
        self.error = error

    def _show(self, parts: dict[int, PartIndex]) -> None:
        self._parts = dict(sorted(parts.items()))
        self.table = ProblemTable(list(self._parts.values()))


def _texts(problems: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in problems.schema.names:
        return pa.chunked_array([pa.nulls(problems.num_rows, pa.string())])
    return problems[name]


def _numbers(problems: pa.Table, responses: pa.Table) -> dict[str, np.ndarray]:
    num = problems.num_rows
    rows = responses["row"].to_numpy()

    def total(weights: pa.Array | None = None) -> np.ndarray:
        given = None if weights is None else weights.to_numpy(zero_copy_only=False)
        return np.bincount(rows, given, minlength=num).astype(np.int64)

    is_right = right(responses)
    golden = has_gold(problems, responses)
    outcome = _coded(responses["outcome"]).dictionary_decode()
    found = {
        "responses": total(),
        "kept": total(pc.fill_null(responses["kept"], False)),
        "tokens": total(pc.fill_null(responses["num_tokens"], 0)),
        "right": np.where(golden, total(pc.fill_null(is_right, False)), 0),
        "known": np.where(golden, total(pc.is_valid(is_right)), 0),
        "errors": pc.fill_null(pc.list_value_length(problems["errors"]), 0).to_numpy(),
    }
    for one in Outcome:
        found[one.value] = total(pc.fill_null(pc.equal(outcome, one.value), False))
    return found


def _versions(reader: RunReader, number: int) -> pa.Table:
    nodes = node_columns(reader, number, ["model_version"])
    coded = _coded(nodes["model_version"])
    codes = pc.fill_null(coded.indices, -1).to_numpy().astype(np.int64)
    pairs = nodes["row"].to_numpy().astype(np.int64) * (len(coded.dictionary) + 1) + codes + 1
    rows, found = np.divmod(np.unique(pairs), len(coded.dictionary) + 1)
    rows, found = rows[found > 0], found[found > 0] - 1
    return pa.table({"row": rows, "version": coded.dictionary.take(pa.array(found))})


def _coded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    """A column in one piece, as codes of a dictionary."""
    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(column.cast(pa.string()))
    whole = column.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        return (
            whole.chunk(0)
            if whole.num_chunks
            else pa.DictionaryArray.from_arrays(pa.array([], pa.int32()), pa.array([], pa.string()))
        )
    return whole


def _contains(names: pa.Array, text: str) -> pa.Array:
    return pc.match_substring(names, text, ignore_case=True)
