"""`file`: problems from a jsonl, csv, json or parquet file.

Rows are read on demand, so a file may be larger than memory. Only a .json file, a list of objects, is
read as a whole.
"""

import csv
import functools
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import RunFailure, is_users
from pipeline.files.json_rows import Keys, RepeatedKey, read_list, read_row, restore
from pipeline.files.parquet_rows import DamagedParquet, parquet_rows
from pipeline.files.parsing import explain_json
from pipeline.files.ranges import EVERY_ROW, Ranges, pick
from pipeline.problems import BadRow, ProblemError, at_most
from pipeline.problems.rows import Place, RowConfig, RowSource, to_problem
from pipeline.records import Problem
from verifiers.mistakes import shown

_LONGEST_FIELD = 2**27
"""Maximum characters in a csv field; an unclosed quote would extend a field to the end."""

_OPENING, _CLOSING = re.compile(r'(?:^|(?<=,))"'), re.compile(r'(?:[^"]|"")*+"')
"""The quote that begins a field, and the rest of a quoted field."""

Rows = Iterator[tuple[str, object]]
"""The place of a row, and the row or a BadRow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """How files of one kind are read."""

    read: Callable[[Path, Keys, Ranges], Rows]
    """Takes the file, the keys of gold answers, and the numbers of the rows to read, from 0. A gold
    number stays the text in the file. Other rows cost as little as the format allows."""
    count: Callable[[Path], int]
    """The number of rows, including bad ones."""


class FileSource(RowSource):
    """Reads one file of rows."""

    class Config(RowConfig):
        """The file, in addition to the field map."""

        path: Path
        """Path of the file; its name ends in .jsonl, .csv, .json or .parquet."""

    def __init__(self, config: Config, seed: int = 0) -> None:
        super().__init__(config)
        self.config = config

    def size(self) -> int | None:
        """Number of rows in the file, including bad ones; None for an unreadable file."""
        try:
            return at_most(self.config, self._format().count(self.config.path))
        except (OSError, ValueError, RecursionError, ProblemError):
            # `rows` reports the reason.
            return None

    def rows(self) -> Iterator[Problem | BadRow]:
        """A problem for each row. Raises ProblemError for a file that cannot be read."""
        return self.rows_in(EVERY_ROW)

    def fingerprint(self) -> str | None:
        """The file's size and time of change; None for an unreadable file."""
        try:
            status = self.config.path.stat()
        except OSError:
            return None
        return f"{status.st_size} bytes, {status.st_mtime_ns}"

    def rows_in(self, ranges: Ranges) -> Iterator[Problem | BadRow]:
        """The rows with these numbers. Other rows are passed over, mostly without being parsed."""
        path = self.config.path
        read = self._format().read
        if not path.is_file():
            raise ProblemError(f"problems.path: expected a file, but {path} does not exist")
        try:
            for where, row in read(path, self.config.gold_keys, ranges):
                if isinstance(row, BadRow):
                    yield row
                else:
                    yield to_problem(
                        row, self.config, self.columns, Place(where=where, source=path.name)
                    )
        except OSError as e:
            kind = ProblemError if is_users(e) else RunFailure
            raise kind(f"problems.path: {path} cannot be read ({e.strerror or 'it is damaged'})") from e

    def _format(self) -> Format:
        return _format_of(self.config.path)


def first_rows(path: Path, number: int) -> list[Mapping[str, object]]:
    """The first rows of a file that are rows of named columns.

    Raises ProblemError for a file that cannot be read.
    """
    try:
        rows = _format_of(path).read(path, (), EVERY_ROW)
        named = (row for _, row in rows if isinstance(row, Mapping))
        return list(itertools.islice(named, number))
    except OSError as e:
        kind = ProblemError if is_users(e) else RunFailure
        raise kind(f"{path}: cannot be read ({e.strerror or 'it is damaged'})") from e


def _format_of(path: Path) -> Format:
    found = _FORMATS.get(path.suffix.lower())
    if found is None:
        *names, last = _FORMATS
        raise ProblemError(f"problems.path: expected a {', '.join(names)} or {last} file, got {path}")
    return found


def _jsonl_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Each line that is not blank, with its number."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.isspace():
                yield number, line


