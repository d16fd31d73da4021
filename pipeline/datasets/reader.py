"""Reads a run: its traces in order, one problem by its id, the rows of a view by columns.

Everything streams: parts are opened on demand, and only a few rows are in memory at a time. Only
committed parts are read, so a run can be read while it is running. A damaged file raises FolderError,
which names the file and how to restore it. `ExportedView` reads the output of `berry export`.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from pipeline.datasets.damage import describe_damage, open_parquet, open_part, refuse_unreadable
from pipeline.datasets.encoded import rows_of
from pipeline.datasets.folder import FolderError, RunFolder
from pipeline.datasets.views.rules import ViewRules
from pipeline.datasets.views.table import VIEWS
from pipeline.datasets.views.trees import read_trace
from pipeline.files.publishing import explained
from pipeline.files.storage import files_in
from pipeline.records import Trace

_CUT = "cannot be read to its end"
_MOST_NAMED = 5
"""Problems that an error names."""
_BATCH_ROWS = 64
_BATCH_TREES = 8
"""Rows of `trees` in memory at a time; a tree takes much more memory as Python values than on disk."""


class UnknownProblem(FolderError):
    """The run has no committed problem of this id, or several whose ids begin like this."""


class RunReader:
    """The data of one run folder."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder

    @classmethod
    def open(cls, path: Path) -> "RunReader":
        """Opens the run in a folder. Raises FolderError if it is not a run folder."""
        return cls(RunFolder.read(path))

    @property
    def parts(self) -> list[int]:
        """Numbers of the committed parts, in order."""
        return list(self.folder.parts)

    def require_parts(self) -> None:
        """Raises FolderError if the run has committed nothing yet."""
        if not self.folder.parts:
            raise FolderError(
                f"{self.folder.path}: expected a run with a committed part, found none yet"
            )

    def traces(self, part: int | None = None) -> Iterator[Trace]:
        """The traces of all parts, or of one part, in order. Raises FolderError."""
        for number in self.parts if part is None else [part]:
            for row in self._part_rows("trees", number, None, _BATCH_TREES):
                try:
                    trace = read_trace(row)
                except (KeyError, TypeError, ValueError, IndexError) as e:
                    wrong = f"has a row that is not a tree ({type(e).__name__}: {e})"
                    raise FolderError(describe_damage(self.folder, "trees", number, wrong)) from e
                yield trace

    def rows(
        self, view: str, columns: Sequence[str] | None = None, part: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """The rows of a view in order, of all parts or of one, without columns that a file of an
        earlier version lacks.

        A part that does not store the view derives it from its trees, with the run's rules. Raises
        FolderError.
        """
        for number in self.parts if part is None else [part]:
            if view not in self.folder.parts[number].rows:
                yield from self._derived_rows(view, number, columns)
                continue
            batch_rows = _BATCH_TREES if view == "trees" and columns is None else _BATCH_ROWS
            yield from self._part_rows(view, number, columns, batch_rows)

    def columns(self, view: str) -> set[str]:
        """Columns that every committed file of a view has. Raises FolderError."""
        stored = [number for number in self.parts if view in self.folder.parts[number].rows]
        found = _common(open_part(self.folder, view, number) for number in stored)
        derived = set(VIEWS[view].schema.names)
        if len(stored) == len(self.parts):
            return found
        return found & derived if stored else derived

    def derived(self, view: str, part: int) -> Iterator[pa.RecordBatch]:
        """The rows of a view in a part, derived from its trees: a batch for each problem.

        Raises FolderError.
        """
        for trace in self.traces(part):
            yield rows_of(trace, self._rules, view)

    def _derived_rows(
        self, view: str, part: int, columns: Sequence[str] | None
    ) -> Iterator[dict[str, Any]]:
        for batch in self.derived(view, part):
            names = [name for name in columns or batch.schema.names if name in batch.schema.names]
            yield from batch.select(names).to_pylist()

    @cached_property
    def _rules(self) -> ViewRules:
        """The run's rules for its views. Raises FolderError."""
        config = self.folder.run["config"]
        try:
            return ViewRules.model_validate(
                {key: config.get(key, {}) for key in ViewRules.model_fields}
            )
        except ValidationError as e:
            raise FolderError(
                f"{self.folder.path}: has rules of another version of berry; `berry export "
                f"{self.folder.path} --as steps` derives the view"
            ) from e

    def find(self, wanted: str) -> dict[str, Any]:
        """The row of `trees` with this `problem_id`, `source_id` or beginning of a `problem_id`.

        Exact matches win over beginnings, the first one over others. Raises UnknownProblem if there is
        none, or the ids of several problems begin like this, and FolderError.
        """
        begins: dict[str, tuple[int, int]] = {}
        for part in self.parts if is_valid_text(wanted) else ():
            ids = self.tree_columns(part, ["problem_id", "source_id"])
            # Files of earlier versions have no source_id.
            for name in ids.schema.names:
                if (place := pc.index(ids[name], wanted).as_py()) >= 0:
                    return next(self.trees_at(part, {place}))
            is_begin = pc.starts_with(ids["problem_id"], wanted)
            for place in pc.indices_nonzero(is_begin).to_pylist():
                begins.setdefault(ids["problem_id"][place].as_py(), (part, place))
        if len(begins) == 1:
            [(part, place)] = begins.values()
            return next(self.trees_at(part, {place}))
        if begins:
            some = ", ".join(list(begins)[:_MOST_NAMED])
            more = "" if len(begins) <= _MOST_NAMED else f" and {len(begins) - _MOST_NAMED} more"
            raise UnknownProblem(
                f"{self.folder.path}: expected the beginning of one problem's id, got {wanted}, with "
                f"which {len(begins)} begin: {some}{more}"
            )
        so_far = (
            "" if self.folder.complete else f" (so far {self.folder.counts.problems} are committed)"
        )
        raise UnknownProblem(
            f"{self.folder.path}: expected the source_id or the beginning of the id of a committed "
            f"problem, got {wanted}{so_far}"
        )

    def tree_columns(self, part: int, paths: Sequence[str], coded: Sequence[str] = ()) -> pa.Table:
        """Columns of a part's `trees`, without those that a file of an earlier version lacks; those
        named `coded` as codes of a dictionary, one for each row group.

        A path leads to a value in a list of structures: `nodes.list.element.id`. Raises FolderError.
        """
        with open_part(self.folder, "trees", part, coded) as file, self._damage_named("trees", part):
            schema = file.schema
            leaves = (schema.column(number).path for number in range(len(schema.names)))
            there = {leaf.removesuffix(".list.element") for leaf in leaves}
            wanted = [path for path in paths if path in there]
            # Arrow cannot read nested columns of several row groups at once if they are coded, or have
            # more than 2 GiB of text.
            groups = [
                file.read_row_group(group, columns=wanted)
                for group in range(file.metadata.num_row_groups)
            ]
            return pa.concat_tables(groups) if groups else file.read(columns=wanted)

    def trees_at(self, part: int, places: Collection[int]) -> Iterator[dict[str, Any]]:
        """The rows of `trees` at these places of a part, in order; reads no more than their row groups,
        and makes Python values of no other row. Raises FolderError."""
        with open_part(self.folder, "trees", part) as file, self._damage_named("trees", part):
            first = 0
            for group in range(file.metadata.num_row_groups):
                rows = range(first, first := first + file.metadata.row_group(group).num_rows)
                if wanted := [place for place in rows if place in places]:
                    table = file.read_row_group(group)
                    for place in wanted:
                        yield from table.slice(place - rows.start, 1).to_pylist()

    @contextmanager
    def _damage_named(self, view: str, part: int) -> Iterator[None]:
        """Turns errors of a file that cannot be read to its end into FolderError."""
        try:
            yield
        except (OSError, pa.ArrowException, ValueError) as e:
            refuse_unreadable(self.folder.part_path(view, part), e)
            raise FolderError(describe_damage(self.folder, view, part, _CUT)) from e

    def _part_rows(
        self, view: str, part: int, columns: Sequence[str] | None, batch_rows: int
    ) -> Iterator[dict[str, Any]]:
        with open_part(self.folder, view, part) as file:
            try:
                yield from _file_rows(file, columns, batch_rows)
            except _Damaged as e:
                refuse_unreadable(self.folder.part_path(view, part), e.__cause__)
                raise FolderError(describe_damage(self.folder, view, part, _CUT)) from e


class ExportedView:
    """A folder written by `berry export --output`."""

    def __init__(self, path: Path, view: str) -> None:
        folder = path / "data" / view
        with explained(path):
            names = sorted(files_in(folder))
        self.files = [folder / name for name in names if name.startswith("part-")]

    def columns(self) -> set[str]:
        """Columns that every file has. Raises FolderError."""
        return _common(self._open(file) for file in self.files)

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """All rows, in order. Raises FolderError."""
        for path in self.files:
            with self._open(path) as file:
                try:
                    yield from _file_rows(file, columns, _BATCH_ROWS)
                except _Damaged as e:
                    refuse_unreadable(path, e.__cause__)
                    raise FolderError(_damaged_export(path)) from e

    def _open(self, path: Path) -> pq.ParquetFile:
        try:
            return open_parquet(path)
        except (OSError, pa.ArrowException) as e:
            refuse_unreadable(path, e)
            raise FolderError(_damaged_export(path)) from e


def is_valid_text(text: str) -> bool:
    """Whether a text can be stored: one from a command line or from JSON may hold halves of surrogate
    pairs, which no file has."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Damaged(Exception):
    """A parquet file cannot be read to its end."""


def _file_rows(
    file: pq.ParquetFile, columns: Sequence[str] | None, batch_rows: int
) -> Iterator[dict[str, Any]]:
    there = set(file.schema_arrow.names)
    names = None if columns is None else [name for name in columns if name in there]
    batches = file.iter_batches(batch_rows, columns=names)
    while True:
        try:
            batch = next(batches, None)
            rows = [] if batch is None else batch.to_pylist()
        except (OSError, pa.ArrowException, ValueError) as e:
            raise _Damaged from e
        if batch is None:
            return
        yield from rows


def _common(files: Iterable[pq.ParquetFile]) -> set[str]:
    """Columns that all files have."""
    found = []
    for file in files:
        with file:
            found.append(set(file.schema_arrow.names))
    return set.intersection(*found) if found else set()


def _damaged_export(path: Path) -> str:
    return (
        f"{path}: is damaged; to write it again, run `berry export --as {path.parent.name}` on its run"
    )
