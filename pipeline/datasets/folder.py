"""The run folder: what is done, and nothing else, survives a crash.

    OUT/run.json                  the run's config, its digest, versions
    OUT/journal/part-*.json       one file for each committed part: the truth about what is done
    OUT/journal/complete.json     there once the run is complete
    OUT/data/VIEW/part-*.parquet  the data
    OUT/metrics.jsonl             one line per interval
    OUT/README.md                 the dataset card

Part k holds the problems k*n to (k+1)*n - 1 of the problem set, whenever they were finished. It is
written under temporary names, published, then journalled; a part without its journal entry does not
exist, and is written again under the same name. So a run that was killed and resumed, however often,
ends with the same files as one that was not.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from pipeline.datasets.damage import open_part
from pipeline.datasets.files import (
    FolderError,
    explained,
    file_digest,
    json_bytes,
    lock_folder,
    publish,
    publish_table,
    visible_files,
    write_card,
)
from pipeline.datasets.journal import read_entry, read_facts, read_run
from pipeline.datasets.metrics import Metrics
from pipeline.datasets.reasons import trim
from pipeline.datasets.views import SCHEMAS

__all__ = ["FolderError", "Part", "RunFolder", "ids_digest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A committed part, as its journal entry tells it."""

    index: int
    num_problems: int
    problems_digest: str
    """Of the ids in order: shows whether the problem set is still the same."""
    counts: Counter[str]
    rows: Mapping[str, int]
    """View -> rows of its file; views that an earlier version did not write are not in it."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """View -> bytes of its file; empty in entries of earlier versions."""
    revised: Mapping[str, str] = field(default_factory=dict)
    """View -> hash of its file, where it was derived again and changed."""


class RunFolder:
    """A run folder; made by `RunFolder.read` to look at, or by `RunFolder.claim` to write to, or by
    `RunFolder.reopen` to derive views again."""

    def __init__(self, path: Path, run: dict[str, Any]) -> None:
        self.path = path
        self.run = run
        """The content of run.json."""
        self.parts: dict[int, Part] = {}
        self.counts: Counter[str] = Counter()
        """Sums over the committed parts."""
        self.complete: dict[str, Any] | None = None
        """The final facts of the run; None until it is complete."""
        self._lock: IO[str] | None = None

    @classmethod
    def read(cls, path: Path) -> "RunFolder":
        """A folder as it is on disk, also while another process writes to it.

        Raises FolderError if it is no run folder.
        """
        with explained(path):
            if not (path / "run.json").is_file():
                raise FolderError(f"{path}: expected a run folder with run.json, found none")
            folder = cls(path, read_run(path / "run.json"))
            for entry in sorted((path / "journal").glob("part-*.json")):
                folder._count(read_entry(entry))
            if (path / "journal" / "complete.json").is_file():
                facts = read_facts(path / "journal" / "complete.json")
                # Fewer problems than there were: an entry was deleted, to make its part anew.
                if folder.counts["problems"] >= facts.get("problems", 0):
                    folder.complete = facts
            return folder

    @classmethod
    def claim(cls, path: Path, run: dict[str, Any]) -> "RunFolder":
        """The folder for this run, made or resumed, and locked against other runs.

        `run` is what run.json is to hold; its `digest` and `config` identify the run. Raises
        FolderError for a folder of another config, one in use, one that is not a run's, one that was
        begun with other columns, and one that cannot be written to.
        """
        with explained(path):
            if path.is_dir() and not (path / "run.json").exists() and visible_files(path):
                raise FolderError(
                    f"{path}: expected an empty or new folder, or one of an earlier run, "
                    f"found other files ({visible_files(path)[0]})"
                )
            path.mkdir(parents=True, exist_ok=True)
            lock = lock_folder(path)
            for view in SCHEMAS:
                (path / "data" / view).mkdir(parents=True, exist_ok=True)
            (path / "journal").mkdir(exist_ok=True)
            if not (path / "run.json").exists():
                publish(path / "run.json", json_bytes(run))
            folder = cls.read(path)
            folder._lock = lock
            if folder.run["digest"] != run["digest"] and not folder.parts:
                # A run that has committed nothing, for want of a file or a model, binds nobody.
                publish(path / "run.json", json_bytes(run))
                folder.run = run
            if folder.run["digest"] != run["digest"]:
                folder.close()
                raise FolderError(f"{path}: {_difference(folder.run['config'], run['config'])}")
            if folder.complete is None:
                folder._check_columns()
            folder._remove_uncommitted()
            return folder

    @classmethod
    def reopen(cls, path: Path) -> "RunFolder":
        """The folder of whatever run it holds, locked, for `revise`.

        Raises FolderError if it is no run folder, in use, or cannot be written to.
        """
        with explained(path):
            cls.read(path)
            lock = lock_folder(path)
            # Once more: a run could have gone on between.
            folder = cls.read(path)
            folder._lock = lock
            return folder

    def part_path(self, view: str, index: int) -> Path:
        """Where a part of a view lies."""
        return self.path / "data" / view / f"part-{index:05d}.parquet"

    def entry_path(self, index: int) -> Path:
        """Where the journal entry of a part lies."""
        return self.path / "journal" / f"part-{index:05d}.json"

    def revise(self, index: int, view: str, table: pa.Table) -> bool:
        """Puts other rows of a view into a committed part, in one go; whether any byte changed.

        Raises FolderError.
        """
        with explained(self.path):
            path = self.part_path(view, index)
            path.parent.mkdir(parents=True, exist_ok=True)
            changed = publish_table(path, table)
            journal = self.entry_path(index)
            entry = read_entry(journal)
            if changed or entry["rows"].get(view) != table.num_rows:
                entry["rows"][view] = table.num_rows
                entry.setdefault("sizes", {})[view] = path.stat().st_size
                entry.setdefault("revised", {})[view] = file_digest(path)
                publish(journal, json_bytes(entry))
                self.parts[index] = _part_of(entry)
            return changed

    def commit(
        self,
        index: int,
        problem_ids: Sequence[str],
        tables: Mapping[str, pa.Table],
        counts: Mapping[str, int],
    ) -> None:
        """Makes a part durable: when this returns, a crash cannot undo it. Raises FolderError."""
        with explained(self.path, "; what is committed stays, the same command goes on from there"):
            for view, table in tables.items():
                publish_table(self.part_path(view, index), table)
            entry = {
                "part": index,
                "problems": list(problem_ids),
                "rows": {view: table.num_rows for view, table in tables.items()},
                "sizes": {view: self.part_path(view, index).stat().st_size for view in tables},
                "counts": dict(counts),
            }
            publish(self.entry_path(index), json_bytes(entry))
        self._count(entry)

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Marks the run complete. Raises FolderError."""
        self.complete = dict(facts)
        with explained(self.path):
            publish(self.path / "journal" / "complete.json", json_bytes(self.complete))

    def write_card(self, text: str) -> None:
        """Puts the dataset card in place. Raises FolderError."""
        write_card(self.path, text)

    def append_metrics(self, line: Mapping[str, Any]) -> None:
        """Adds a line to metrics.jsonl. Raises FolderError."""
        with explained(self.path), (self.path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def last_metrics(self) -> Metrics | None:
        """The newest line of metrics.jsonl; None before the first. Raises FolderError."""
        with explained(self.path):
            return Metrics.last(self.path / "metrics.jsonl")

    def state_digest(self) -> str:
        """A hash that changes whenever the folder's data do."""
        state = [self.run["digest"], self.run["created"]]
        for part in self.parts.values():
            state.append(f"{part.index} {part.problems_digest}")
            state += [f"{view} {digest}" for view, digest in sorted(part.revised.items())]
        return hashlib.blake2b(repr(state).encode(), digest_size=8).hexdigest()

    def close(self) -> None:
        """Gives up the lock; calling it twice is fine."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _count(self, entry: Mapping[str, Any]) -> None:
        part = _part_of(entry)
        self.parts[part.index] = part
        self.counts.update(part.counts)
        trim(self.counts)

    def _check_columns(self) -> None:
        """Raises FolderError if parts that are added now could not be read with the committed ones."""
        try:
            for index in sorted(self.parts)[:1]:
                with open_part(self, "trees", index) as file:
                    if not file.schema_arrow.equals(SCHEMAS["trees"]):
                        raise FolderError(
                            f"{self.path}: expected a run with this version's columns, got one that "
                            "another version of berry began; finish it with that version, or name "
                            "another output"
                        )
        except FolderError:
            self.close()
            raise

    def _remove_uncommitted(self) -> None:
        """Deletes parts that a crash left without a journal entry: readers must not see them."""
        committed = {f"part-{index:05d}.parquet" for index in self.parts}
        for file in (self.path / "data").glob("*/*"):
            if file.name not in committed:
                file.unlink()


def ids_digest(problem_ids: Sequence[str]) -> str:
    """A hash of problem ids in order."""
    return hashlib.blake2b("\n".join(problem_ids).encode(), digest_size=8).hexdigest()


def _part_of(entry: Mapping[str, Any]) -> Part:
    return Part(
        index=entry["part"],
        num_problems=len(entry["problems"]),
        problems_digest=ids_digest(entry["problems"]),
        counts=Counter(entry["counts"]),
        rows=entry["rows"],
        sizes=entry.get("sizes", {}),
        revised=entry.get("revised", {}),
    )


def _difference(old: Mapping[str, Any], new: Mapping[str, Any], above: str = "") -> str:
    """The first key in which two configs differ, as a message."""
    # What is chosen comes before its options: other parts have other ones.
    for key in sorted({*old, *new}, key=lambda key: (key != "use", key)):
        was, now = old.get(key), new.get(key)
        if was == now:
            continue
        if isinstance(was, dict) and isinstance(now, dict):
            return _difference(was, now, f"{above}{key}.")
        if key not in old:
            differs = f"is new in this version of berry ({now!r} here)"
        elif key not in new:
            differs = f"was {was!r} there and is not in this version of berry"
        else:
            differs = f"was {was!r} there and is {now!r} now"
        return (
            f"holds a run of another config: {above}{key} {differs}; "
            "name another output, or delete the folder"
        )
    return "holds a run of another config"