def _jsonl_rows(path: Path, gold: Keys, ranges: Ranges) -> Rows:
    for number, line in pick(_jsonl_lines(path), ranges):
        where = f"{path}, line {number}"
        try:
            yield where, read_row(line, gold)
        except ValueError as e:
            yield where, BadRow(where=where, reason=str(e))


def _csv_rows(path: Path, gold: Keys, ranges: Ranges) -> Rows:
    """Every value is unchanged text. The first row has the column names."""
    for line, header, row in pick(_csv_records(path), ranges):
        where = f"{path}, line {line}"
        if isinstance(row, str):
            yield where, BadRow(where=where, reason=row)
        else:
            yield where, _csv_row(header, row, where)


def _csv_records(path: Path) -> Iterator[tuple[int, list[str], list[str] | str]]:
    """Each row below the header: its first line, the header, and its fields or its fault."""
    csv.field_size_limit(_LONGEST_FIELD)
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, strict=True)
        header: list[str] | None = None
        while True:
            first = reader.line_num + 1
            try:
                row = next(reader, None)
            except csv.Error as e:
                reason = f"is not CSV: {_explain_csv(e)}"
                # After an unclosed quote, the start of the next row is unknown.
                if (opened := _open_quote(path, first, reader.line_num)) is not None:
                    raise ProblemError(
                        f"problems.path: {path}, line {opened}: is not CSV: a quote that is not "
                        "closed, or is closed in the middle of a later row"
                    ) from e
                if header is None:
                    raise ProblemError(f"problems.path: {path}, line {first}: {reason}") from e
                yield first, header, reason
                continue
            if row is None:
                return
            if not row:
                continue
            if header is None:
                header = _check_header(row, f"{path}, line {first}")
            else:
                yield first, header, row


def _check_header(names: list[str], where: str) -> list[str]:
    if len(names) == 1 and (";" in names[0] or "\t" in names[0]):
        raise ProblemError(
            f"problems.path: {where}: expected column names separated by commas, got "
            f"{shown(names[0])}; is the separator a comma?"
        )
    for name in names:
        if not name.strip() or names.count(name) > 1:
            wrong = "a repeated name" if name.strip() else "an empty name"
            raise ProblemError(
                f"problems.path: {where}: expected a header of different column names, got {wrong} "
                f"({shown(', '.join(names))})"
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
    """The line, among these, with the last quote that is not closed in its own line."""
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


def _json_rows(path: Path, gold: Keys, ranges: Ranges) -> Rows:
    text = path.read_bytes()
    rows = _json_list(path, text)
    read_again = functools.cache(lambda: json.loads(text, parse_float=str))
    for index, row in pick(enumerate(rows), ranges):
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


def _json_list(path: Path, text: bytes) -> list[object]:
    try:
        rows = read_list(text)
    except (ValueError, RecursionError) as e:
        raise ProblemError(
            f"problems.path: {path} is not JSON: {explain_json(e)}; the name of a file with one object "
            "per line must end in .jsonl"
        ) from e
    if not isinstance(rows, list):
        raise ProblemError(f"problems.path: {path}: expected one list of objects, got {shown(rows)}")
    return rows


def _item(read: Callable[[], list[object]], index: int) -> object:
    return read()[index]


def _parquet_rows(path: Path, gold: Keys, ranges: Ranges) -> Rows:
    try:
        yield from parquet_rows(path, ranges)
    except DamagedParquet as e:
        raise ProblemError(f"problems.path: {path} is damaged or not a parquet file") from e


def _count_parquet(path: Path) -> int:
    import pyarrow.parquet as pq

    num_rows: int = pq.read_metadata(path).num_rows
    return num_rows


_FORMATS: dict[str, Format] = {
    ".jsonl": Format(read=_jsonl_rows, count=lambda path: sum(1 for _ in _jsonl_lines(path))),
    ".csv": Format(read=_csv_rows, count=lambda path: sum(1 for _ in _csv_records(path))),
    ".json": Format(read=_json_rows, count=lambda path: len(_json_list(path, path.read_bytes()))),
    ".parquet": Format(read=_parquet_rows, count=_count_parquet),
}
