"""`file`: problems from a jsonl, csv, json or parquet file.

Rows are read as they are needed, so a file may be larger than memory; a .json file alone, one list of
objects, is read as a whole.
"""

import csv
import functools
import itertools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.json_rows import Keys, RepeatedKey, read_list, read_row, restore
from pipeline.parquet_rows import DamagedParquet, parquet_rows
from pipeline.parsing import explain_json
from pipeline.problems import BadRow, ProblemError, at_most
from pipeline.problems.rows import Place, RowConfig, RowSource, to_problem
from pipeline.records import Problem
from verifiers.mistakes import shown

_LONGEST_FIELD = 2**27
"""Characters of one field of a csv file; without the quote that ends it, a field has the whole rest."""

_OPENING, _CLOSING = re.compile(r'(?:^|(?<=,))"'), re.compile(r'(?:[^"]|"")*+"')
"""The quote that begins a field, and the rest of such a field."""

Rows = Iterator[tuple[str, object]]
"""Where a row is, and the row, or a BadRow in its place."""
Reader = Callable[[Path, Keys], Rows]
"""Of a file whose rows have their gold answers there: one that is a number is the text in the file."""


class FileSource(RowSource):
    """One file of rows."""

    class Config(RowConfig):
        """Where the file is, beside the field map."""

        path: Path
        """Its name ends in .jsonl, .csv, .json or .parquet."""

    def __init__(self, config: Config, seed: int = 0) -> None:
        super().__init__(config)
        self.config = config

    def size(self) -> int | None:
        """Rows of the file, bad ones included; None for one that cannot be read."""
        path = self.config.path
        try:
            if path.suffix.lower() == ".parquet":
                import pyarrow.parquet as pq

                return at_most(self.config, pq.read_metadata(path).num_rows)
            return at_most(self.config, sum(1 for _ in self._reader()(path, self.config.gold_keys)))
        except (OSError, ValueError, ProblemError):
            # The reason is reported when the rows are read.
            return None

    def rows(self) -> Iterator[Problem | BadRow]:
        """A problem for each row. Raises ProblemError for a file that cannot be read."""
        path = self.config.path
        reader = self._reader()
        if not path.is_file():
            raise ProblemError(f"problems.path: there is no file {path}")
        try:
            for where, row in reader(path, self.config.gold_keys):
                if isinstance(row, BadRow):
                    yield row
                else:
                    yield to_problem(
                        row, self.config, self.columns, Place(where=where, source=path.name)
                    )
        except OSError as e:
            raise ProblemError(
                f"problems.path: {path} cannot be read ({e.strerror or 'it is damaged'})"
            ) from e

    def _reader(self) -> Reader:
        path = self.config.path
        reader = _READERS.get(path.suffix.lower())
        if reader is None:
            *names, last = _READERS
            raise ProblemError(
                f"problems.path: expected a {', '.join(names)} or {last} file, got {path}"
            )
        return reader


def _jsonl_rows(path: Path, gold: Keys) -> Rows:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            where = f"{path}, line {number}"
            if not line.strip():
                continue
            try:
                yield where, read_row(line, gold)
            except ValueError as e:
                yield where, BadRow(where=where, reason=str(e))


def _csv_rows(path: Path, gold: Keys) -> Rows:
    """Every value is text, as it stands. The first row names the columns."""
    csv.field_size_limit(_LONGEST_FIELD)
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, strict=True)
        header: list[str] | None = None
        while True:
            first = reader.line_num + 1
            where = f"{path}, line {first}"
            try:
                row = next(reader, None)
            except csv.Error as e:
                reason = f"is not CSV: {_explain_csv(e)}"
                # Where a quote may be open, nobody knows where the next row begins.
                if (opened := _open_quote(path, first, reader.line_num)) is not None:
                    raise ProblemError(
                        f"problems.path: {path}, line {opened}: is not CSV: a quote that is not "
                        "closed, or closed in the midst of a later row"
                    ) from e
                if header is None:
                    raise ProblemError(f"problems.path: {where}: {reason}") from e
                yield where, BadRow(where=where, reason=reason)
                continue
            if row is None:
                return
            if not row:
                continue
            if header is None:
                header = _check_header(row, where)
            else:
                yield where, _csv_row(header, row, where)


def _check_header(names: list[str], where: str) -> list[str]:
    if len(names) == 1 and (";" in names[0] or "\t" in names[0]):
        raise ProblemError(
            f"problems.path: {where}: expected column names with commas between them, got "
            f"{shown(names[0])}; is the separator a comma?"
        )
    for name in names:
        if not name.strip() or names.count(name) > 1:
            wrong = "is there twice" if name.strip() else "has no name"
            raise ProblemError(
                f"problems.path: {where}: expected a header of different column names, got one that "
                f"{wrong} ({shown(', '.join(names))})"
            )
    return names


def _csv_row(header: list[str], row: list[str], where: str) -> object:
    if len(row) != len(header):
        reason = f"expected {len(header)} fields, as in the header, got {len(row)}"
        return BadRow(where=where, reason=reason)
    try:
        "".join(row).encode()
    except UnicodeEncodeError:
        return BadRow(where=where, reason="is not UTF-8")
    return dict(zip(header, row, strict=True))


def _open_quote(path: Path, first: int, last: int) -> int | None:
    """The line, of these, in which the last field begins whose quote is not closed in the same line."""
    begun, found = first, None
    is_open = False
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        for number, line in enumerate(itertools.islice(file, first - 1, last), start=first):
            at = 0
            while quote := _CLOSING.match(line, at) if is_open else _OPENING.search(line, at):
                at, is_open = quote.end(), not is_open
                begun = number if is_open else begun
            found = begun if is_open else found
    return found


def _explain_csv(error: csv.Error) -> str:
    if "field larger" in str(error):
        return f"a field of over {_LONGEST_FIELD} characters"
    return 'a quote inside a field; write "" for it and put quotes around the field'


def _json_rows(path: Path, gold: Keys) -> Rows:
    try:
        text = path.read_bytes()
        rows = read_list(text)
    except (ValueError, RecursionError) as e:
        raise ProblemError(
            f"problems.path: {path} is not JSON: {explain_json(e)}; a file of one object a line has to "
            "end in .jsonl"
        ) from e
    if not isinstance(rows, list):
        raise ProblemError(f"problems.path: {path}: expected one list of objects, got {shown(rows)}")
    read_again = functools.cache(lambda: json.loads(text, parse_float=str))
    for index, row in enumerate(rows):
        where = f"{path}, item {index + 1}"
        if isinstance(row, RepeatedKey):
            yield where, BadRow(where=where, reason=str(row))
            continue
        try:
            restore(row, functools.partial(_item, read_again, index), gold)
        except ValueError as e:
            yield where, BadRow(where=where, reason=str(e))
        else:
            yield where, row


def _item(read: Callable[[], list[object]], index: int) -> object:
    return read()[index]


def _parquet_rows(path: Path, gold: Keys) -> Rows:
    try:
        yield from parquet_rows(path)
    except DamagedParquet as e:
        raise ProblemError(f"problems.path: {path} is damaged, or no parquet file") from e


_READERS: dict[str, Reader] = {
    ".jsonl": _jsonl_rows,
    ".csv": _csv_rows,
    ".json": _json_rows,
    ".parquet": _parquet_rows,
}
