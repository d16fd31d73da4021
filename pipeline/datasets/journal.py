"""The journal: what a run has committed, and the files run.json and complete.json.

A part's entry is first a file of its own, `part-0000012.json`. From `FOLD_AT` of them on, they are
folded into `folded-0000001.jsonl`, which has one entry a line; the newest folded files are merged with
them as long as they are not larger, so there are few files however many parts there are. The files are
read as a log: folded files in order, then single entries; a later entry replaces an earlier one of the
same shards. So a fold can be interrupted anywhere: the new file repeats the ones that it replaces.

Every file and every entry has a checksum; an error about a damaged one says how to restore it.
"""

import json
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.datasets.part import DIGITS, OLD_DIGITS, PartTable
from pipeline.files.parsing import explain_json
from pipeline.files.publishing import FolderError, json_bytes
from pipeline.files.storage import (
    NewFile,
    delete,
    files_in,
    folders_in,
    is_local,
    move,
    open_input,
    publish,
    read_bytes,
    read_many,
)
from pipeline.hashing import digest_bytes, digest_json

SCHEMA = 2
"""Version of the run folder's layout, in run.json. 1, or none: entries with all ids, no checksums."""
FOLD_AT = 1000
_ATTEMPTS = 5
"""Attempts to read a journal whose files are folded meanwhile."""


class Journal:
    """The entries in a run folder's `journal`. One writer at a time."""

    def __init__(self, folder: Path) -> None:
        self._run = folder
        self.path = folder / "journal"
        self.digits = DIGITS
        """Digits of a part's number in names; folders that earlier versions began keep theirs."""
        self._loose: set[str] = set()
        self._folded: dict[str, int] = {}
        """Folded file -> number of its lines."""

    def read(self, damage: list[FolderError] | None = None) -> PartTable:
        """The committed parts.

        Damaged entries are added to `damage`, if given, and left out. Raises FolderError for the first
        damaged entry without `damage`, and OSError.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            parts, damaged = PartTable(), []
            try:
                for entry in self._entries():
                    if not isinstance(entry, FolderError):
                        parts.put(entry)
                    elif damage is None:
                        raise entry
                    else:
                        damaged.append(entry)
            except FileNotFoundError:
                if attempt == _ATTEMPTS:
                    raise
            else:
                if attempt < _ATTEMPTS and self._was_folded():
                    continue
                if damage is not None:
                    damage.extend(damaged)
                return parts
        raise AssertionError

    def _was_folded(self) -> bool:
        """Whether entries were folded while they were listed: a listing can then lack both the old
        files and the new one."""
        names = [name for name in files_in(self.path) if name.startswith("folded-")]
        return any(name.endswith(".jsonl") and name not in self._folded for name in names)

    def _entries(self) -> Iterator[dict[str, Any] | FolderError]:
        """The entries, or what is wrong with them, in the order of the log."""
        names = sorted(files_in(self.path))
        self._loose = {name for name in names if _is_entry(name)}
        self._folded = {}
        for name in names:
            if name.startswith("folded-") and name.endswith(".jsonl"):
                self._folded[name] = 0
                for number, line in enumerate(self._lines([name]), 1):
                    self._folded[name] = number
                    yield _line_entry(self._run, self.path / name, line, number)
        for name in filter(_is_entry, folders_in(self.path)):
            yield FolderError(f"{self.path / name}: expected a file, got a folder; move it away")
        single = [self._single(*found) for found in read_many(self.path, sorted(self._loose))]
        # A merge that was cut short leaves entries of shards that its own entry covers.
        yield from sorted(single, key=lambda one: one.get("shards", 1) if isinstance(one, dict) else 0)

    def _single(self, name: str, content: bytes) -> dict[str, Any] | FolderError:
        """The entry in a file of its own, or what is wrong with it."""
        # Folders that earlier versions began keep their shorter names.
        self.digits = OLD_DIGITS if len(name) == len("part-00000.json") else DIGITS
        entry = _entry_of(self._run, self.path / name, content)
        if isinstance(entry, dict) and name not in _names(entry["part"]):
            return FolderError(
                f"{self.path / name}: is damaged, it is the entry of part {entry['part']}; "
                f"{_repair(self._run)}"
            )
        return entry

    def entry_path(self, index: int) -> Path:
        """Path of a part's own entry."""
        return self.path / f"part-{index:0{self.digits}d}.json"

    def put(self, entry: Mapping[str, Any], parts: PartTable) -> None:
        """Adds an entry, durably, and puts it into `parts`. Raises OSError."""
        path = self.entry_path(entry["part"])
        publish(path, json_bytes(sealed(entry)))
        self._loose.add(path.name)
        parts.put(entry)
        if entry.get("shards", 1) > 1:
            covered = range(entry["part"] + 1, entry["part"] + entry["shards"])
            self._delete(self._loose & {name for index in covered for name in _names(index)})
        if len(self._loose) >= FOLD_AT:
            self.fold(parts)

    def fold(self, parts: PartTable, *, whole: bool = False) -> None:
        """Folds the single entries, and all others if `whole`, into one file. Raises OSError."""
        names = sorted(self._folded)
        merged, num_lines = [], len(self._loose)
        while names and (whole or self._folded[names[-1]] <= num_lines):
            merged.append(names.pop())
            num_lines += self._folded[merged[-1]]
        last = max((int(name.partition("-")[2].partition(".")[0]) for name in self._folded), default=0)
        loose = sorted(index for index in parts if self._loose & set(_names(index)))
        old = () if whole else self._lines(reversed(merged))
        new = (folded_line(parts.entry(index)) for index in (parts if whole else loose))
        name = f"folded-{last + 1:0{DIGITS}d}.jsonl"
        self._folded[name] = self._write(name, (line for lines in (old, new) for line in lines))
        self._delete({*merged, *self._loose})

    def clean(self, parts: PartTable) -> None:
        """Deletes what a crash left: temporary files, and entries of shards that a merged part covers.

        Raises OSError.
        """
        for name in files_in(self.path):
            if name.startswith("."):
                delete(self.path / name)
        # Else they would outlive the merged part's own entry once that is folded.
        self._delete({name for name in self._loose if _is_stale(name, parts)})

    def withdraw(self, shards: Collection[int]) -> None:
        """Deletes the entries of parts that have these shards, and damaged ones. Raises OSError.

        Older files first, so that a part whose withdrawal is interrupted is either still there or gone.
        """
        for name in sorted(self._folded):
            lines = [line for line in self._lines([name]) if self._stays(name, line, shards)]
            self._folded[name] = self._write(name, lines)
        gone = set()
        for name, content in read_many(self.path, sorted(self._loose)):
            if not self._stays(name, content, shards):
                gone.add(name)
        self._delete(gone)

    def _stays(self, name: str, content: bytes, shards: Collection[int]) -> bool:
        path = self.path / name
        read = _entry_of if _is_entry(name) else _line_entry
        entry = read(self._run, path, content)
        if isinstance(entry, FolderError) or (_is_entry(name) and name not in _names(entry["part"])):
            return False
        covered = range(entry["part"], entry["part"] + entry.get("shards", 1))
        return not any(index in shards for index in covered)

    def _lines(self, names: Iterable[str]) -> Iterator[bytes]:
        for name in names:
            with open_input(self.path / name) as file:
                for line in file:
                    yield line.rstrip(b"\n") + b"\n"

    def _write(self, name: str, lines: Iterable[bytes]) -> int:
        """Replaces a folded file; returns its number of lines."""
        target, number = self.path / name, 0
        written = target.with_name(f".{name}") if is_local(target) else target
        with NewFile(written) as file:
            for line in lines:
                file.write(line)
                number += 1
        if written != target:
            move(written, target)
        return number

    def _delete(self, names: Collection[str]) -> None:
        for name in sorted(names):
            delete(self.path / name)
            self._loose.discard(name)
            self._folded.pop(name, None)


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content with its checksum."""
    plain = {key: value for key, value in content.items() if key != "checksum"}
    return plain | {"checksum": digest_json(plain)}


def folded_line(entry: Mapping[str, Any]) -> bytes:
    """An entry as a line of a folded file: the hash of the JSON text, a space, and the text."""
    text = json.dumps(entry, sort_keys=True, separators=(",", ":")).encode()
    return f"{digest_bytes(text)} ".encode() + text + b"\n"


def read_run(path: Path) -> dict[str, Any]:
    """The content of run.json.

    Raises FolderError for a damaged one or one of a later version of berry, and OSError.
    """
    cure = "restore it from a copy, or start the run again in another folder"
    run = _parse(path, read_bytes(path), cure)
    schema = run.get("schema", 1)
    if _is_whole(schema) and schema > SCHEMA:
        raise FolderError(
            f"{path}: expected a run of schema {SCHEMA} or earlier, got {schema}: a later version of "
            "berry wrote it; read it with that version"
        )
    for key, kind in (("config", Mapping), ("digest", str)):
        if not isinstance(run.get(key), kind):
            raise FolderError(f"{path}: is damaged, expected a run's config with a {key}; {cure}")
    check_seal(path, run, cure, required="schema" in run)
    return run


def read_complete(
    run: Path, num_problems: int, damage: list[FolderError] | None = None
) -> dict[str, Any] | None:
    """Content of complete.json; None without one, or if entries for some of its problems are gone.

    A damaged file, or the loss of entries, is added to `damage`, if given. Raises FolderError for a
    damaged file without `damage`, and OSError.
    """
    path = run / "journal" / "complete.json"
    cure = f"to write it again, run `rm {shlex.quote(str(path))}` and repeat `berry run`"
    try:
        content = read_bytes(path)
    except FileNotFoundError:
        return None
    try:
        facts = _parse(path, content, cure)
        if not _is_number(expected := facts.get("problems", 0)):
            raise FolderError(f"{path}: is damaged, expected problems to be a number; {cure}")
        check_seal(path, facts, cure, required=False)
        if num_problems >= expected:
            return facts
        # An entry was deleted so that its part is made again.
        if damage is not None:
            raise FolderError(
                f"{run / 'journal'}: has entries for {num_problems} of the {expected} problems of the "
                "complete run; to explore the others again, repeat `berry run`"
            )
    except FolderError as e:
        if damage is None:
            raise
        damage.append(e)
    return None


def _entry_of(run: Path, path: Path, content: bytes) -> dict[str, Any] | FolderError:
    """A part's entry from its own file, or what is wrong with it."""
    return _sound(run, path, content, "", required=True)


def _sound(
    run: Path, path: Path, content: bytes, place: str, *, required: bool
) -> dict[str, Any] | FolderError:
    """The entry, or what is wrong with it; `required` if it must have a checksum."""
    cure = _repair(run)
    try:
        entry = _parse(path, content, cure, place)
        for key, (expected, is_sound) in _ENTRY.items():
            if key not in entry and key in _REQUIRED:
                raise FolderError(f"{path}{place}: is damaged, it has no {key}; {cure}")
            if key in entry and not is_sound(entry[key]):
                raise FolderError(f"{path}{place}: is damaged, expected {key} to be {expected}; {cure}")
        if "problems" not in entry and not {"num_problems", "problems_digest"} <= entry.keys():
            raise FolderError(
                f"{path}{place}: is damaged, it has no num_problems and problems_digest; {cure}"
            )
        check_seal(path, entry, cure, required=required and "problems" not in entry, place=place)
    except FolderError as e:
        return e
    return entry


def _line_entry(run: Path, path: Path, line: bytes, number: int = 0) -> dict[str, Any] | FolderError:
    """The entry in a line of a folded file, or what is wrong with it."""
    found, _, text = line.rstrip(b"\n").partition(b" ")
    if found != digest_bytes(text).encode():
        return FolderError(
            f"{path}, line {number}: is damaged, its checksum does not match its content; "
            f"{_repair(run)}"
        )
    return _sound(run, path, text, f", line {number}", required=False)


def check_seal(
    path: Path, content: dict[str, Any], cure: str, *, required: bool, place: str = ""
) -> None:
    """Takes the checksum out. Raises FolderError for a wrong one."""
    found = content.pop("checksum", None)
    if found is None and not required:
        return
    if found != digest_json(content):
        raise FolderError(f"{path}{place}: is damaged, its checksum does not match its content; {cure}")


def _repair(run: Path) -> str:
    command = f"berry check {shlex.quote(str(run))} --repair"
    return f"to explore its problems again, run `{command}` and repeat `berry run`"


def _is_entry(name: str) -> bool:
    return name.startswith("part-") and name.endswith(".json")


def _is_stale(name: str, parts: PartTable) -> bool:
    index = int(name.removeprefix("part-").removesuffix(".json"))
    return index not in parts and parts.covers(index)


def _names(index: int) -> tuple[str, str]:
    """Names that the entry of a part can have."""
    return f"part-{index:0{DIGITS}d}.json", f"part-{index:0{OLD_DIGITS}d}.json"


def _is_number(value: object) -> bool:
    """Whether the value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**63


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and _is_number(value)


def _are_numbers(value: object) -> bool:
    return isinstance(value, Mapping) and all(map(_is_number, value.values()))


def _are_whole(value: object) -> bool:
    return isinstance(value, Mapping) and all(map(_is_whole, value.values()))


def _are_texts(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(one, str) for one in value.values())


def _are_ids(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


_ENTRY: Mapping[str, tuple[str, Callable[[object], bool]]] = {
    "part": ("a whole number", _is_whole),
    "problems": ("a list of ids", _are_ids),
    "num_problems": ("a whole number", _is_whole),
    "problems_digest": ("a hash", lambda value: isinstance(value, str)),
    "shards": ("a whole number", _is_whole),
    "merged_bytes": ("a whole number", _is_whole),
    "rows": ("names with whole numbers", _are_whole),
    "counts": ("names with numbers", _are_numbers),
    "sizes": ("names with whole numbers", _are_whole),
    "digests": ("names with hashes", _are_texts),
}
_REQUIRED = ("part", "rows", "counts")
"""Keys of every entry; entries of earlier versions have `problems`, and neither sizes nor digests."""


def _parse(path: Path, content: bytes, cure: str, place: str = "") -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as e:
        raise FolderError(f"{path}{place}: is damaged ({explain_json(e)}); {cure}") from e
    if not isinstance(found, dict):
        raise FolderError(f"{path}{place}: is damaged, expected keys and values; {cure}")
    return found
